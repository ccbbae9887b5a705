package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"hither/forward/wiretest"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// twin is one server that speaks HTTP/2 over TCP, and HTTP/3 at another port, which its Alt-Svc fields name.
type twin struct {
	url    string
	udp    netip.AddrPort
	roots  *x509.CertPool
	stop   func() // ends HTTP/3
	leave  func() // says goodbye over HTTP/3 (GOAWAY), and waits until all clients have left
	noZero bool   // refuses early requests

	mu     sync.Mutex
	doubts bool             // asks those who show no token whether they are where their packets say (Retry)
	asked  int              // whom it asked
	log    []string         // "h2", "h3" or, on a connection that began with a request, "h3 early", with " resumed" behind
	answer http.HandlerFunc // nil: says the protocol
	slow   [4]time.Duration // before each answer, by HTTP version
	altSvc string           // empty: the UDP port
}

type connKey struct{}

func newTwin(t *testing.T, noZero bool) *twin {
	t.Helper()
	w := &twin{noZero: noZero}
	s := httptest.NewUnstartedServer(w)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = discardLog
	s.StartTLS()
	t.Cleanup(s.Close)
	w.url, w.roots = s.URL, rootsOf(s)
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	w.udp = udp.LocalAddr().(*net.UDPAddr).AddrPort()
	h3 := &http3.Server{
		Handler: w, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: s.TLS.Certificates}),
		QUICConfig:  &quic.Config{Allow0RTT: !noZero},
		ConnContext: func(ctx context.Context, c *quic.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	carrier := &quic.Transport{Conn: &socketless{udp}, VerifySourceAddress: w.retries}
	listener, err := carrier.ListenEarly(http3.ConfigureTLSConfig(h3.TLSConfig), h3.QUICConfig)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); h3.ServeListener(listener) }()
	w.stop = sync.OnceFunc(func() { h3.Close(); carrier.Close(); udp.Close(); <-ended })
	w.leave = func() { h3.Shutdown(t.Context()) }
	t.Cleanup(w.stop)
	return w
}

// retries is asked for each connection whose client shows no token.
func (w *twin) retries(net.Addr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.doubts {
		w.asked++
	}
	return w.doubts
}

func (w *twin) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	line := fmt.Sprintf("h%d", req.ProtoMajor)
	if conn, ok := req.Context().Value(connKey{}).(*quic.Conn); ok && conn.ConnectionState().Used0RTT {
		line += " early"
	}
	if req.TLS.DidResume {
		line += " resumed"
	}
	w.mu.Lock()
	w.log = append(w.log, line)
	wait, answer, alt := w.slow[req.ProtoMajor], w.answer, w.altSvc
	w.mu.Unlock()
	if alt == "" {
		alt = fmt.Sprintf(`h3=":%d"`, w.udp.Port())
	}
	rw.Header().Set("Alt-Svc", alt)
	time.Sleep(wait)
	if answer != nil {
		answer(rw, req)
		return
	}
	io.WriteString(rw, req.Proto)
}

// pool is one of the twin's clients.
func (w *twin) pool(t *testing.T, change func(*Config)) *Pool {
	t.Helper()
	c := Config{RootCAs: w.roots}
	if change != nil {
		change(&c)
	}
	p := New(c)
	t.Cleanup(p.Close)
	return p
}

func (w *twin) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *twin) count(line string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.log {
		if strings.HasPrefix(l, line) {
			n++
		}
	}
	return n
}

// until waits for something that another goroutine does.
func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func standing(p *Pool) Standing {
	for _, s := range p.Report() {
		return s
	}
	return Standing{}
}

// prefer asks until HTTP/3 is connected, and then says that it won.
func prefer(t *testing.T, w *twin, p *Pool) {
	t.Helper()
	until(t, "HTTP/3 is connected", func() bool {
		wiretest.Get(t, p, w.url)
		return standing(p).Connected == 1
	})
	win(p)
}

// win makes HTTP/3 the chosen one everywhere, for a long time.
func win(p *Pool) {
	for _, c := range p.quic {
		c.mu.Lock()
		for _, o := range c.origins {
			o.chosen = [kinds]bool{true, true, true}
			o.h3, o.tcp = pace{waits: 99, wait: 200 * time.Millisecond, rates: 99, rate: 1e9}, pace{waits: 99, wait: 10 * time.Second, rates: 99, rate: 1e3}
			o.turns, o.tries = [kinds]int{1, 1, 1}, [kinds]int{eagerTries, eagerTries, eagerTries}
		}
		c.mu.Unlock()
	}
}
