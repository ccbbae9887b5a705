package forward_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"hither/forward"
	"hither/forward/fetch"
	"hither/rules"
)

const (
	host  = "registry.world.test" // in the rules
	other = "other.world.test"    // in the rules too
	oci   = "oci.world.test"      // a container registry in the rules
	alien = "alien.world.test"    // in no rule
)

// world is a server with real listeners, a client side, one origin for every host, and a fetcher that follows a script.
type world struct {
	t      *testing.T
	server *forward.Server
	addr   string           // of our own listener
	origin *httptest.Server // over TLS
	clear  *httptest.Server // the same, in the clear
	ca     *testCA
	log    *lines

	mu     sync.Mutex
	serve  http.HandlerFunc                                        // the origin; nil: tells what it got
	fetch  func(fetch.Request) (*fetch.Answer, error)              // nil: ErrPass
	dial   func(context.Context, string, string) (net.Conn, error) // nil: every name is the origin
	wishes []fetch.Request
	seen   []*http.Request // by the origin
	dialed []string
}

func newWorld(t *testing.T, edits ...func(*forward.Server)) *world {
	t.Helper()
	w := &world{t: t, ca: newTestCA(t), log: &lines{}}
	w.origin = httptest.NewUnstartedServer(http.HandlerFunc(w.answer))
	w.origin.EnableHTTP2 = true
	w.origin.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshakes that tests break off
	w.origin.StartTLS()
	t.Cleanup(w.origin.Close)
	w.clear = httptest.NewServer(http.HandlerFunc(w.answer))
	t.Cleanup(w.clear.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	set := w.rules()
	w.server = &forward.Server{
		Rules: func() *rules.Set { return set },
		Fetch: w.fetched,
		Pass:  w.transport(),
		Dial:  w.dialFar,
		CA:    w.ca,
		Self:  func(hostport string) bool { return hostport == w.addr || hostport == "hither.test:80" },
		Console: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(rw, "console %s %s", r.Method, r.URL.Path)
		}),
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
		ID:  "abc",
	}
	for _, edit := range edits {
		edit(w.server)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		w.server.Shutdown(ctx)
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve\ngot:  %v\nwant: %v", err, http.ErrServerClosed)
		}
	})
	return w
}

// rules know three hosts, all of them at the one origin.
func (w *world) rules() *rules.Set {
	w.t.Helper()
	files := fstest.MapFS{}
	for name, text := range map[string]string{"reg.toml": regFile, "other.toml": otherFile, "oci.toml": ociFile} {
		files[name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, "ORIGIN", w.origin.URL))}
	}
	set, err := rules.Load(files)
	if err != nil {
		w.t.Fatal(err)
	}
	return set
}

// transport reaches every name at the origin, over TLS or in the clear as the URL says.
func (w *world) transport() *http.Transport {
	t := &http.Transport{
		DialContext:           w.dialFar,
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: true}, // the origin's certificate is for example.com
		DisableCompression:    true,
		ExpectContinueTimeout: time.Minute,
		ForceAttemptHTTP2:     true,
	}
	w.t.Cleanup(t.CloseIdleConnections)
	return t
}

func (w *world) dialFar(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	w.dialed = append(w.dialed, addr)
	dial := w.dial
	w.mu.Unlock()
	if dial != nil {
		return dial(ctx, network, addr)
	}
	at := w.origin
	if strings.HasSuffix(addr, ":80") {
		at = w.clear
	}
	return new(net.Dialer).DialContext(ctx, network, at.Listener.Addr().String())
}

// answer is the origin's.
func (w *world) answer(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.seen = append(w.seen, r)
	serve := w.serve
	w.mu.Unlock()
	if serve != nil {
		serve(rw, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	rw.Header().Set("Alt-Svc", `h3=":443"`)
	fmt.Fprintf(rw, "origin %s %s %s", r.Method, r.RequestURI, body)
}

func (w *world) fetched(_ context.Context, req fetch.Request) (*fetch.Answer, error) {
	w.mu.Lock()
	w.wishes = append(w.wishes, req)
	script := w.fetch
	w.mu.Unlock()
	if script == nil {
		return nil, fetch.ErrPass
	}
	return script(req)
}

func (w *world) setOrigin(h http.HandlerFunc) { w.mu.Lock(); defer w.mu.Unlock(); w.serve = h }

func (w *world) setFetch(f func(fetch.Request) (*fetch.Answer, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fetch = f
}

func (w *world) setDial(f func(context.Context, string, string) (net.Conn, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dial = f
}

// unreachable cuts the wire to every origin.
func (w *world) unreachable() {
	w.setDial(func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("connection refused")}
	})
}

func (w *world) lastWish() (fetch.Request, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.wishes) == 0 {
		return fetch.Request{}, false
	}
	return w.wishes[len(w.wishes)-1], true
}

func (w *world) lastSeen() *http.Request {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		w.t.Fatal("the origin was not asked")
	}
	return w.seen[len(w.seen)-1]
}

func (w *world) wished() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.wishes) }

func (w *world) asked() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.seen) }

// client goes by the proxy and trusts our CA; with h2 it speaks nothing else inside TLS.
func (w *world) client(h2 bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	t := &http.Transport{
		Proxy:                 http.ProxyURL(&url.URL{Scheme: "http", Host: w.addr}),
		TLSClientConfig:       &tls.Config{RootCAs: w.ca.pool()},
		Protocols:             protocols,
		DisableCompression:    true,
		ExpectContinueTimeout: time.Minute,
	}
	w.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// direct asks our own address.
func (w *world) direct() *http.Client {
	t := &http.Transport{DisableCompression: true}
	w.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t, Timeout: 20 * time.Second}
}

// raw sends bytes to our listener and leaves the connection open.
func (w *world) raw(text string) (net.Conn, *bufio.Reader) {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(conn, text)
	return conn, bufio.NewReader(conn)
}

// rawStatus is the status line's code of the answer to text; 0 if the connection just ended.
func (w *world) rawStatus(text string) (int, string) {
	w.t.Helper()
	_, r := w.raw(text)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return 0, ""
	}
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

func get(t *testing.T, c *http.Client, url string, header ...string) (*http.Response, string) {
	t.Helper()
	return do(t, c, "GET", url, "", header...)
}

func do(t *testing.T, c *http.Client, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Add(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: the body: %v", method, url, err)
	}
	return res, string(text)
}

// content is a scripted answer. The zero size means that of the text.
func content(text string, edit func(*fetch.Answer)) func(fetch.Request) (*fetch.Answer, error) {
	return func(req fetch.Request) (*fetch.Answer, error) {
		a := &fetch.Answer{
			Status: 200,
			Header: http.Header{"Content-Type": {"text/plain"}},
			Size:   int64(len(text)),
			Body:   &body{Reader: bytes.NewReader([]byte(text))},
			Report: fetch.Report{Rule: req.Rule.Name, State: fetch.Hit, Source: "https://mirror.test"},
		}
		if edit != nil {
			edit(a)
		}
		return a, nil
	}
}

// body may break at some byte.
type body struct {
	*bytes.Reader
	breaks int64         // 0: never
	closed chan struct{} // closed with it; nil: nobody waits for that
}

func (b *body) Read(p []byte) (int, error) {
	at := b.Size() - int64(b.Len())
	if b.breaks > 0 && at >= b.breaks {
		return 0, fmt.Errorf("the mirror sent wrong bytes")
	}
	if b.breaks > 0 {
		p = p[:min(int64(len(p)), b.breaks-at)]
	}
	return b.Reader.Read(p)
}

func (b *body) Close() error {
	if b.closed != nil {
		close(b.closed)
	}
	return nil
}

// lines is the log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
