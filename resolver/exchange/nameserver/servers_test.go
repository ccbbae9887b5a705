package nameserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"hither/resolver/exchange"
	"hither/resolver/exchange/exchangetest"
	"hither/resolver/exchange/letter"
)

// authority is a root of our own and a certificate of it.
type authority struct {
	roots *x509.CertPool
	leaf  tls.Certificate
}

func newAuthority(t testing.TB, names ...string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a root for a test"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{roots: x509.NewCertPool(), leaf: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	a.roots.AddCert(cert)
	return a
}

// upstream is a name server on loopback that speaks one of the ways and counts what it sees.
type upstream struct {
	kind      string
	answer    func(q *dns.Msg) *dns.Msg // nil reply: silence
	tls       *tls.Config
	authority authority
	header    http.Header // of its HTTP answers
	status    int         // of its HTTP answers; 0: 200
	noPOST    bool

	conns atomic.Int32
	mu    sync.Mutex
	asked [][]byte // as they came
	open  []func() // close connections
	port  uint16
}

func (u *upstream) url() string {
	switch u.kind {
	case "udp":
		return fmt.Sprintf("127.0.0.1:%d", u.port)
	case "tcp":
		return fmt.Sprintf("tcp://127.0.0.1:%d", u.port)
	case "https", "h3":
		return fmt.Sprintf("%s://dns.example:%d/dns-query#127.0.0.1", u.kind, u.port)
	}
	return fmt.Sprintf("%s://dns.example:%d#127.0.0.1", u.kind, u.port)
}

func (u *upstream) reply(packet []byte) []byte {
	q := new(dns.Msg)
	if q.Unpack(packet) != nil {
		return nil
	}
	u.mu.Lock()
	u.asked = append(u.asked, packet)
	u.mu.Unlock()
	reply := u.answer(q)
	if reply == nil {
		return nil
	}
	out, err := reply.Pack()
	if err != nil {
		panic(err)
	}
	return out
}

func (u *upstream) seen() [][]byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([][]byte(nil), u.asked...)
}

// drop closes all connections, as a server does with idle ones.
func (u *upstream) drop() {
	u.mu.Lock()
	open := u.open
	u.open = nil
	u.mu.Unlock()
	for _, shut := range open {
		shut()
	}
}

func (u *upstream) opened(shut func()) {
	u.conns.Add(1)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open = append(u.open, shut)
}

func (u *upstream) start(t testing.TB) {
	t.Helper()
	t.Cleanup(u.drop)
	switch u.kind {
	case "udp":
		l := &liar{}
		l.udp = func(q *dns.Msg) [][]byte {
			out := u.reply(exchangetest.Wire(t, q))
			if out == nil {
				return nil
			}
			if len(out) > 1232 {
				short := new(dns.Msg).SetReply(q)
				short.Truncated = true
				out = exchangetest.Wire(t, short)
			}
			return [][]byte{out}
		}
		u.port = l.start(t).Port()
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", u.port))
		if err != nil {
			t.Skipf("the TCP port beside the UDP one is taken: %v", err)
		}
		u.accept(t, listener)
	case "tcp", "tls":
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		u.port = listener.Addr().(*net.TCPAddr).AddrPort().Port()
		if u.kind == "tls" {
			listener = tls.NewListener(listener, u.tls)
		}
		u.accept(t, listener)
	case "https":
		u.startHTTPS(t)
	case "h3":
		u.startHTTP3(t, 0)
	case "quic":
		u.startQUIC(t)
	}
}

func (u *upstream) accept(t testing.TB, listener net.Listener) {
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(u.drop)
	t.Cleanup(func() { listener.Close() })
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			u.opened(func() { conn.Close() })
			running.Go(func() { u.frames(conn) })
		}
	})
}

// frames answers each question on its own, so that answers overtake each other.
func (u *upstream) frames(conn net.Conn) {
	defer conn.Close()
	var running sync.WaitGroup
	defer running.Wait()
	var mu sync.Mutex
	for {
		packet, err := letter.ReadFrame(conn)
		if err != nil {
			return
		}
		running.Go(func() {
			if out := u.reply(packet); out != nil {
				mu.Lock()
				defer mu.Unlock()
				conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
			}
		})
	}
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, values := range u.header {
		w.Header()[name] = values
	}
	if u.noPOST && r.Method == http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	packet, _ := io.ReadAll(r.Body)
	if r.Method == http.MethodGet {
		packet, _ = base64.RawURLEncoding.DecodeString(r.URL.Query().Get("dns"))
	}
	out := u.reply(packet)
	if out == nil {
		<-r.Context().Done()
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", dnsMessage)
	}
	if u.status != 0 {
		w.WriteHeader(u.status)
	}
	w.Write(out)
}

func (u *upstream) startHTTPS(t testing.TB) {
	t.Helper()
	server := httptest.NewUnstartedServer(u)
	server.EnableHTTP2 = true
	server.TLS = u.tls.Clone()
	server.Config.ErrorLog = nil
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			u.conns.Add(1)
		}
	}
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	u.mu.Lock()
	u.open = append(u.open, server.CloseClientConnections)
	u.mu.Unlock()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	u.port = server.Listener.Addr().(*net.TCPAddr).AddrPort().Port()
}

// startHTTP3 listens on port; 0: any.
func (u *upstream) startHTTP3(t testing.TB, port uint16) {
	t.Helper()
	listener, err := quic.ListenAddr(fmt.Sprintf("127.0.0.1:%d", port), http3.ConfigureTLSConfig(u.tls), nil)
	if err != nil {
		t.Fatal(err)
	}
	server := &http3.Server{Handler: u}
	u.port = netip.MustParseAddrPort(listener.Addr().String()).Port()
	u.acceptQUIC(t, listener, func(conn *quic.Conn) { server.ServeQUICConn(conn) })
}

func (u *upstream) startQUIC(t testing.TB) {
	t.Helper()
	secure := u.tls.Clone()
	secure.NextProtos = []string{"doq"}
	listener, err := quic.ListenAddr("127.0.0.1:0", secure, nil)
	if err != nil {
		t.Fatal(err)
	}
	u.port = netip.MustParseAddrPort(listener.Addr().String()).Port()
	u.acceptQUIC(t, listener, func(conn *quic.Conn) {
		var running sync.WaitGroup
		defer running.Wait()
		for {
			stream, err := conn.AcceptStream(conn.Context())
			if err != nil {
				return
			}
			running.Go(func() {
				defer stream.Close()
				whole, err := io.ReadAll(stream) // up to the end that the client must set
				if err != nil || len(whole) < 2 {
					return
				}
				if out := u.reply(whole[2:]); out != nil {
					stream.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
				} else {
					<-stream.Context().Done()
				}
			})
		}
	})
}

func (u *upstream) acceptQUIC(t testing.TB, listener *quic.Listener, serve func(*quic.Conn)) {
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(u.drop)
	t.Cleanup(func() { listener.Close() })
	running.Go(func() {
		for {
			conn, err := listener.Accept(context.Background())
			if err != nil {
				return
			}
			u.opened(func() { conn.CloseWithError(0, "") })
			running.Go(func() { serve(conn) })
		}
	})
}

// parse makes the client of u.
func (u *upstream) parse(t testing.TB, a authority) exchange.Exchanger {
	t.Helper()
	e, err := Parse(u.url(), Options{RootCAs: a.roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(e) })
	return e
}

func shut(e exchange.Exchanger) {
	if c, ok := e.(io.Closer); ok {
		c.Close()
	}
}

func serverTLS(a authority) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.leaf}, MinVersion: tls.VersionTLS12}
}

func right1(t testing.TB) func(*dns.Msg) *dns.Msg {
	return func(q *dns.Msg) *dns.Msg { return exchangetest.Reply(t, q, right) }
}
