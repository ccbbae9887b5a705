//go:build !linux && !darwin && !windows

package listener

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

const (
	forbidden = syscall.EACCES
	inUse     = syscall.EADDRINUSE
	notHere   = syscall.EADDRNOTAVAIL
)

func redirected(*net.TCPConn, netip.Addr) (none netip.AddrPort) { return none }

func seeAll(*net.TCPListener) {}

func adviceOnPort(at netip.AddrPort) string {
	return fmt.Sprintf("only root may have port %d: start Hither with `sudo`, or choose another with --transparent", at.Port())
}

func adviceOnAddress(netip.Addr) string {
	return "no link of this machine has that address: choose another with --transparent"
}
