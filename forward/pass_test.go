package forward_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hither/forward"
	"hither/forward/dial"
	"hither/forward/transport"
)

func TestAPassedRequestArrivesAsItWasSent(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Alt-Svc", `h3=":443"; ma=86400`)
		rw.Header().Set("X-Origin", "yes")
		rw.WriteHeader(http.StatusTeapot)
		io.Copy(rw, r.Body)
	})
	for _, h2 := range []bool{false, true} {
		res, body := do(t, w.client(h2), "PUT", "https://"+host+"/never/a%2Fb%2b;c?x=1;y&z=%zz", "upload",
			"Authorization", "Basic c2VjcmV0", "X-Forwarded-For", "10.0.0.1", "Accept-Encoding", "br", "Proxy-Authorization", "Basic eA==")
		seen := w.lastSeen()
		for _, c := range []struct{ what, got, want string }{
			{"answer", fmt.Sprint(res.StatusCode, " ", body, " ", res.Header.Get("X-Origin")), "418 upload yes"},
			{"Alt-Svc", res.Header.Get("Alt-Svc"), ""},
			{"Cache-Status", res.Header.Get("Cache-Status"), "Hither; fwd=bypass"},
			{"request line", seen.Method + " " + seen.RequestURI, "PUT /never/a%2Fb%2b;c?x=1;y&z=%zz"},
			{"Authorization", seen.Header.Get("Authorization"), "Basic c2VjcmV0"},
			{"X-Forwarded-For", seen.Header.Get("X-Forwarded-For"), "10.0.0.1"},
			{"Accept-Encoding", seen.Header.Get("Accept-Encoding"), "br"},
			{"Proxy-Authorization", seen.Header.Get("Proxy-Authorization"), ""},
			{"User-Agent", seen.Header.Get("User-Agent"), "Go-http-client/" + map[bool]string{false: "1.1", true: "2.0"}[h2]},
			{"Via", seen.Header.Get("Via"), "1.1 hither-abc"},
		} {
			if c.got != c.want {
				t.Errorf("%s, HTTP/2 %v\ngot:  %s\nwant: %s", c.what, h2, c.got, c.want)
			}
		}
	}
}

func TestARedirectIsTheClientsToFollow(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "https://cdn.test/x", http.StatusFound)
	})
	res, _ := get(t, w.client(false), "https://"+host+"/never/a", "Authorization", "Bearer t")
	if got := fmt.Sprint(res.StatusCode, " ", res.Header.Get("Location"), " ", w.asked()); got != "302 https://cdn.test/x 1" {
		t.Errorf("got:  %s\nwant: 302 https://cdn.test/x 1", got)
	}
}

// Trap: a proxy that reads the body before it asks the origin stalls the client that waits for 100 Continue.
func TestAnUploadThatExpectsContinue(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(func(rw http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(rw, n, " ", err)
	})
	upload := strings.Repeat("u", 1<<20)
	for _, h2 := range []bool{false, true} {
		continued := make(chan struct{}, 1)
		trace := &httptrace.ClientTrace{Got100Continue: func() { continued <- struct{}{} }}
		req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPut, "https://"+host+"/never/a", strings.NewReader(upload))
		req.Header.Set("Expect", "100-continue")
		res, err := w.client(h2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if want := "1048576 <nil>"; string(body) != want {
			t.Errorf("HTTP/2 %v\ngot:  %s\nwant: %s", h2, body, want)
		}
		if len(continued) != 1 {
			t.Errorf("HTTP/2 %v\ngot:  no 100 Continue\nwant: one, at once", h2)
		}
	}
}

func TestAnUploadThatIsRefusedIsNotSent(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) })
	req, _ := http.NewRequest(http.MethodPut, "https://"+host+"/never/a", strings.NewReader("refused"))
	req.Header.Set("Expect", "100-continue")
	res, err := w.client(false).Do(req)
	if err != nil || res.StatusCode != http.StatusForbidden {
		t.Fatalf("got:  %v, %v\nwant: 403", res, err)
	}
}

func TestInterimAnswersAndTrailers(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Link", "</style.css>; rel=preload")
		rw.WriteHeader(http.StatusEarlyHints)
		rw.Header().Del("Link")
		rw.Header().Set("Trailer", "X-Sum")
		io.WriteString(rw, "body")
		rw.Header().Set("X-Sum", "42")
	})
	for _, h2 := range []bool{false, true} {
		hint := ""
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hint = fmt.Sprint(code, " ", h.Get("Link"))
			return nil
		}}
		req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "https://"+host+"/never/a", nil)
		res, err := w.client(h2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		got := fmt.Sprint(hint, "|", string(body), "|", res.Trailer.Get("X-Sum"), "|", res.Header.Get("Link"))
		if want := "103 </style.css>; rel=preload|body|42|"; got != want {
			t.Errorf("HTTP/2 %v\ngot:  %s\nwant: %s", h2, got, want)
		}
	}
}

func TestAClientThatLeavesIsNoticedUpstream(t *testing.T) {
	w := newWorld(t)
	arrived, left := make(chan struct{}), make(chan struct{})
	w.setOrigin(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
		left <- struct{}{}
	})
	for _, h2 := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/never/a", nil)
		go w.client(h2).Do(req)
		<-arrived
		cancel()
		select {
		case <-left:
		case <-time.After(20 * time.Second):
			t.Fatalf("HTTP/2 %v\ngot:  an origin that still works\nwant: its request cancelled", h2)
		}
	}
}

func TestAPassedBodyThatDiesBreaksTheConnection(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(func(rw http.ResponseWriter, _ *http.Request) {
		io.WriteString(rw, "the first half")
		http.NewResponseController(rw).Flush()
		panic(http.ErrAbortHandler)
	})
	for _, h2 := range []bool{false, true} {
		res, err := w.client(h2).Get("https://" + host + "/never/a")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("HTTP/2 %v\ngot:  %s and a clean end\nwant: an error", h2, got)
		}
		res.Body.Close()
	}
}

func TestWebSocketThroughOurHostAndByAbsoluteURL(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(echo)
	t.Run("an intercepted host", func(t *testing.T) { talk(t, w.client(false), "wss://"+host+"/never/live") })
	t.Run("an absolute URL", func(t *testing.T) {
		conn, r := w.raw("GET http://" + alien + "/live HTTP/1.1\r\nHost: " + alien + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		if got, want := line(r), "HTTP/1.1 101 Switching Protocols"; got != want {
			t.Fatalf("got:  %s\nwant: %s", got, want)
		}
		for line(r) != "" {
		}
		conn.Write([]byte{0x81, 0x82, 0, 0, 0, 0, 'a', 'b'}) // a text frame with the mask 0
		got := make([]byte, 6)
		if io.ReadFull(r, got); string(got) != "\x81\x04abab" {
			t.Errorf("got:  %q\nwant: a frame with abab", got)
		}
	})
}

func TestShutdownEndsUpgradedConnections(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(echo)
	conn, r := w.raw("GET http://" + alien + "/live HTTP/1.1\r\nHost: " + alien + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	for line(r) != "" {
	}
	w.shutdown()
	_, err := conn.Read(make([]byte, 1))
	var late net.Error
	if err == nil || errors.As(err, &late) && late.Timeout() {
		t.Errorf("got:  %v\nwant: an end", err)
	}
}

// Our own failure is never a 404: cmd/go, Maven and apt believe those.
func TestOurFailuresAreToldInWords(t *testing.T) {
	w := newWorld(t)
	w.setDial(func(_ context.Context, _, addr string) (net.Conn, error) {
		switch {
		case strings.HasPrefix(addr, "slow."):
			return nil, context.DeadlineExceeded
		case strings.HasPrefix(addr, "loop."):
			return nil, fmt.Errorf("127.0.0.1:7890: %w", dial.ErrSelf)
		case strings.HasPrefix(addr, "nowhere."):
			return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
		}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	})
	for _, c := range []struct {
		what, url string
		status    int
		kind, has string
	}{
		{"refused", "http://refused.test/", 502, "text/plain; charset=utf-8", "refused.test could not be asked"},
		{"no such host", "http://nowhere.test/", 502, "text/plain; charset=utf-8", "no such host"},
		{"a name that leads to ourselves", "http://loop.test/", 508, "text/plain; charset=utf-8", "Hither itself"},
		{"too slow", "http://slow.test/", 504, "text/plain; charset=utf-8", "did not answer in time"},
		{"a registry's own form", "https://" + oci + "/v2/x/tags/list", 502, "application/json", `{"errors":[{"code":"UNAVAILABLE","message":"`},
	} {
		res, body := get(t, w.client(false), c.url)
		if res.StatusCode != c.status || res.Header.Get("Content-Type") != c.kind || !strings.Contains(body, c.has) {
			t.Errorf("%s\ngot:  %d %s %s\nwant: %d %s … %s …", c.what, res.StatusCode, res.Header.Get("Content-Type"), body, c.status, c.kind, c.has)
		}
		if got := res.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control\ngot:  %s\nwant: no-store", c.what, got)
		}
	}
}

// The log may be shown to others: no queries, no credentials.
func TestTheLogHoldsNoSecrets(t *testing.T) {
	w := newWorld(t)
	get(t, w.client(false), "https://"+host+"/never/a?token=hush", "Authorization", "Bearer hush")
	w.unreachable()
	get(t, w.client(false), "http://"+alien+"/a?token=hush", "Authorization", "Bearer hush")
	w.shutdown()
	if got := w.log.String(); strings.Contains(got, "hush") || !strings.Contains(got, "/never/a") {
		t.Errorf("got:  %s\nwant: the paths without the secrets", got)
	}
}

func TestWithoutACAOurHostsAreTunnelledToo(t *testing.T) {
	w := newWorld(t, func(s *forward.Server) { s.CA = nil })
	conn, r := w.raw("CONNECT " + host + ":443 HTTP/1.1\r\nHost: x\r\n\r\n")
	line(r)
	line(r)
	secure := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	if got, want := secure.ConnectionState().PeerCertificates[0], w.origin.Certificate(); !got.Equal(want) {
		t.Errorf("certificate\ngot:  %v\nwant: the origin's own", got.Subject)
	}
}

func TestAClientThatDoesNotTrustUsIsToldInTheLog(t *testing.T) {
	w := newWorld(t)
	c := w.client(false)
	c.Transport.(*http.Transport).TLSClientConfig.RootCAs = x509.NewCertPool()
	if _, err := c.Get("https://" + host + "/forever/a"); err == nil {
		t.Fatal("got:  an answer\nwant: a failed handshake")
	}
	w.shutdown()
	if got := w.log.String(); !strings.Contains(got, "does not trust") {
		t.Errorf("the log\ngot:  %s\nwant: what to do", got)
	}
}

// A registry's own time limit is for reading: who uploads, polls or talks waits as long as he likes.
func TestAnUploadAndAStrangerMayTakeTheirTime(t *testing.T) {
	var pool atomic.Pointer[transport.Pool]
	w := newWorld(t, func(s *forward.Server) {
		s.Pass = tripper(func(req *http.Request) (*http.Response, error) { return pool.Load().RoundTrip(req) })
	})
	roots := x509.NewCertPool()
	roots.AddCert(w.origin.Certificate())
	pool.Store(transport.New(transport.Config{Dial: w.dialFar, RootCAs: roots, HeaderTimeout: 100 * time.Millisecond}))
	t.Cleanup(func() { pool.Load().CloseIdleConnections() })
	w.setOrigin(func(rw http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodGet && r.Host == host {
			<-r.Context().Done()
		}
		time.Sleep(400 * time.Millisecond)
		io.WriteString(rw, "done")
	})
	for _, c := range []struct{ what, method, url, want string }{
		{"an upload", "PUT", "http://" + host + "/never/a", "200 done"},
		{"reading at a stranger's", "GET", "http://" + alien + "/a", "200 done"},
		{"reading at a registry", "GET", "http://" + host + "/never/a", "504 "},
	} {
		res, body := do(t, w.client(false), c.method, c.url, "body")
		if got := fmt.Sprint(res.StatusCode, " ", body); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Without us the client has the first bytes while the origin still thinks about the rest.
func TestAPassedBodyArrivesAsItComes(t *testing.T) {
	w := newWorld(t)
	rest := make(chan struct{})
	w.setOrigin(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "9")
		http.NewResponseController(rw).Flush()
		<-rest
		io.WriteString(rw, "first")
		http.NewResponseController(rw).Flush()
		<-rest
		io.WriteString(rw, "last")
	})
	for _, h2 := range []bool{false, true} {
		res, err := w.client(h2).Get("https://" + host + "/never/a")
		if err != nil {
			t.Fatalf("the head, HTTP/2 %v: %v", h2, err)
		}
		rest <- struct{}{}
		got := make([]byte, 5)
		if _, err := io.ReadFull(res.Body, got); string(got) != "first" {
			t.Errorf("HTTP/2 %v\ngot:  %s, %v\nwant: first", h2, got, err)
		}
		rest <- struct{}{}
		if tail, err := io.ReadAll(res.Body); string(tail) != "last" || err != nil {
			t.Errorf("HTTP/2 %v\ngot:  %s, %v\nwant: last", h2, tail, err)
		}
		res.Body.Close()
	}
}

// What the origin does not say of a body is not for us to guess: net/http would call this a page.
func TestAPassedBodyHasNoTypeButTheOrigins(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header()["Content-Type"] = nil
		io.WriteString(rw, "<html>")
	})
	for _, url := range []string{"http://" + alien + "/a", "https://" + host + "/never/a"} {
		res, _ := get(t, w.client(false), url)
		if got, ok := res.Header["Content-Type"]; ok {
			t.Errorf("%s\ngot:  Content-Type %q\nwant: none", url, got)
		}
	}
}

// HTTP/1.0 knows no interim answers (RFC 9110, 15.2), and no answer leads a client past us.
func TestWhoGetsInterimAnswers(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Alt-Svc", `h3=":443"`)
		rw.Header().Set("Link", "</style>")
		rw.WriteHeader(http.StatusEarlyHints)
		io.WriteString(rw, "done")
	})
	for _, c := range []struct{ version, want string }{
		{"1.1", "HTTP/1.1 103 Early Hints"},
		{"1.0", "HTTP/1.0 200 OK"},
	} {
		_, r := w.raw("GET http://" + alien + "/a HTTP/" + c.version + "\r\nHost: x\r\nConnection: close\r\n\r\n")
		answer, _ := io.ReadAll(r)
		if got := string(answer); !strings.HasPrefix(got, c.want) || strings.Contains(got, "Alt-Svc") {
			t.Errorf("HTTP/%s\ngot:  %s\nwant: %s, and no Alt-Svc", c.version, got, c.want)
		}
	}
}
