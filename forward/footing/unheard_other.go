//go:build !linux

package footing

import (
	"net"
	"syscall"
)

// resent is not asked for here: HTTP/2's ping finds what is dead in 20 s.
func resent(syscall.Conn) int { return 0 }

// stir does nothing here, since nobody would hear of it.
func stir(*net.TCPConn) {}

// calm has nothing to end.
func calm(*net.TCPConn) {}
