//go:build linux || darwin

package peer

import (
	"net"
	"syscall"
)

// Caller is the process that connected to a Unix socket of ours, by the system's word. It is 0 if the system does not say,
// as for one in a container, whose numbers mean other processes here.
func Caller(conn net.Conn) (pid int) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	if raw.Control(func(fd uintptr) { pid = socketPeer(int(fd)) }) != nil {
		return 0
	}
	return pid
}
