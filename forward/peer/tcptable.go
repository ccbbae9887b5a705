package peer

import (
	"encoding/binary"
	"net/netip"
)

// findRow reads a MIB_TCPTABLE_OWNER_PID or MIB_TCP6TABLE_OWNER_PID of Windows (tcpmib.h): the number of rows, then the
// rows. Ports are in the network's order in the first two bytes of four.
func findRow(b []byte, from, to netip.AddrPort) (pid uint32, ok bool) {
	size, local, remote, owner := 24, 4, 12, 20 // state, local address and port, remote address and port, process
	width := 4
	if from.Addr().Is6() {
		// local address, scope and port, remote address, scope and port, state, process
		size, local, remote, owner, width = 56, 0, 24, 52, 16
	}
	if len(b) < 4 {
		return 0, false
	}
	count := binary.LittleEndian.Uint32(b)
	for b = b[4:]; count > 0 && len(b) >= size; count, b = count-1, b[size:] {
		if rowEnd(b[local:], width) == from && rowEnd(b[remote:], width) == to {
			return binary.LittleEndian.Uint32(b[owner:]), true
		}
	}
	return 0, false
}

// rowEnd reads an address and its port, between which IPv6 has a scope.
func rowEnd(b []byte, width int) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(b[:width])
	at := width
	if width == 16 {
		at += 4
	}
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[at:]))
}
