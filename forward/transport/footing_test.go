package transport

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hither/forward/dial"
)

// DHCP gives the machine another address, and the request hangs on a connection that the old one carried.
func TestWhatHangsOnAnAddressThatIsGoneIsAskedAnew(t *testing.T) {
	for _, c := range []struct {
		name, method string
		h2, warm, ok bool
	}{
		{"HTTP/2", http.MethodGet, true, true, true},
		{"HTTP/1.1", http.MethodHead, false, true, true},
		{"the first request of a connection", http.MethodGet, true, false, true},
		{"what may not be asked twice fails", http.MethodPost, true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := &machine{addrs: "192.0.2.7"}
			s, _ := upstream(t, c.h2, func(w http.ResponseWriter, req *http.Request) {
				for m.asked.Load() == 0 {
					<-time.After(time.Millisecond)
				}
				if req.URL.Path == "/lost" && m.lose("192.0.2.8") {
					<-req.Context().Done()
				}
				io.WriteString(w, "here")
			})
			pool := New(Config{RootCAs: rootsOf(s), Dial: m.dial})
			t.Cleanup(pool.CloseIdleConnections)
			pool.chosen.under.Addrs = m.now
			if c.warm {
				want(t, get(t, pool, s.URL), "200 here")
			}
			began := time.Now()
			req, _ := http.NewRequestWithContext(t.Context(), c.method, s.URL+"/lost", http.NoBody)
			resp, err := pool.RoundTrip(req)
			if err == nil {
				resp.Body.Close()
			}
			if took := time.Since(began); (err == nil) != c.ok || took > 3*time.Second {
				t.Errorf("\n got %v after %s\nwant %t, after a second", err, took, c.ok)
			}
		})
	}
}

// machine is one whose addresses change.
type machine struct {
	asked atomic.Int64

	mu    sync.Mutex
	addrs string
	lost  bool
}

func (m *machine) now() (all []net.Addr, err error) {
	m.asked.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range strings.Fields(m.addrs) {
		all = append(all, &net.IPNet{IP: net.ParseIP(a), Mask: net.CIDRMask(24, 8*len(net.ParseIP(a)))})
	}
	return all, nil
}

// lose gives it other addresses. A second time it does nothing.
func (m *machine) lose(addrs string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lost {
		return false
	}
	m.addrs, m.lost = addrs, true
	return true
}

func (m *machine) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(dial.Dialer).DialContext(ctx, network, addr)
	m.mu.Lock()
	defer m.mu.Unlock()
	return &placed{conn, strings.Fields(m.addrs)[0]}, err
}

// placed is a connection that seems to begin elsewhere.
type placed struct {
	net.Conn
	from string
}

func (p *placed) NetConn() net.Conn { return p.Conn }

func (p *placed) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(p.from), Port: 4711} }

func (p *placed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }
