package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hither/forward/dial"
	"hither/forward/mark"
	"hither/forward/wiretest"
)

// upstream starts a TLS server and a Pool that knows its root.
func upstream(t *testing.T, h2 bool, handler http.HandlerFunc) (*httptest.Server, *Pool) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = h2
	s.Config.ErrorLog = discardLog
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := New(Config{RootCAs: rootsOf(s)})
	t.Cleanup(pool.CloseIdleConnections)
	return s, pool
}

func rootsOf(s *httptest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return roots
}

func TestHTTP2IsUsedWhereItIsSpoken(t *testing.T) {
	proto := func(w http.ResponseWriter, req *http.Request) { io.WriteString(w, req.Proto) }
	s, pool := upstream(t, true, proto)
	want(t, wiretest.Get(t, pool, s.URL), "200 HTTP/2.0")
	s, pool = upstream(t, false, proto)
	want(t, wiretest.Get(t, pool, s.URL), "200 HTTP/1.1")
}

// The window is larger than the documentation of http.HTTP2Config allows. If a Go release enforces it, one stream falls
// back to 4 MiB a round trip and this test says so.
func TestAWindowIsUnderWayAndNoMore(t *testing.T) {
	var sent atomic.Int64
	chunk := make([]byte, 256<<10)
	s, pool := upstream(t, true, func(w http.ResponseWriter, req *http.Request) {
		for req.Context().Err() == nil {
			n, err := w.Write(chunk)
			if err != nil {
				return
			}
			sent.Add(int64(n))
		}
	})
	for _, c := range []struct {
		name   string
		lane   int
		window int64
	}{{"in no lane", 0, streamWindow}, {"in a lane, of which there are many", 1, laneStream}} {
		t.Run(c.name, func(t *testing.T) {
			sent.Store(0)
			ctx, cancel := context.WithCancel(mark.Lane(t.Context(), c.lane))
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
			resp, err := pool.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			// Nobody reads. What the server could send is the window, and a little that stands in its own buffers.
			for deadline := time.Now().Add(20 * time.Second); sent.Load() < c.window-1<<20; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("got  %d MiB under way\nwant %d MiB", sent.Load()>>20, c.window>>20)
				}
			}
			time.Sleep(50 * time.Millisecond)
			if got := sent.Load(); got > c.window+4<<20 {
				t.Errorf("got  %d MiB under way\nwant no more than %d MiB: the window is the bound on memory", got>>20, c.window>>20)
			}
		})
	}
}

func TestManyRequestsAtOnce(t *testing.T) {
	for _, h2 := range []bool{true, false} {
		s, pool := upstream(t, h2, func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Millisecond)
			io.WriteString(w, "ok")
		})
		var open, most peak
		pool.chosen.take(0).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(dial.Dialer).DialContext(ctx, network, addr)
			most.atLeast(open.add(1))
			return &counted{Conn: conn, open: &open}, err
		}
		var all sync.WaitGroup
		for range 400 {
			all.Go(func() {
				if got := wiretest.Get(t, pool, s.URL); got != "200 ok" {
					t.Errorf("got  %s\nwant 200 ok", got)
				}
			})
		}
		all.Wait()
		if n := most.add(0); n > perHost+perHost/4 { // http.Transport frees the place an instant before it closes the connection
			t.Errorf("h2 %t\ngot  %d connections at once\nwant about %d at most", h2, n, perHost)
		}
	}
}

// peak is a number under a lock.
type peak struct {
	mu sync.Mutex
	n  int
}

func (p *peak) add(d int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n += d
	return p.n
}

func (p *peak) atLeast(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n = max(p.n, n)
}

type counted struct {
	net.Conn
	open *peak
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.add(-1) })
	return c.Conn.Close()
}

func TestNothingIsUnpacked(t *testing.T) {
	packed := []byte{0x1f, 0x8b, 1, 2, 3}
	s, pool := upstream(t, false, func(w http.ResponseWriter, req *http.Request) {
		if enc := req.Header.Get("Accept-Encoding"); enc != "" {
			t.Errorf("Accept-Encoding: %s", enc)
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(packed)
	})
	want(t, wiretest.Get(t, pool, s.URL), "200 "+string(packed))
}

func TestMistake6WeSayWhoWeAre(t *testing.T) {
	var said []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { said = req.Header["User-Agent"] }))
	defer s.Close()
	pool := New(Config{UserAgent: "hither/1.2 (+https://hither.example)"})
	defer pool.CloseIdleConnections()
	check := func(who, agent string) {
		t.Helper()
		if got := strings.Join(said, "|"); got != agent {
			t.Errorf("%s\ngot  %q\nwant %q", who, got, agent)
		}
	}
	wiretest.Get(t, pool, s.URL)
	check("our own request", "hither/1.2 (+https://hither.example)")
	wiretest.Get(t, pool, s.URL, "User-Agent", "npm/11")
	check("a request that says", "npm/11")
	target, _ := url.Parse(s.URL)
	passed := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: pool}
	pass := func(agent string) {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		if agent != "" {
			req.Header.Set("User-Agent", agent)
		}
		passed.ServeHTTP(httptest.NewRecorder(), req)
	}
	pass("pip/25")
	check("a client's request, passed on", "pip/25")
	pass("")
	check("a client that does not say", "")
}

// What the user chose is in one pool, what strangers chose in another: a warm connection is no way around the dial's rules.
func TestStrangersDoNotUseTheConnectionsOfTheUser(t *testing.T) {
	s, pool := upstream(t, false, wiretest.Says("inside"))
	want(t, wiretest.Get(t, pool, s.URL), "200 inside")
	req, _ := http.NewRequestWithContext(mark.Public(t.Context()), http.MethodGet, s.URL, nil)
	if got := wiretest.Send(pool, req); !strings.Contains(got, dial.ErrPrivate.Error()) {
		t.Errorf("got  %s\nwant a refusal", got)
	}
	want(t, wiretest.Get(t, pool, s.URL), "200 inside")
}

func TestUpstreamThatNeverAnswersIsGivenUp(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	pool := New(Config{HeaderTimeout: 50 * time.Millisecond})
	defer pool.CloseIdleConnections()
	want(t, wiretest.Get(t, pool, s.URL), "net/http: timeout awaiting response headers")
}

// A registry that puts a large upload together takes minutes, and who polls a stranger waits as long as that likes.
func TestPatientRequestWaitsAsLongAsItsClient(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { <-release; io.WriteString(w, "done") }))
	defer s.Close()
	pool := New(Config{HeaderTimeout: 50 * time.Millisecond})
	defer pool.CloseIdleConnections()
	time.AfterFunc(300*time.Millisecond, func() { close(release) })
	req, _ := http.NewRequestWithContext(mark.Patient(t.Context()), http.MethodGet, s.URL, nil)
	want(t, wiretest.Send(pool, req), "200 done")
	req, _ = http.NewRequestWithContext(mark.Public(mark.Patient(t.Context())), http.MethodGet, s.URL, nil)
	if got := wiretest.Send(pool, req); !strings.Contains(got, dial.ErrPrivate.Error()) {
		t.Errorf("a stranger's\ngot  %s\nwant a refusal", got)
	}
}

// WebSockets and slow downloads hold their connections for hours; the next client must not wait for them.
func TestPatientRequestsAreNotCounted(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	pool := New(Config{})
	defer pool.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(mark.Patient(t.Context()), 20*time.Second)
	defer cancel()
	var running sync.WaitGroup
	arrived := make(chan string, perHost+1)
	for range perHost + 1 {
		running.Go(func() {
			trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { arrived <- "" }}
			req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodGet, s.URL, nil)
			if got := wiretest.Send(pool, req); got != "200" {
				arrived <- got
			}
		})
	}
	for range perHost + 1 {
		want(t, <-arrived, "")
	}
	close(release)
	running.Wait()
}

func TestTLSIsNotWeakened(t *testing.T) {
	s := httptest.NewUnstartedServer(wiretest.Says("old"))
	s.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	s.Config.ErrorLog = discardLog
	s.StartTLS()
	defer s.Close()
	pool := New(Config{RootCAs: rootsOf(s)})
	if got := wiretest.Get(t, pool, s.URL); !strings.Contains(got, "protocol version") {
		t.Errorf("TLS 1.1\ngot  %s\nwant a refusal", got)
	}
	s = httptest.NewUnstartedServer(wiretest.Says("unknown"))
	s.Config.ErrorLog = discardLog
	s.StartTLS()
	defer s.Close()
	pool = New(Config{RootCAs: x509.NewCertPool()})
	if got := wiretest.Get(t, pool, s.URL); !strings.Contains(got, "not vouched for") || !strings.Contains(got, "name its root certificate") {
		t.Errorf("an unknown root\ngot  %s\nwant a refusal with the next step", got)
	}
}

// A laptop whose battery was empty takes every certificate for one of the future.
func TestAWrongClockIsNamed(t *testing.T) {
	s, _ := upstream(t, true, wiretest.Says("ok"))
	pool := New(Config{RootCAs: rootsOf(s)})
	t.Cleanup(pool.CloseIdleConnections)
	for _, year := range []int{1969, 2200} {
		pool.chosen.take(0).TLSClientConfig.Time = func() time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
		got := wiretest.Get(t, pool, s.URL)
		if !strings.Contains(got, "not valid today") || !strings.HasSuffix(got, "if the clock of this machine is wrong, correct it") {
			t.Errorf("in %d\ngot  %s\nwant that the clock is to be corrected", year, got)
		}
	}
}

func TestRoots(t *testing.T) {
	s := httptest.NewTLSServer(wiretest.Says("vouched for"))
	defer s.Close()
	dir := t.TempDir()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	good, empty, missing := filepath.Join(dir, "good.pem"), filepath.Join(dir, "empty.pem"), filepath.Join(dir, "missing.pem")
	os.WriteFile(good, text, 0o600)
	os.WriteFile(empty, []byte("-----BEGIN PRIVATE KEY-----\n"), 0o600)
	t.Setenv("SSL_CERT_FILE", "")
	t.Setenv("SSL_CERT_DIR", "")
	reach := func(how string, files ...string) {
		t.Helper()
		roots, err := Roots(files...)
		if err != nil {
			t.Fatal(err)
		}
		pool := New(Config{RootCAs: roots})
		defer pool.CloseIdleConnections()
		if got := wiretest.Get(t, pool, s.URL); got != "200 vouched for" {
			t.Errorf("%s\ngot  %s\nwant 200", how, got)
		}
	}
	reach("a file of the configuration", good)
	t.Setenv("SSL_CERT_FILE", good)
	reach("SSL_CERT_FILE")
	t.Setenv("SSL_CERT_FILE", missing)
	t.Setenv("SSL_CERT_DIR", t.TempDir()+string(filepath.ListSeparator)+dir)
	reach("SSL_CERT_DIR")
	for file, words := range map[string]string{missing: "cannot be read", empty: "holds no certificate"} {
		if _, err := Roots(good, file); err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), file) {
			t.Errorf("got  %v\nwant %s and %s", err, file, words)
		}
	}
}

func TestBodyOfARequestArrivesWhole(t *testing.T) {
	sent := bytes.Repeat([]byte("hither"), 1<<20)
	for _, h2 := range []bool{true, false} {
		s, pool := upstream(t, h2, func(w http.ResponseWriter, req *http.Request) {
			got, _ := io.ReadAll(req.Body)
			io.WriteString(w, map[bool]string{true: "same", false: "other"}[bytes.Equal(got, sent)])
		})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL, bytes.NewReader(sent))
		want(t, wiretest.Send(pool, req), "200 same")
	}
}
