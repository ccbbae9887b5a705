package dial

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"hither/forward/wiretest"
)

// moving is a resolver whose name leads elsewhere once it is doubted.
type moving struct {
	wiretest.Names
	then   string
	doubts int
}

func (m *moving) Doubt(host string, _ time.Time) bool {
	m.doubts++
	moved := m.Names[host] != m.then
	m.Names[host] = m.then
	return moved
}

func TestAHostThatHasMovedIsLookedUpAnew(t *testing.T) {
	for _, c := range []struct{ name, before, then, want string }{
		{"it has", "192.0.2.1", "192.0.2.2", "192.0.2.1:443, 192.0.2.2:443"},
		{"one of its addresses has", "192.0.2.1 192.0.2.3", "192.0.2.2 192.0.2.3", "192.0.2.1:443, 192.0.2.3:443, 192.0.2.2:443"},
		{"it has not", "192.0.2.1", "192.0.2.1", "192.0.2.1:443"},
		{"it leads to ourselves now", "192.0.2.1", "127.0.0.1", "192.0.2.1:443"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &moving{Names: wiretest.Names{"reg.example": c.before}, then: c.then}
			want(t, dialed(t.Context(), t, &Dialer{Resolver: m}, "reg.example:443"), c.want)
			if m.doubts != 1 {
				t.Errorf("got  doubted %d times\nwant once", m.doubts)
			}
		})
	}
}

// Two fail at once, and the name is looked up anew for one of them: it need not be for the other, which goes there all the same.
func TestWhatOneHasLookedUpAnewServesAllWhoFailed(t *testing.T) {
	m := &shifting{leads: "192.0.2.1"}
	var all sync.WaitGroup
	all.Add(2)
	d := &Dialer{Resolver: m, Connect: func(_ context.Context, _, addr string) (net.Conn, error) {
		if addr == "192.0.2.1:443" {
			all.Done()
			all.Wait()
			return nil, errors.New("refused")
		}
		near, far := net.Pipe()
		far.Close()
		return near, nil
	}}
	failed := make(chan error, 2)
	for range cap(failed) {
		go func() {
			conn, err := d.DialContext(t.Context(), "tcp", "reg.example:443")
			if err == nil {
				conn.Close()
			}
			failed <- err
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Errorf("got  %v\nwant a connection", err)
		}
	}
}

// Behind a sign-in page an upstream proxy's name leads to it, too.
func TestAProxyThatIsSomebodyElseIsLookedUpAnew(t *testing.T) {
	page := httptest.NewUnstartedServer(http.NotFoundHandler())
	page.Config.ErrorLog = log.New(io.Discard, "", 0)
	page.StartTLS()
	t.Cleanup(page.Close)
	roots := x509.NewCertPool()
	roots.AddCert(page.Certificate())
	m := &shifting{leads: "192.0.2.1"}
	d := &Dialer{Resolver: m, Proxy: &url.URL{Scheme: "https", Host: "proxy.test"}, RootCAs: roots, Connect: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, page.Listener.Addr().String())
	}}
	if _, err := d.DialContext(t.Context(), "tcp", "reg.example:443"); err == nil || m.leads != "192.0.2.2" {
		t.Errorf("got  %v, and the proxy's name leads to %s\nwant an error, and it doubted", err, m.leads)
	}
}

// shifting is a resolver whose name leads elsewhere once it is doubted, and is not asked again so soon.
type shifting struct {
	mu    sync.Mutex
	leads string
	asked time.Time
}

func (s *shifting) LookupNetIP(context.Context, string) ([]netip.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []netip.Addr{netip.MustParseAddr(s.leads)}, nil
}

func (s *shifting) Doubt(_ string, since time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked.IsZero() {
		s.leads, s.asked = "192.0.2.2", time.Now()
	}
	return s.asked.After(since)
}

// Who hangs up before there is a connection says nothing about where a name leads.
func TestADialThatIsGivenUpCastsNoDoubt(t *testing.T) {
	m := &moving{Names: wiretest.Names{"reg.example": "192.0.2.1"}, then: "192.0.2.2"}
	ctx, cancel := context.WithCancel(t.Context())
	d := &Dialer{Resolver: m, Connect: func(ctx context.Context, _, _ string) (net.Conn, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	if _, err := d.DialContext(ctx, "tcp", "reg.example:443"); err == nil || m.doubts != 0 {
		t.Errorf("got  %v, doubted %d times\nwant an error and no doubt", err, m.doubts)
	}
}
