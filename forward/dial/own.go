package dial

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// ownFor is how long a connection of ours is known as such after it was opened. Who asks has just accepted it.
	ownFor = 10 * time.Second
	// maxOwn bounds how many are known, at about 200 bytes each.
	maxOwn = 1024
)

// ends are the two addresses of a connection, as the side sees them that opened it.
type ends struct{ local, remote netip.AddrPort }

// opened knows the connections that were opened a moment ago. The zero value knows none. It may be used from many
// goroutines.
type opened struct {
	mu    sync.Mutex
	since map[ends]time.Time
	order []ends // the oldest first
}

func (o *opened) add(conn net.Conn, remote netip.AddrPort, now time.Time) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	local, ok := tcp.LocalAddr().(*net.TCPAddr)
	if !ok {
		return
	}
	at := local.AddrPort()
	o.addEnds(ends{netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), remote}, now)
}

func (o *opened) addEnds(e ends, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since == nil {
		o.since = make(map[ends]time.Time)
	}
	for len(o.order) > 0 && (len(o.order) >= maxOwn || now.Sub(o.since[o.order[0]]) > ownFor) {
		delete(o.since, o.order[0])
		o.order = o.order[1:]
	}
	if _, again := o.since[e]; !again {
		o.order = append(o.order, e)
	}
	o.since[e] = now
}

func (o *opened) has(e ends, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	at, ok := o.since[e]
	return ok && now.Sub(at) <= ownFor
}

// Own says whether we opened a connection between these a moment ago: one that reaches a listener of ours was led back to
// us by a redirect rule, and would be so without an end.
func (d *Dialer) Own(local, remote netip.AddrPort) bool {
	return d.opened.has(ends{local, remote}, time.Now())
}
