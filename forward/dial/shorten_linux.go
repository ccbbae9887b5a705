package dial

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Shortens says that a dial which is marked [mark.Tight] makes a connection that carries short packets: not every system can.
const Shortens = true

// shortest is how much a packet of TCP carries where long ones get lost, in bytes: with its headers that is 1280, which every link that
// IPv6 goes over takes (RFC 8200, section 5).
const shortest = 1220

// shorten has a connection that is about to be made carry short packets both ways: the other end is told, too.
func shorten(_, _ string, conn syscall.RawConn) error {
	_ = conn.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, shortest) })
	return nil
}
