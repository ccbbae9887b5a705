package footing

import (
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	// unheardLeast is how many times in a row the kernel must have sent something again before its connection is given up. It
	// waits twice as long each time, from 0.2 s or a round trip on: this many are over after 1.4 s, and with both ways losing
	// one packet in ten, one request in five thousand comes so far.
	unheardLeast = 3
	// knockLeast is how many times it must have before anybody knocks: one comes wherever a packet is lost.
	knockLeast = 2
	// doubtPace is how often connections are looked at while something is sent again over one.
	doubtPace = 250 * time.Millisecond
	// knockPatience is for a knock, and knockAgain for the time between one that failed and the next.
	knockPatience, knockAgain = 5 * time.Second, 2 * time.Second
	// stirredFor is for how long a connection is asked each second for a sign of life, at least: a change of the network takes
	// a while. Without an end, one that is used for hours would have a packet sent each second.
	stirredFor = 30 * time.Second
)

// doubt is about a connection whose other end does not acknowledge what the kernel sends again. A slow server does that at
// once, so that its answer may take as long as it likes, and a network that is away lets nothing else through either. Where
// a new connection stands, and what is sent again over the old one after that is not acknowledged, something on the way has
// forgotten it: a VPN took the route, a NAT or a firewall was restarted. The zero doubt is none.
type doubt struct {
	again  int       // how often something had been sent again at the last look
	knock  *knock    // nil: nobody has knocked yet
	resent int       // how often it was when the knock was answered; 0: it was not yet
	since  time.Time // when it was seen to be sent again after that; zero: not yet
}

// knock is a new connection to where an old one leads, for nothing but to see that it can be.
type knock struct {
	ended time.Time // zero: it is under way
	took  time.Duration
	stood bool
}

// deadLocked says whether a connection is known to be dead.
func (f *Watch) deadLocked(c *rooted, now time.Time) bool {
	resent := f.resentBy(c.Conn)
	d := &c.doubt
	switch k := d.knock; {
	case resent == 0, resent < d.resent:
		*d = doubt{}
		c.calmLocked(now)
	case k == nil && resent < knockLeast:
		d.again = resent
	case k == nil, !k.ended.IsZero() && !k.stood && now.Sub(k.ended) > knockAgain:
		*d = doubt{again: resent, knock: f.knockLocked(c.to)}
	case !k.stood:
	case d.resent == 0:
		d.resent = resent
	case resent == d.resent || resent < unheardLeast:
	case d.since.IsZero():
		d.since = now
	default:
		return now.Sub(d.since) >= 2*k.took
	}
	return false
}

func (f *Watch) resentBy(conn net.Conn) int {
	if f.resent != nil {
		return f.resent(conn)
	}
	if below := socketOf(conn); below != nil {
		return resent(below)
	}
	return 0
}

// knockLocked knocks at an address, once for all who are in doubt about it.
func (f *Watch) knockLocked(to netip.AddrPort) *knock {
	if k := f.knocks[to]; k != nil {
		return k
	}
	if f.knocks == nil {
		f.knocks = map[netip.AddrPort]*knock{}
	}
	k := new(knock)
	f.knocks[to] = k
	dial := f.Dial
	if dial == nil {
		dial = net.DialTimeout
	}
	go func() {
		began := time.Now()
		conn, err := dial("tcp", to.String(), knockPatience)
		f.mu.Lock()
		defer f.mu.Unlock()
		k.ended, k.stood = time.Now(), err == nil
		k.took = k.ended.Sub(began)
		delete(f.knocks, to)
		if err == nil {
			conn.Close()
		}
	}()
	return k
}

// Stir has the kernel ask the other end of each connection for a sign of life, for a while: after a change of the network, a request that
// was acknowledged before it has nothing that could be sent again.
func (f *Watch) Stir() { f.stirOnly(func(*rooted) bool { return true }) }

func (f *Watch) stirOnly(these func(*rooted) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.open {
		if tcp, ok := socketOf(c.Conn).(*net.TCPConn); ok && these(c) {
			stir(tcp)
			c.stirred = time.Now()
		}
	}
}

// calmLocked ends what Stir began, of a connection that gave its sign of life.
func (c *rooted) calmLocked(now time.Time) {
	if c.stirred.IsZero() || now.Sub(c.stirred) < stirredFor {
		return
	}
	if tcp, ok := socketOf(c.Conn).(*net.TCPConn); ok {
		calm(tcp)
	}
	c.stirred = time.Time{}
}

// socketOf is what lies under a connection; nil: nobody knows.
func socketOf(conn net.Conn) syscall.Conn {
	for {
		switch c := conn.(type) {
		case syscall.Conn:
			return c
		case interface{ NetConn() net.Conn }: // *tls.Conn, and ours
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
