package listener

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/windows"
)

const (
	forbidden = windows.WSAEACCES
	inUse     = windows.WSAEADDRINUSE
	notHere   = windows.WSAEADDRNOTAVAIL
)

// redirected knows nothing: WinDivert and its like keep it to themselves.
func redirected(*net.TCPConn, netip.Addr) (none netip.AddrPort) { return none }

func seeAll(*net.TCPListener) {}

// adviceOnPort is not about privilege, which Windows does not ask for: the port is set aside.
func adviceOnPort(at netip.AddrPort) string {
	if at.Port() == 80 || at.Port() == 443 {
		return "Windows' own web server holds the port: run `net stop http /y` as administrator, or choose another address with --transparent"
	}
	return fmt.Sprintf("Windows has set port %d aside: look with `netsh interface ipv4 show excludedportrange protocol=tcp`, and choose another", at.Port())
}

func adviceOnAddress(netip.Addr) string {
	return "no adapter of this machine has that address: choose another with --transparent, such as 127.0.7.90"
}
