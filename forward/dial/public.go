package dial

import (
	"net/netip"
	"strings"
)

// IsLocalhost knows the names that are this machine by definition (RFC 6761, 6.3).
func IsLocalhost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// OwnNetwork says whether a host, as it is written, stands for this machine or the private network.
func OwnNetwork(host string) bool {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return IsLocalhost(host)
	}
	return !reachable(embedded(addr.Unmap()))
}

// ownOrOdd says whether a stranger may not have a proxy find a host: one of OwnNetwork, or one whose last label is a number, as
// 127.1 and 0x7f.0.0.1. No name of DNS ends so, but inet_aton takes it for an address.
func ownOrOdd(host string) bool {
	name := strings.TrimSuffix(host, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	number := strings.Trim(last, "0123456789") == "" || strings.HasPrefix(strings.ToLower(last), "0x")
	_, err := netip.ParseAddr(host)
	return err != nil && number || OwnNetwork(host)
}

// reachable says whether addr is one that strangers may name. 198.18.0.0/15 is: Clash and its like give such addresses
// to public names and carry what is sent there.
func reachable(addr netip.Addr) bool {
	switch {
	case !addr.IsGlobalUnicast(), addr.IsPrivate(): // also loopback, link-local, multicast, unspecified, broadcast
		return false
	case addr.Is4():
		b := addr.As4()
		cgnat := b[0] == 100 && b[1]&0xc0 == 64 // RFC 6598, 100.64.0.0/10
		protocol := b[0] == 192 && b[1] == 0 && b[2] == 0
		return !cgnat && !protocol && b[0] != 0 && b[0] < 240
	default:
		b := addr.As16()
		local := [6]byte(b[:6]) == [6]byte{0, 0x64, 0xff, 0x9b, 0, 1} // translated within the network, RFC 8215
		return !local && b[0] != 0xfe                                 // fec0::/10, the old site-local ones, count as global in Go
	}
}

// embedded is the IPv4 address that a translator (64:ff9b::/96, RFC 6052) or 6to4 (2002::/16, RFC 3056) would send to;
// any other address is itself.
func embedded(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	b := addr.As16()
	switch {
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6]))
	case [12]byte(b[:12]) == [12]byte{0, 0x64, 0xff, 0x9b}:
		return netip.AddrFrom4([4]byte(b[12:]))
	case [12]byte(b[:12]) == [12]byte{} && b[12] != 0: // ::a.b.c.d, long out of use
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return addr
}
