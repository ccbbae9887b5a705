package peer

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func ends(from, to string) (netip.AddrPort, netip.AddrPort) {
	return netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
}

// pcbRecord is one record of pcblist_n, filled up to a multiple of 8.
func pcbRecord(kind uint32, size int, fill func(b []byte)) []byte {
	b := make([]byte, (size+7)&^7)
	binary.LittleEndian.PutUint32(b, uint32(size))
	binary.LittleEndian.PutUint32(b[4:], kind)
	fill(b)
	return b
}

// pcbList is a table of macOS with one connection of process 77, user 501.
func pcbList(from, to netip.AddrPort) []byte {
	inet := pcbRecord(pcbInet, 104, func(b []byte) {
		binary.BigEndian.PutUint16(b[16:], to.Port())
		binary.BigEndian.PutUint16(b[18:], from.Port())
		for at, a := range map[int]netip.Addr{48: to.Addr(), 64: from.Addr()} {
			b[44] = 2
			if a.Is4() {
				b[44], at = 1, at+12
			}
			copy(b[at:], a.AsSlice())
		}
	})
	other := pcbRecord(pcbInet, 104, func([]byte) {})
	socket := func(pid, uid uint32) []byte {
		return pcbRecord(pcbSocket, 76, func(b []byte) {
			binary.LittleEndian.PutUint32(b[64:], uid)
			binary.LittleEndian.PutUint32(b[68:], pid)
		})
	}
	rest := pcbRecord(0x002, 36, func([]byte) {})
	return slices.Concat(pcbRecord(0, 24, func([]byte) {}), other, socket(66, 0), rest, inet, socket(77, 501), rest)
}

func TestTablesOfMacOSAreRead(t *testing.T) {
	for _, row := range [][2]string{{"127.0.0.1:4000", "127.0.0.1:7890"}, {"[::1]:4000", "[::1]:7890"}} {
		from, to := ends(row[0], row[1])
		if pid, uid, ok := findPCB(pcbList(from, to), from, to); pid != 77 || uid != 501 || !ok {
			t.Errorf("%v\n got %d %d %v\nwant 77 501 true", from, pid, uid, ok)
		}
		if pid, _, ok := findPCB(pcbList(from, to), to, from); ok {
			t.Errorf("the other end of %v is process %d\nwant none", from, pid)
		}
	}
}

// tcpTable is a table of Windows with one connection of process 77.
func tcpTable(from, to netip.AddrPort) []byte {
	end := func(a netip.AddrPort) []byte {
		b := a.Addr().AsSlice()
		if a.Addr().Is6() {
			b = append(b, 0, 0, 0, 0)
		}
		return append(binary.BigEndian.AppendUint16(b, a.Port()), 0, 0)
	}
	state, both, pid := []byte{5, 0, 0, 0}, slices.Concat(end(from), end(to)), []byte{77, 0, 0, 0}
	row := slices.Concat(state, both, pid)
	if from.Addr().Is6() {
		row = slices.Concat(both, state, pid)
	}
	return slices.Concat([]byte{2, 0, 0, 0}, make([]byte, len(row)), row)
}

func TestTablesOfWindowsAreRead(t *testing.T) {
	for _, row := range [][2]string{{"127.0.0.1:4000", "127.0.0.1:7890"}, {"[::1]:4000", "[::1]:7890"}} {
		from, to := ends(row[0], row[1])
		if pid, ok := findRow(tcpTable(from, to), from, to); pid != 77 || !ok {
			t.Errorf("%v\n got %d %v\nwant 77 true", from, pid, ok)
		}
		if pid, ok := findRow(tcpTable(from, to), to, from); ok {
			t.Errorf("the other end of %v is process %d\nwant none", from, pid)
		}
	}
}

func TestArgumentsOfMacOSAreRead(t *testing.T) {
	got, environment := parseProcArgs([]byte("\x03\x00\x00\x00/usr/bin/npm\x00\x00\x00\x00npm\x00\x00ci\x00SECRET=1\x00"))
	if strings.Join(got, "|") != "npm||ci" {
		t.Errorf("got %q\nwant npm, nothing, ci", got)
	}
	if strings.Join(environment, "|") != "SECRET=1" {
		t.Errorf("the environment is %q\nwant what follows the arguments", environment)
	}
	if private := privately([]string{"SECRET=1", "GOPRIVATE=a.example/*", "GONOPROXY=", "GONOPROXY=b.example", "GONOSUMDB=*,c.example"}); strings.Join(private, "|") != "a.example/*|b.example|c.example" {
		t.Errorf("got %q\nwant what go keeps from proxies, and nothing else", private)
	}
}

func FuzzTables(f *testing.F) {
	for _, row := range [][2]string{{"127.0.0.1:4000", "127.0.0.1:7890"}, {"[::1]:4000", "[::1]:7890"}} {
		from, to := ends(row[0], row[1])
		f.Add(pcbList(from, to))
		f.Add(tcpTable(from, to))
	}
	f.Add([]byte("\xff\xff\xff\xffx\x00a\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, row := range [][2]string{{"127.0.0.1:4000", "127.0.0.1:7890"}, {"[::1]:4000", "[::1]:7890"}} {
			from, to := ends(row[0], row[1])
			_, _, _ = findPCB(b, from, to)
			_, _ = findRow(b, from, to)
		}
		if args, _ := parseProcArgs(b); len(args) > len(b) {
			t.Errorf("%d arguments of %d bytes", len(args), len(b))
		}
	})
}
