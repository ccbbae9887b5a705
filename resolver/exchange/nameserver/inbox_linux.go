package nameserver

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxLeft is how many packets that came too late are taken out of a socket before it is thrown away instead.
const maxLeft = 4

// mover makes one socket serve many questions, each from another port: when a UDP socket whose port the kernel picked is
// disconnected, it has no port any more (udp(7)), and connecting it again picks a new one at random, as for a new
// socket. That costs a third of opening one.
type mover struct {
	raw  syscall.RawConn
	peer unix.Sockaddr
	good bool
	out  func(fd uintptr) // made once, so that no question allocates them
	in   func(fd uintptr)
}

// leave gives up the port and what was received on it. It returns false if the socket is of no use any more.
func (m *mover) leave(box *inbox) bool {
	if m.raw == nil {
		raw, err := box.conn.SyscallConn()
		if err != nil {
			return false
		}
		m.raw = raw
		m.out = func(fd uintptr) { m.good = m.disconnect(int(fd), box.buf[:]) }
		m.in = func(fd uintptr) { m.good = unix.Connect(int(fd), m.peer) == nil }
	}
	return m.raw.Control(m.out) == nil && m.good
}

// move connects to the same server from another port.
func (m *mover) move() bool { return m.raw.Control(m.in) == nil && m.good }

func (m *mover) disconnect(fd int, buf []byte) bool {
	if m.peer == nil {
		peer, err := unix.Getpeername(fd)
		if err != nil {
			return false
		}
		m.peer = peer
	}
	nobody := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	if _, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&nobody)), unix.SizeofSockaddrInet4); errno != 0 {
		return false
	}
	for range maxLeft {
		if _, err := unix.Read(fd, buf); err == unix.EAGAIN {
			return true
		}
	}
	return false
}
