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

// redirected knows nothing: what pf's rdr rules did is told by /dev/pf, to root alone.
func redirected(*net.TCPConn, netip.Addr) (none netip.AddrPort) { return none }

func seeAll(*net.TCPListener) {}

// adviceOnPort is about one address: of all addresses at once every program may have these ports since macOS 10.14, but a
// door must not be open on all.
func adviceOnPort(at netip.AddrPort) string {
	return fmt.Sprintf("only root may have port %d of one address: start Hither with `sudo`, or install it as a service, which launchd starts as root", at.Port())
}

func adviceOnAddress(addr netip.Addr) string {
	if addr.IsLoopback() && addr.Is4() {
		return fmt.Sprintf("macOS has 127.0.0.1 alone until others are added: run `sudo ifconfig lo0 alias %s up`", addr)
	}
	return "no link of this machine has that address: choose another with --transparent"
}
