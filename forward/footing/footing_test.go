package footing

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAConnectionStaysWhileItsAddressMayServe(t *testing.T) {
	for _, c := range []struct{ name, from, before, then, way, gone string }{
		{"the address is gone", "192.0.2.7", "192.0.2.7", "192.0.2.8", "192.0.2.8", "true"},
		{"so is IPv6's", "2001:db8::7", "2001:db8::7 192.0.2.8", "192.0.2.8", "192.0.2.8", "true"},
		{"it is there", "192.0.2.7", "192.0.2.7", "192.0.2.7 192.0.2.8", "192.0.2.8", "false"},
		{"no other leads there", "192.0.2.7", "192.0.2.7", "", "", "false"},
		{"it was never ours to see", "192.0.2.7", "192.0.2.8", "192.0.2.8", "192.0.2.8", "false"},
		{"it is within the machine", "127.0.0.1", "127.0.0.1", "", "192.0.2.8", "false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &machine{addrs: c.before}
				f := &Watch{Addrs: m.now, Way: func(netip.AddrPort) netip.Addr { a, _ := netip.ParseAddr(c.way); return a }}
				near, far := net.Pipe()
				conn := f.Hold(&placed{Conn: near, from: c.from})
				<-time.After(3 * footingPace)
				m.lose(c.then)
				<-time.After(2 * footingPace)
				ended := make(chan error, 1)
				go func() { _, err := far.Read(make([]byte, 1)); ended <- err }()
				synctest.Wait()
				gone := "false"
				if len(ended) > 0 {
					gone = "true"
				}
				want(t, gone, c.gone)
				conn.Close()
				asked := m.asked.Load()
				<-time.After(10 * footingPace)
				if more := m.asked.Load() - asked; more > 1 || len(f.open) > 0 {
					t.Errorf("\n got %d more looks, %d connections\nwant an end of both", more, len(f.open))
				}
			})
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

// placed is a connection that seems to begin elsewhere.
type placed struct {
	net.Conn
	from string
}

func (p *placed) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(p.from), Port: 4711} }

func (p *placed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }
