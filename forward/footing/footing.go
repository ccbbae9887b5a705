// Package footing knows from which of the machine's addresses connections begin, and closes those whose address is gone, or that the
// way to their other end has forgotten.
//
//	conn = watch.Hold(conn)
package footing

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// footingPace is how often our addresses are looked at while connections are open. A look asks the kernel for them once.
const footingPace = time.Second

// ErrUprooted ends a connection whose address on our side is gone, or that the way to its other end has forgotten.
var ErrUprooted = errors.New("the network has changed under the connection")

// Watch closes the connections that begin at an address which the machine has no longer: DHCP gave another, a VPN is down.
// Nothing comes over them any more, and nobody says so; the ping of HTTP/2 takes 20 s to tell. As long as no other way leads
// to their ends they stay: their address may come back. It closes those that died although their address stayed, too, and asks
// the others to the same address for a sign of life: see doubt. The zero value knows no connection. QUIC's sockets need none of
// this: to write to them is an error then, and a request over HTTP/3 that is not answered in time is asked over TCP. Fields are
// set before first use; then it may be used from many goroutines.
type Watch struct {
	Addrs func() ([]net.Addr, error)                                    // nil: net.InterfaceAddrs
	Way   func(netip.AddrPort) netip.Addr                               // to an address, by which of ours; nil: WayOut
	Dial  func(network, addr string, _ time.Duration) (net.Conn, error) // whether a new connection stands; nil: net.DialTimeout
	Died  func()                                                        // before connections that the way has forgotten are closed; nil: nobody hears

	resent func(net.Conn) int // nil: the kernel is asked

	mu     sync.Mutex
	open   map[*rooted]struct{}
	had    map[netip.Addr]struct{}   // at the last look
	looks  bool                      // while any is open
	knocks map[netip.AddrPort]*knock // under way
}

// rooted is a connection that stands on an address of ours.
type rooted struct {
	net.Conn
	of       *Watch
	from     netip.Addr
	to       netip.AddrPort
	ours     bool        // from was seen at an interface: one in another namespace never is
	uprooted atomic.Bool // closed by Watch
	doubt    doubt       // Watch locks it
	stirred  time.Time   // when stir was last; zero: it is as it was made
}

// Hold watches over a connection until it is closed, by the caller or because its address or its way is gone: then its errors are
// [ErrUprooted]. Those within the machine, and those that are none of TCP, need nobody.
func (f *Watch) Hold(conn net.Conn) net.Conn {
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	remote, ok2 := conn.RemoteAddr().(*net.TCPAddr)
	if !ok || !ok2 || local.IP.IsLoopback() {
		return conn
	}
	to := remote.AddrPort()
	c := &rooted{Conn: conn, of: f, from: bare(local.AddrPort().Addr()), to: netip.AddrPortFrom(to.Addr().Unmap(), to.Port())}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = map[*rooted]struct{}{}
	}
	f.open[c] = struct{}{}
	if !f.looks {
		f.looks = true
		time.AfterFunc(0, f.look)
	}
	return c
}

// bare is an address as net.InterfaceAddrs has it.
func bare(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// look closes what has lost its address, and comes again while anything is open.
func (f *Watch) look() {
	have, err := f.now()
	now, pace := time.Now(), footingPace
	f.mu.Lock()
	var gone, dead []*rooted
	for c := range f.open {
		if f.deadLocked(c, now) {
			dead = append(dead, c)
		}
		if c.doubt.again > 0 {
			pace = doubtPace
		}
		_, before := f.had[c.from]
		_, still := have[c.from]
		c.ours = c.ours || before || still
		if err == nil && c.ours && !still {
			gone = append(gone, c)
		}
	}
	if err == nil {
		f.had = have
	}
	if f.looks = len(f.open) > 0; f.looks {
		time.AfterFunc(pace, f.look)
	}
	f.mu.Unlock()
	way := f.Way
	if way == nil {
		way = WayOut
	}
	for _, c := range gone {
		if way(c.to).IsValid() {
			c.uproot()
		}
	}
	if len(dead) > 0 && f.Died != nil {
		f.Died()
	}
	for _, c := range dead {
		c.uproot()
		f.stirOnly(func(other *rooted) bool { return other.to == c.to })
	}
}

func (c *rooted) uproot() {
	c.uprooted.Store(true)
	c.Close()
}

// now is what the machine's interfaces have.
func (f *Watch) now() (map[netip.Addr]struct{}, error) {
	ask := f.Addrs
	if ask == nil {
		ask = net.InterfaceAddrs
	}
	all, err := ask()
	have := make(map[netip.Addr]struct{}, len(all))
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			have[bare(prefix.Addr())] = struct{}{}
		}
	}
	return have, err
}

// Read implements net.Conn.
func (c *rooted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.reason(err)
}

// Write implements net.Conn.
func (c *rooted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.reason(err)
}

func (c *rooted) reason(err error) error {
	if err != nil && c.uprooted.Load() {
		return ErrUprooted
	}
	return err
}

// Close implements net.Conn.
func (c *rooted) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
