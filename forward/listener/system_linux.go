package listener

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	forbidden = unix.EACCES
	inUse     = unix.EADDRINUSE
	notHere   = unix.EADDRNOTAVAIL
)

// soOriginalDst is SO_ORIGINAL_DST of linux/netfilter_ipv4.h and IP6T_SO_ORIGINAL_DST of netfilter_ipv6/ip6_tables.h.
const soOriginalDst = 80

// redirected is where a connection went before a REDIRECT or DNAT rule; zero: the kernel knows of no such rule.
func redirected(tcp *net.TCPConn, here netip.Addr) (at netip.AddrPort) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return at
	}
	_ = raw.Control(func(fd uintptr) { // a closed connection went nowhere
		if here.Is4() {
			at = original4(int(fd))
		} else {
			at = original6(int(fd))
		}
	})
	return at
}

// original4 borrows calls for other options, which return what fits: a sockaddr_in has the 16 bytes of an IPv6 address.
func original4(fd int) netip.AddrPort {
	got, err := unix.GetsockoptIPv6Mreq(fd, unix.SOL_IP, soOriginalDst)
	if err != nil {
		return netip.AddrPort{}
	}
	b := got.Multiaddr // family, port, address: the last two in network order
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:4]))
}

// original6 does the same: an ip6_mtuinfo begins with a sockaddr_in6.
func original6(fd int) netip.AddrPort {
	got, err := unix.GetsockoptIPv6MTUInfo(fd, unix.SOL_IPV6, soOriginalDst)
	if err != nil {
		return netip.AddrPort{}
	}
	port := (*[2]byte)(unsafe.Pointer(&got.Addr.Port)) // in network order, whatever the machine's is
	return netip.AddrPortFrom(netip.AddrFrom16(got.Addr.Addr).Unmap(), binary.BigEndian.Uint16(port[:]))
}

// seeAll lets a socket take what a TPROXY rule leads to it. Only root may have that, and only such rules need it; it is
// asked for behind bind(2), which would take any address otherwise.
func seeAll(socket *net.TCPListener) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // no privilege: no TPROXY
		_ = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
	})
}

// adviceOnPort names the command that fits: capabilities in a file are passed over where no new privileges may be had, as
// in most containers.
func adviceOnPort(at netip.AddrPort) string {
	file, err := os.Executable()
	status, _ := os.ReadFile("/proc/self/status")
	if err != nil || strings.Contains(string(status), "NoNewPrivs:\t1") || strings.Contains(file, "/go-build") {
		return fmt.Sprintf("allow all programs these ports with `sudo sysctl -w net.ipv4.ip_unprivileged_port_start=%d`, then start again", min(at.Port(), 80))
	}
	return fmt.Sprintf("allow Hither these ports with `sudo setcap cap_net_bind_service=+ep %s`, then start again; or have systemd open them (ListenStream=%s)", file, at)
}

func adviceOnAddress(addr netip.Addr) string {
	return fmt.Sprintf("no link of this machine has that address: add it with `sudo ip address add %s dev lo`, or choose another with --transparent", addr)
}
