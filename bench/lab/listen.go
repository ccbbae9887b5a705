//go:build linux

package lab

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Congestion is what the servers' TCP does about losses. It is what most of the world's servers do; with bbr, which may
// be this machine's default, a lossy link is nearly as fast as a clean one, and several connections gain little.
const Congestion = "cubic"

// Listen opens a TCP listener in the namespace of a server, whose senders use Congestion.
func Listen(ctx context.Context, server, addr string) (listener net.Listener, err error) {
	err = Within(Space(server), func() (err error) {
		config := net.ListenConfig{Control: chooseCongestion}
		listener, err = config.Listen(ctx, "tcp4", addr)
		return err
	})
	return listener, err
}

// chooseCongestion sets it on the listener; what is accepted inherits it. The machine's own default stays as it is.
func chooseCongestion(_, _ string, raw syscall.RawConn) (err error) {
	control := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, Congestion)
	})
	if err != nil {
		return fmt.Errorf("use %s: %w", Congestion, err)
	}
	return control
}
