package network

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/settings"
	"hither/resolver/exchange/exchangetest"
	"hither/resolver/exchange/lookup"
)

// town is a network whose names all lead to one address, for 300 s.
type town struct {
	leads atomic.Value // the address
	spent atomic.Int64 // nanoseconds
}

// joins has a resolver live there.
func (w *town) joins(r *lookup.Resolver) {
	r.Now = func() time.Time { return time.Now().Add(time.Duration(w.spent.Load())) }
	r.Exchange = exchangetest.Oracle(func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
		reply := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			record, err := dns.NewRR(fmt.Sprintf("%s 300 IN A %s", q.Question[0].Name, w.leads.Load()))
			reply.Answer = append(reply.Answer, record)
			return reply, err
		}
		return reply, nil
	})
}

// signIn has names lead elsewhere, 10 s later.
func (w *town) signIn(leads string) {
	w.leads.Store(leads)
	w.spent.Add(int64(10 * time.Second))
}

// newTown makes a network in which a registry is at 192.0.2.1 and, with any file that is free, at 192.0.2.2, and at all others a sign-in page.
func newTown(t *testing.T, leads string) (*Network, *town) {
	t.Helper()
	registry, page := httptest.NewTLSServer(http.NotFoundHandler()), httptest.NewUnstartedServer(http.NotFoundHandler())
	page.TLS, page.Config.ErrorLog = &tls.Config{Certificates: []tls.Certificate{identity(t, "login.test")}}, log.New(io.Discard, "", 0)
	page.StartTLS()
	t.Cleanup(page.Close)
	t.Cleanup(registry.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	hithertest.Write(t, roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: registry.Certificate().Raw}))
	n, err := New(settings.Settings{CAFiles: []string{roots}}, nil, "test", func(string) bool { return false }, slog.New(slog.DiscardHandler))
	hithertest.Must(t, err)
	t.Cleanup(n.Close)
	w := new(town)
	w.leads.Store(leads)
	w.joins(n.Names.Resolver)
	var open atomic.Int64
	n.Dialer.Connect = func(ctx context.Context, network, addr string) (net.Conn, error) {
		to := page.Listener.Addr().String()
		if strings.HasPrefix(addr, "192.0.2.") {
			to = registry.Listener.Addr().String()
		}
		if strings.HasPrefix(addr, "192.0.2.2:") && open.Load() > 0 {
			return nil, syscall.EMFILE
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, to)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &counted{conn, &open}, nil
	}
	return n, w
}

type counted struct {
	net.Conn
	open *atomic.Int64
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	if err == nil {
		c.open.Add(-1)
	}
	return err
}

func identity(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	hithertest.Must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	hithertest.Must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// asks is the status, or why there is none.
func asks(t *testing.T, n *Network, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	hithertest.Must(t, err)
	resp, err := n.Pool.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.Status
}

func TestAfterASignInNamesLeadWhereTheyShould(t *testing.T) {
	n, w := newTown(t, "198.51.100.1")
	hithertest.Contains(t, asks(t, n, "https://example.com"), "sign in")
	w.signIn("192.0.2.1")
	hithertest.Same(t, "signed in", asks(t, n, "https://example.com"), "404 Not Found")
}

func TestWithoutAFileLeftConnectionsThatCarryNothingAreClosed(t *testing.T) {
	n, w := newTown(t, "192.0.2.1")
	hithertest.Same(t, "the first", asks(t, n, "https://example.com"), "404 Not Found")
	w.leads.Store("192.0.2.2")
	hithertest.Same(t, "another host", asks(t, n, "https://www.example.com"), "404 Not Found")
}

func TestAfterASignInTheNameServerIsLookedUpAnew(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	hithertest.Must(t, err)
	t.Cleanup(func() { l.Close() })
	came := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		came <- err
		if err == nil {
			conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	upstream := settings.Settings{DNSUpstream: []string{"tls://dns.example:" + port}, DNSStrict: true}
	n, err := New(upstream, nil, "test", func(string) bool { return false }, slog.New(slog.DiscardHandler))
	hithertest.Must(t, err)
	t.Cleanup(n.Close)
	w := new(town)
	w.leads.Store("127.0.0.77") // where nobody is
	w.joins(n.Names.servers)
	for _, when := range []string{"behind the page", "just signed in", "looked up anew"} {
		_, err := n.Names.Exchange(t.Context(), new(dns.Msg).SetQuestion("reg.example.", dns.TypeA))
		hithertest.Same(t, "an answer "+when, err == nil, false)
		w.signIn("127.0.0.1")
	}
	select {
	case err := <-came:
		hithertest.Must(t, err)
	default:
		t.Error("the name server's new address\n got no connection\nwant one")
	}
}
