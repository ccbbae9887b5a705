package peer

import (
	"encoding/binary"
	"net/netip"
)

// Kinds of records in macOS's net.inet.tcp.pcblist_n (xnu bsd/sys/socketvar.h).
const (
	pcbSocket = 0x001
	pcbInet   = 0x010
)

// findPCB reads net.inet.tcp.pcblist_n: a header, then for each connection records of a length, a kind and what is in
// them, where the addresses (struct xinpcb_n) come before the socket (struct xsocket_n). Each begins at a multiple of 8;
// their fields are packed to 4. The process is the one that used the socket last.
func findPCB(b []byte, from, to netip.AddrPort) (pid int, uid uint32, ok bool) {
	const (
		uidAt = 64 // so_uid; behind it so_last_pid
		pidAt = 68
	)
	found := false
	for len(b) >= 8 {
		size := int(binary.LittleEndian.Uint32(b))
		next := (size + 7) &^ 7
		if size < 8 || next > len(b) {
			return 0, 0, false
		}
		switch kind := binary.LittleEndian.Uint32(b[4:]); {
		case kind == pcbInet:
			found = isPCB(b[:size], from, to)
		case kind == pcbSocket && found && size >= pidAt+4:
			return int(int32(binary.LittleEndian.Uint32(b[pidAt:]))), binary.LittleEndian.Uint32(b[uidAt:]), true
		}
		b = b[next:]
	}
	return 0, 0, false
}

// isPCB says whether a struct xinpcb_n is of that connection. An IPv4 address stands in the last four bytes of sixteen.
func isPCB(b []byte, from, to netip.AddrPort) bool {
	const (
		remotePort, localPort = 16, 18
		flags                 = 44
		remote, local, end    = 48, 64, 80
		isIPv4                = 1
	)
	if len(b) < end || binary.BigEndian.Uint16(b[localPort:]) != from.Port() || binary.BigEndian.Uint16(b[remotePort:]) != to.Port() {
		return false
	}
	address := func(at int) netip.Addr {
		if b[flags]&isIPv4 != 0 {
			return netip.AddrFrom4([4]byte(b[at+12 : at+16]))
		}
		return netip.AddrFrom16([16]byte(b[at : at+16])).Unmap()
	}
	return address(local) == from.Addr() && address(remote) == to.Addr()
}
