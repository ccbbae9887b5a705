package measure_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"hither/forward/measure"
	"hither/forward/transport"
)

// upstream is a server on loopback that speaks h1, h2 and h3 at one port.
type upstream struct {
	*httptest.Server
	roots *x509.CertPool
}

func newUpstream(t *testing.T, handler http.HandlerFunc) *upstream {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Listener.Close()
	var udp *net.UDPConn
	s.Listener, udp = onePort(t)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections) // hanging handlers
	u := &upstream{Server: s, roots: x509.NewCertPool()}
	u.roots.AddCert(s.Certificate())
	u.serveQUIC(t, handler, udp)
	return u
}

// onePort tries ports until one is free for both TCP and UDP.
func onePort(t *testing.T) (net.Listener, *net.UDPConn) {
	t.Helper()
	for range 20 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := tcp.Addr().(*net.TCPAddr)
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: addr.IP, Port: addr.Port})
		if err == nil {
			return tcp, udp
		}
		tcp.Close()
	}
	t.Fatal("no port is free for both TCP and UDP")
	return nil, nil
}

func (u *upstream) serveQUIC(t *testing.T, handler http.HandlerFunc, udp *net.UDPConn) {
	t.Helper()
	s := &http3.Server{Handler: handler, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: u.TLS.Certificates})}
	ended := make(chan struct{})
	go func() { defer close(ended); s.Serve(socket{udp}) }()
	t.Cleanup(func() { s.Close(); udp.Close(); <-ended })
}

// socket hides the buffers that quic-go would complain about.
type socket struct{ net.PacketConn }

func (socket) SetReadBuffer(int) error  { return nil }
func (socket) SetWriteBuffer(int) error { return nil }

func (u *upstream) prober() *measure.Prober {
	return &measure.Prober{Single: transport.Config{RootCAs: u.roots}.Single, Patience: 20 * time.Second}
}

// right is a check that only one text passes.
func right(text string) func([]byte) error {
	return func(body []byte) error {
		if string(body) != text {
			return fmt.Errorf("%d bytes that are not the thing", len(body))
		}
		return nil
	}
}

func TestEachProtocolIsMeasuredInItsPhases(t *testing.T) {
	u := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the thing") })
	target := measure.Target{Base: "b", URL: u.URL + "/x", Check: right("the thing"), Origin: true}
	for _, c := range []struct{ asked, want string }{{"", "h2"}, {"h1", "h1"}, {"h2", "h2"}, {"h3", "h3"}} {
		t.Run(c.want+" for "+c.asked, func(t *testing.T) {
			r := u.prober().Probe(t.Context(), target, c.asked)
			p := r.Phases
			if r.Outcome != measure.OK || r.Proto != c.want || r.Status != 200 || r.Bytes != 9 || r.Cost != 9 || r.Addr != u.Listener.Addr().String() || !r.Origin {
				t.Errorf("result\ngot  %+v\nwant a right answer over %s", r, c.want)
			}
			if p.DNS != 0 || (p.Connect == 0) != (c.want == "h3") || p.TLS == 0 || p.Wait == 0 || p.Body == 0 {
				t.Errorf("phases\ngot  %+v\nwant no look-up of a written address, and the others", p)
			}
			if sum := p.Connect + p.TLS + p.Wait + p.Body; sum > p.Total {
				t.Errorf("phases\ngot  %s together\nwant no more than the total, %s", sum, p.Total)
			}
			s := r.Sample()
			if !s.Probe || s.Base != "b" || s.Took != p.Wait+p.Body || s.When.Before(r.When) || (s.Outcome == measure.OK) != (c.want != "h3") {
				t.Errorf("sample\ngot  %+v\nwant what a warm connection would have seen, and over h3 nothing", s)
			}
		})
	}
}

// Nobody may win by answering something else.
func TestWhatHostileUpstreamsAreFoundToDo(t *testing.T) {
	u := newUpstream(t, hostile)
	for _, c := range []struct {
		name, path string
		lenient    bool // any 200 will do
		want       measure.Outcome
		err        string
	}{
		{"the right bytes", "/right", false, measure.OK, ""},
		{"any bytes, where any will do", "/wrong", true, measure.OK, ""},
		{"a registry that wants a token", "/token", true, measure.OK, ""},
		{"a token wanted for what is free", "/token", false, measure.Refused, "answered 401"},
		{"wrong bytes", "/wrong", false, measure.WrongBytes, "not the thing"},
		{"no bytes", "/empty", false, measure.WrongBytes, "0 bytes"},
		{"right bytes that somebody packed", "/packed", false, measure.Refused, `"gzip"`},
		{"a web page", "/page", false, measure.Page, "web page"},
		{"a web page where any 200 will do", "/page", true, measure.Page, "web page"},
		{"a web page that says it is JSON", "/disguised", true, measure.Page, "web page"},
		{"a redirect to a login", "/login", true, measure.Page, "web page"},
		{"a redirect to a login that refuses", "/forbidden-login", true, measure.Page, "answered 403"},
		{"a ban", "/403", false, measure.Refused, "answered 403"},
		{"too many requests", "/429", false, measure.Limited, "answered 429"},
		{"a pause that is announced", "/pause", false, measure.Limited, "answered 503"},
		{"a pause that is not", "/503", false, measure.Broken, "answered 503"},
		{"it lacks the thing", "/404", false, measure.Missing, "answered 404"},
		{"it never answers", "/hang", false, measure.Stalled, "not done in 400ms"},
		{"it never ends", "/drip", false, measure.Stalled, "not done in 400ms"},
		{"less than announced", "/short", false, measure.Short, "unexpected EOF"},
		{"far more than can be right", "/huge", false, measure.Short, "sent more than"},
		{"a redirect without an end", "/endless/", false, measure.Broken, "redirects more than"},
		{"a redirect in a circle", "/circle", false, measure.Broken, "circle"},
		{"a redirect to nowhere", "/nowhere", false, measure.Broken, "answered 302"},
		{"a connection that breaks", "/break", false, measure.Broken, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := u.prober()
			if c.want == measure.Stalled {
				p.Patience = 400 * time.Millisecond
			}
			target := measure.Target{URL: u.URL + c.path, Check: right("right")}
			if c.lenient {
				target.Check = nil
			}
			r := p.Probe(t.Context(), target, "h1")
			if r.Outcome != c.want || !strings.Contains(r.Err, c.err) || (r.Err == "") != (c.want == measure.OK) {
				t.Errorf("outcome\ngot  %s: %s\nwant %s: %s", r.Outcome, r.Err, c.want, c.err)
			}
			if r.Bytes > 1<<20 {
				t.Errorf("bytes\ngot  %d\nwant at most 1 MiB", r.Bytes)
			}
		})
	}
}

// hostile does what its path says.
func hostile(w http.ResponseWriter, req *http.Request) {
	hang := func() { w.(http.Flusher).Flush(); <-req.Context().Done() }
	switch path := req.URL.Path; path {
	case "/right":
		io.WriteString(w, "right")
	case "/wrong":
		io.WriteString(w, "wrong")
	case "/token":
		w.WriteHeader(http.StatusUnauthorized)
	case "/packed":
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "packed")
	case "/page", "/login-page":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "sign in")
	case "/disguised":
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "\r\n  <!DOCTYPE HTML><title>sign in</title>")
	case "/login":
		http.Redirect(w, req, "/login-page", http.StatusFound)
	case "/forbidden-login":
		http.Redirect(w, req, "/ban", http.StatusFound)
	case "/403", "/ban":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusForbidden)
	case "/429", "/503":
		w.WriteHeader(map[string]int{"/429": 429, "/503": 503}[path])
	case "/pause":
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusServiceUnavailable)
	case "/404":
		http.NotFound(w, req)
	case "/hang":
		<-req.Context().Done()
	case "/drip":
		io.WriteString(w, "ri")
		hang()
	case "/short":
		w.Header().Set("Content-Length", "99")
		io.WriteString(w, "right")
	case "/huge":
		for range 64 {
			w.Write(make([]byte, 64<<10))
		}
	case "/circle":
		http.Redirect(w, req, "/circle", http.StatusFound)
	case "/nowhere":
		w.WriteHeader(http.StatusFound)
	case "/break":
		panic(http.ErrAbortHandler)
	default:
		if strings.HasPrefix(path, "/endless/") {
			http.Redirect(w, req, path+"x", http.StatusFound)
		}
	}
}

func TestAnUnspokenProtocolIsNothingAgainstAnUpstream(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(hostile))
	defer s.Close()
	p := &measure.Prober{Single: transport.Config{}.Single}
	r := p.Probe(t.Context(), measure.Target{URL: s.URL + "/right"}, "h3")
	if !r.Unspoken || r.Outcome != measure.Canceled || r.Sample().Wait != 0 {
		t.Errorf("h3 without TLS\ngot  %+v\nwant canceled, for it is not spoken", r)
	}
	if r := p.Probe(t.Context(), measure.Target{URL: s.URL + "/right"}, "spdy"); r.Outcome != measure.Canceled || r.Err == "" {
		t.Errorf("a protocol that does not exist\ngot  %+v\nwant canceled, with a reason", r)
	}
}

func TestAWebPageIsTheThingWhereItWasAskedFor(t *testing.T) {
	u := newUpstream(t, hostile)
	r := u.prober().Probe(t.Context(), measure.Target{URL: u.URL + "/page", Accept: "text/html, */*"}, "")
	if r.Outcome != measure.OK {
		t.Errorf("outcome\ngot  %s: %s\nwant ok", r.Outcome, r.Err)
	}
}

func TestARateIsTakenFromWhatIsLargeEnough(t *testing.T) {
	for _, c := range []struct {
		bytes int64
		want  float64
	}{{256<<10 - 1, 0}, {1 << 20, 1 << 21}} {
		r := measure.Result{Bytes: c.bytes, Phases: measure.Phases{Body: time.Second / 2}}
		if got := r.Rate(); got != c.want {
			t.Errorf("rate of %d bytes in half a second\ngot  %g\nwant %g", c.bytes, got, c.want)
		}
	}
}

func TestAResultIsStableForPrograms(t *testing.T) {
	r := measure.Result{
		Base: "https://m.example", URL: "https://m.example/x", Proto: "h2", When: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC),
		Phases: measure.Phases{DNS: 1, Connect: 2, TLS: 3, Wait: 4, Body: 5, Total: 15}, Status: 429, Bytes: 6, Cost: 7, Addr: "192.0.2.1:443",
		Outcome: measure.Limited, RetryAfter: 8, Unspoken: true, Newest: "v1", Err: "answered 429", Origin: true,
	}
	text, err := json.Marshal(r)
	want := `{"base":"https://m.example","url":"https://m.example/x","proto":"h2","when":"2026-11-21T09:00:00Z",` +
		`"phases":{"dns":1,"connect":2,"tls":3,"wait":4,"body":5,"total":15},"status":429,"bytes":6,"cost":7,"addr":"192.0.2.1:443",` +
		`"outcome":"limited","retry_after":8,"unspoken":true,"newest":"v1","err":"answered 429","origin":true}`
	if string(text) != want || err != nil {
		t.Errorf("JSON\ngot  %s %v\nwant %s", text, err, want)
	}
	var back measure.Result
	if err := json.Unmarshal(text, &back); err != nil || back != r {
		t.Errorf("read again\ngot  %+v %v\nwant %+v", back, err, r)
	}
}
