package peer

import (
	"bufio"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// searchTables looks through /proc/net/tcp and tcp6, which takes longer the more connections there are.
func searchTables(from, to netip.AddrPort) (socket, error) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(table)
		if err != nil {
			continue
		}
		s, ok := findSocket(file, from, to)
		file.Close()
		if ok {
			return s, nil
		}
	}
	return socket{}, unknown("there is no connection from %v to %v", from, to)
}

// findSocket reads the table's lines (proc_net_tcp.txt): "sl local_address rem_address st …", with the user in the eighth
// field and the inode in the tenth. A socket without an inode is held by nobody any more.
func findSocket(table io.Reader, from, to netip.AddrPort) (socket, bool) {
	const local, remote, uid, inode = 1, 2, 7, 9
	for lines := bufio.NewScanner(table); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode {
			continue
		}
		a, ok := ParseAddress(fields[local])
		b, ok2 := ParseAddress(fields[remote])
		if !ok || !ok2 || a != from || b != to {
			continue
		}
		user, err := strconv.ParseUint(fields[uid], 10, 32)
		node, err2 := strconv.ParseUint(fields[inode], 10, 32)
		if err == nil && err2 == nil && node != 0 {
			return socket{uid: uint32(user), inode: uint32(node)}, true
		}
	}
	return socket{}, false
}

// ParseAddress reads ADDRESS:PORT in hex, as /proc/net/tcp has it; false: it is none. The kernel prints the address as words of its own byte order, which is
// little-endian wherever Hither is built for.
func ParseAddress(text string) (netip.AddrPort, bool) {
	host, portText, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	port, err2 := strconv.ParseUint(portText, 16, 16)
	if err != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), ok
}
