package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hither/forward/wiretest"
)

// measured makes a RoundTripper that is closed with the test.
func measured(t *testing.T, c Config, proto string) http.RoundTripper {
	t.Helper()
	rt, done, err := c.Single(proto)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	return rt
}

// tlsServer speaks what is agreed on with ALPN; no words: TLS without ALPN, and HTTP/1.1.
func tlsServer(t *testing.T, handler http.HandlerFunc, alpn ...string) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = strings.Contains(strings.Join(alpn, " "), "h2")
	s.Config.ErrorLog = discardLog
	s.TLS = &tls.Config{NextProtos: alpn}
	s.StartTLS()
	s.TLS.NextProtos = alpn // httptest added http/1.1
	t.Cleanup(s.Close)
	return s
}

func TestASingleSpeaksExactlyWhatItIsToldTo(t *testing.T) {
	proto := func(w http.ResponseWriter, req *http.Request) { io.WriteString(w, req.Proto) }
	both, one := tlsServer(t, proto, "h2", "http/1.1"), tlsServer(t, proto, "http/1.1")
	plain := httptest.NewServer(http.HandlerFunc(proto))
	t.Cleanup(plain.Close)
	for _, c := range []struct {
		name   string
		server *httptest.Server
		proto  string
		want   string
	}{
		{"nothing said: h2 where it is offered", both, "", "200 HTTP/2.0"},
		{"nothing said: h1 where it is not", one, "", "200 HTTP/1.1"},
		{"nothing said: h1 without TLS", plain, "", "200 HTTP/1.1"},
		{"h1, though h2 is offered", both, "h1", "200 HTTP/1.1"},
		{"h2", both, "h2", "200 HTTP/2.0"},
		{"h2 of one that speaks h1 alone", one, "h2", "unspoken"},
		{"h2 without TLS", plain, "h2", "unspoken"},
		{"h3 without TLS", plain, "h3", "unspoken"},
		{"h3 where nobody listens", both, "h3", "unspoken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			roots := Config{}
			if c.server.TLS != nil {
				roots.RootCAs = rootsOf(c.server)
			}
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, c.server.URL, nil)
			resp, err := measured(t, roots, c.proto).RoundTrip(req)
			if other := new(ProtocolError); errors.As(err, &other) && other.Unspoken() {
				want(t, "unspoken", c.want)
				return
			}
			if err != nil {
				want(t, err.Error(), c.want)
				return
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			want(t, "200 "+string(body), c.want)
		})
	}
}

// A server that knows no ALPN speaks HTTP/1.1, and must not be asked in it for h2.
func TestWithoutALPNThereIsNoHTTP2(t *testing.T) {
	asked := 0
	s := tlsServer(t, func(http.ResponseWriter, *http.Request) { asked++ })
	if got := wiretest.Get(t, measured(t, Config{RootCAs: rootsOf(s)}, "h2"), s.URL); !strings.Contains(got, "does not speak h2") || asked != 0 {
		t.Errorf("got  %s, and %d requests came\nwant that it does not speak h2, and none", got, asked)
	}
	want(t, wiretest.Get(t, measured(t, Config{RootCAs: rootsOf(s)}, "h1"), s.URL), "200")
}

func TestASingleNeverReusesAConnection(t *testing.T) {
	s := tlsServer(t, func(w http.ResponseWriter, req *http.Request) {
		if req.TLS.DidResume {
			io.WriteString(w, "resumed ")
		}
		io.WriteString(w, req.RemoteAddr+" "+req.UserAgent())
	}, "h2", "http/1.1")
	for _, proto := range []string{"", "h1", "h2"} {
		rt := measured(t, Config{RootCAs: rootsOf(s), UserAgent: "ours"}, proto)
		seen := map[string]bool{}
		for range 4 {
			got := wiretest.Get(t, rt, s.URL)
			if seen[got] || strings.Contains(got, "resumed") || !strings.HasSuffix(got, " ours") {
				t.Errorf("%q\ngot  %s after %v\nwant another connection, a whole handshake and our name", proto, got, seen)
			}
			seen[got] = true
		}
	}
}

func TestTheConnectionOfASingleEndsWithItsAnswer(t *testing.T) {
	s := httptest.NewUnstartedServer(wiretest.Says("ok"))
	s.EnableHTTP2 = true
	closed := make(chan struct{}, 9)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.StartTLS()
	defer s.Close()
	for _, proto := range []string{"", "h1", "h2"} {
		rt, _, err := Config{RootCAs: rootsOf(s)}.Single(proto)
		if err != nil {
			t.Fatal(err)
		}
		want(t, wiretest.Get(t, rt, s.URL), "200 ok")
		<-closed // or the test hangs
	}
}

func TestASingleFollowsRedirectsAsTrafficDoes(t *testing.T) {
	s := tlsServer(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/" {
			http.Redirect(w, req, "/there", http.StatusFound)
			return
		}
		io.WriteString(w, req.URL.Path)
	}, "h2", "http/1.1")
	want(t, wiretest.Get(t, measured(t, Config{RootCAs: rootsOf(s)}, "h1"), s.URL+"/"), "200 /there")
}

func TestTLSIsNotWeakenedForMeasuring(t *testing.T) {
	s := tlsServer(t, wiretest.Says("ok"), "h2", "http/1.1")
	for _, proto := range []string{"", "h1", "h2"} {
		if got := wiretest.Get(t, measured(t, Config{}, proto), s.URL); !strings.Contains(got, "not vouched for") {
			t.Errorf("%q\ngot  %s\nwant that the certificate is not vouched for", proto, got)
		}
	}
}

func TestTheEndOfASingleEndsWhatIsUnderWay(t *testing.T) {
	here := make(chan struct{})
	s := tlsServer(t, func(_ http.ResponseWriter, req *http.Request) { close(here); <-req.Context().Done() }, "h2", "http/1.1")
	rt, done, err := Config{RootCAs: rootsOf(s)}.Single("h2")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan string)
	go func() { ended <- wiretest.Get(t, rt, s.URL) }()
	<-here
	done()
	want(t, <-ended, context.Canceled.Error())
	want(t, wiretest.Get(t, rt, s.URL), errSingleClosed.Error())
}

func TestAnUnknownProtocolIsAnError(t *testing.T) {
	_, _, err := Config{}.Single("spdy")
	want(t, err.Error(), `"spdy" is no protocol to measure; write h1, h2 or h3`)
}
