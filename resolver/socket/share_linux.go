package socket

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxShared is over how many sockets the kernel spreads the questions. More gained nothing.
const maxShared = 2

// share lets our own UDP sockets have one port.
func share(_, _ string, conn syscall.RawConn) error {
	var err error
	control := conn.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(control, err)
}
