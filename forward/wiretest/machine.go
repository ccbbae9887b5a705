package wiretest

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// Machine is one whose addresses change.
type Machine struct {
	Asked atomic.Int64 // how often for its addresses

	mu    sync.Mutex
	addrs string
	moved bool
}

// MachineAt has these addresses, with blanks between.
func MachineAt(addrs string) *Machine { return &Machine{addrs: addrs} }

// Addrs is as net.InterfaceAddrs.
func (m *Machine) Addrs() (all []net.Addr, err error) {
	m.Asked.Add(1)
	for _, a := range strings.Fields(m.now()) {
		all = append(all, &net.IPNet{IP: net.ParseIP(a), Mask: net.CIDRMask(24, 8*len(net.ParseIP(a)))})
	}
	return all, nil
}

func (m *Machine) now() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.addrs
}

// Move gives it other addresses. A second time it does nothing, and says so.
func (m *Machine) Move(addrs string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.moved {
		return false
	}
	m.addrs, m.moved = addrs, true
	return true
}

// Place has a connection seem to begin at the machine's first address, and to leave it.
func (m *Machine) Place(conn net.Conn) *Placed { return &Placed{conn, strings.Fields(m.now())[0]} }

// Placed is a connection that seems to begin at From.
type Placed struct {
	net.Conn
	From string
}

// NetConn is the connection that it is.
func (p *Placed) NetConn() net.Conn { return p.Conn }

// LocalAddr implements [net.Conn].
func (p *Placed) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(p.From), Port: 4711} }

// RemoteAddr implements [net.Conn].
func (p *Placed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }
