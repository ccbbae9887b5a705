package footing

import (
	"net"
	"net/netip"
)

// WayOut is the address of ours from which packets to an address would leave, of IPv6 its network, because the rest changes
// every day for privacy. It tells networks apart, though not two that gave us the same address. Nothing is sent. The zero
// address: there is no way.
func WayOut(to netip.AddrPort) netip.Addr {
	udp, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}
	}
	defer udp.Close()
	return NetworkOf(udp)
}

// NetworkOf is the address of ours that a connected socket has, as [WayOut] has it.
func NetworkOf(udp *net.UDPConn) netip.Addr {
	local, ok := udp.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}
	}
	addr := local.AddrPort().Addr().Unmap().WithZone("")
	if addr.Is6() {
		net64, err := addr.Prefix(64)
		if err != nil {
			return netip.Addr{}
		}
		return net64.Addr()
	}
	return addr
}
