package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"hither/forward/dial"
	"hither/forward/mark"
	"hither/forward/wiretest"
)

// quicServer speaks HTTP/3 on a port of 127.0.0.1. It returns the URL and who vouches for it.
func quicServer(t *testing.T, handler http.HandlerFunc) (string, *x509.CertPool) {
	t.Helper()
	identity := httptest.NewUnstartedServer(nil)
	identity.StartTLS()
	roots := rootsOf(identity)
	identity.Close()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &http3.Server{Handler: handler, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: identity.TLS.Certificates})}
	ended := make(chan struct{})
	go func() { defer close(ended); s.Serve(&socketless{udp}) }()
	t.Cleanup(func() { s.Close(); udp.Close(); <-ended })
	return "https://" + udp.LocalAddr().String(), roots
}

// socketless hides the server's socket from quic-go's look at its buffers.
type socketless struct{ net.PacketConn }

func (*socketless) SetReadBuffer(int) error  { return nil }
func (*socketless) SetWriteBuffer(int) error { return nil }

func TestHTTP3IsMeasured(t *testing.T) {
	at, roots := quicServer(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/from" {
			http.Redirect(w, req, "/to", http.StatusFound)
			return
		}
		io.WriteString(w, req.Proto+" "+req.UserAgent())
	})
	var told bytes.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&told)
	rt := measured(t, Config{RootCAs: roots, UserAgent: "ours"}, "h3")
	want(t, wiretest.Get(t, rt, at), "200 HTTP/3.0 ours")
	want(t, wiretest.Get(t, rt, at+"/from"), "200 HTTP/3.0 ours")
	want(t, told.String(), "") // quic-go speaks of its UDP buffers
}

func TestHTTP3DialsByOurRules(t *testing.T) {
	at, roots := quicServer(t, wiretest.Says("ok"))
	addr := netip.MustParseAddrPort(strings.TrimPrefix(at, "https://"))
	port := ":" + at[strings.LastIndex(at, ":")+1:]
	world := wiretest.Names{"lan.example": "10.0.0.7", "us.example": "127.0.0.1"}
	for _, c := range []struct {
		name   string
		dialer *dial.Dialer
		url    string
		public bool
		want   error
	}{
		{"an address that is ours", &dial.Dialer{Self: func(a netip.AddrPort) bool { return a == addr }}, at, false, dial.ErrSelf},
		{"a name that leads to this machine", &dial.Dialer{Resolver: world}, "https://us.example" + port, false, dial.ErrPrivate},
		{"a stranger's way into the private network", &dial.Dialer{Resolver: world}, "https://lan.example" + port, true, dial.ErrPrivate},
		{"a stranger's way to this machine", &dial.Dialer{Resolver: world}, at, true, dial.ErrPrivate},
		{"an upstream proxy", &dial.Dialer{Resolver: world, Proxy: &url.URL{Scheme: "http", Host: "192.0.2.1:3128"}}, "https://far.example" + port, false, dial.ErrProxied},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			if c.public {
				ctx = mark.Public(ctx)
			}
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
			config := Config{RootCAs: roots, Dial: c.dialer.DialContext, Datagrams: c.dialer.Datagrams}
			if _, err := measured(t, config, "h3").RoundTrip(req); !errors.Is(err, c.want) {
				t.Errorf("got  %v\nwant %v", err, c.want)
			}
		})
	}
	config := Config{RootCAs: roots, Dial: new(dial.Dialer).DialContext}
	if got := wiretest.Get(t, measured(t, config, "h3"), at); !strings.Contains(got, errNoDatagrams.Error()) {
		t.Errorf("a dialer for TCP alone\ngot  %s\nwant %s", got, errNoDatagrams)
	}
}

func TestHTTP3DoesNotBelieveStrangeCertificates(t *testing.T) {
	at, _ := quicServer(t, wiretest.Says("ok"))
	if got := wiretest.Get(t, measured(t, Config{}, "h3"), at); !strings.Contains(got, "not vouched for") {
		t.Errorf("got  %s\nwant that the certificate is not vouched for", got)
	}
}

func TestHTTP3TellsItsPhases(t *testing.T) {
	at, roots := quicServer(t, wiretest.Says("ok"))
	var told wiretest.Diary
	ctx := httptrace.WithClientTrace(told.Traced(t.Context()), &httptrace.ClientTrace{
		TLSHandshakeStart:    func() { told.Note("handshake") },
		TLSHandshakeDone:     func(s tls.ConnectionState, err error) { told.Note("handshake done %s %v", s.NegotiatedProtocol, err) },
		GotConn:              func(i httptrace.GotConnInfo) { told.Note("to %s", i.Conn.RemoteAddr()) },
		WroteRequest:         func(i httptrace.WroteRequestInfo) { told.Note("asked %v", i.Err) },
		GotFirstResponseByte: func() { told.Note("answer") },
	})
	dialer := &dial.Dialer{Resolver: wiretest.Names{"example.com": "192.0.2.1"}}
	real := netip.MustParseAddrPort(strings.TrimPrefix(at, "https://"))
	config := Config{RootCAs: roots, Dial: dialer.DialContext, Datagrams: func(ctx context.Context, addr string) ([]netip.AddrPort, error) {
		_, err := dialer.Datagrams(ctx, addr)
		return []netip.AddrPort{real}, err
	}}
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com/", nil)
	want(t, wiretest.Send(measured(t, config, "h3"), req), "200 ok")
	want(t, told.String(), "dns example.com, dns done 1, handshake, handshake done h3 <nil>, to "+real.String()+", asked <nil>, answer")
}

// Nothing of a measurement stays: no goroutine, and so no socket, which one of them would read.
func TestHTTP3LeavesNothingBehind(t *testing.T) {
	hang := make(chan struct{})
	at, roots := quicServer(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/hang" {
			<-hang
		}
		io.WriteString(w, "ok")
	})
	defer close(hang)
	before := clients()
	rt, done, err := Config{RootCAs: roots, HeaderTimeout: time.Second}.Single("h3")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		want(t, wiretest.Get(t, rt, at), "200 ok")
	}
	if got := wiretest.Get(t, rt, at+"/hang"); !strings.Contains(got, "no answer in 1s") {
		t.Errorf("got  %s\nwant that there was no answer in 1s", got)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	if _, err := rt.RoundTrip(req); err != nil { // a body that nobody closes
		t.Fatal(err)
	}
	done()
	for deadline := time.Now().Add(20 * time.Second); clients() != before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("goroutines of clients\ngot  %d\nwant %d", clients(), before)
		}
	}
}

// clients counts the goroutines that belong to our side of HTTP/3.
func clients() int {
	buf := make([]byte, 4<<20)
	n := 0
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "transport.(*socket)") || strings.Contains(stack, "http3.(*ClientConn)") || strings.Contains(stack, "transport.Config.") {
			n++
		}
	}
	return n
}

// Each connection has a socket of its own.
func TestWhoNeedsFilesHasThoseOfIdleHTTP3Connections(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, nil)
	prefer(t, w, p)
	c := p.quic[0]
	c.mu.Lock()
	l := c.lines[lineKey{strings.TrimPrefix(w.url, "https://"), 0}]
	busy := &line{key: lineKey{"busy.test:443", 0}, busy: 1}
	c.alive[busy] = struct{}{}
	c.mu.Unlock()
	p.CloseIdle()
	if _, err := l.conn.socket.udp.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the idle one's socket\ngot  %v\nwant %v", err, net.ErrClosed)
	}
	c.mu.Lock()
	if busy.retired {
		t.Errorf("the busy one\ngot  retired\nwant as it was")
	}
	delete(c.alive, busy)
	c.mu.Unlock()
	until(t, "HTTP/3 is connected anew", func() bool { wiretest.Get(t, p, w.url); return standing(p).Connected == 1 })
	if s := standing(p); s.Failures != 0 {
		t.Errorf("got  %+v\nwant no failure", s)
	}
}

// That we have no file left says nothing about UDP, and HTTP/3 need not rest for it.
func TestWithoutAFileLeftHTTP3HasNotFailed(t *testing.T) {
	w := newTwin(t, false)
	var asked, full atomic.Int64
	full.Store(1)
	p := w.pool(t, func(c *Config) {
		c.Dial = new(dial.Dialer).DialContext
		c.Datagrams = func(context.Context, string) ([]netip.AddrPort, error) {
			if asked.Add(1); full.Load() > 0 {
				return nil, os.NewSyscallError("socket", syscall.EMFILE)
			}
			return []netip.AddrPort{w.udp}, nil
		}
	})
	until(t, "it is tried twice", func() bool { wiretest.Get(t, p, w.url); return asked.Load() > 1 })
	full.Store(0)
	prefer(t, w, p)
	c, name := p.quic[0], strings.TrimPrefix(w.url, "https://")
	early := &way{name: name, line: &line{key: lineKey{name, 1}, busy: 1}}
	c.mu.Lock()
	early.origin = c.origins[name]
	c.mu.Unlock()
	c.lost(early, new(http.Request), os.NewSyscallError("socket", syscall.EMFILE)) // a request that was to begin a connection
	if s := standing(p); s.Failures != 0 || !s.Retry.IsZero() {
		t.Errorf("got  %+v\nwant no failure and no rest", s)
	}
}
