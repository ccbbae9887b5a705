package listener

import (
	"errors"
	"net"
	"net/netip"
)

// ErrNoOriginal reports that nothing is known of where a client wanted to go but what it says itself: DNS led it here, or
// this system does not tell.
var ErrNoOriginal = errors.New("the connection was not redirected, or this system does not tell from where")

// Conn is a connection that came through a door. It shows io.Copy its TCP connection, so that the kernel can move the bytes.
type Conn struct {
	*net.TCPConn
	original netip.AddrPort
	local    bool
}

// Original is where the client wanted to go before the kernel led it here, by a REDIRECT or TPROXY rule of Linux. The error
// is ErrNoOriginal.
func (c *Conn) Original() (netip.AddrPort, error) {
	if !c.original.IsValid() {
		return netip.AddrPort{}, ErrNoOriginal
	}
	return c.original, nil
}

// Local says whether the client is a program of this machine, and not of a neighbour such as a container.
func (c *Conn) Local() bool { return c.local }

// NewConn is for tests of those who serve connections: one with this original destination; zero: none.
func NewConn(tcp *net.TCPConn, original netip.AddrPort, local bool) *Conn {
	return &Conn{TCPConn: tcp, original: original, local: local}
}
