package port

import (
	"net/netip"
	"strings"
	"testing"

	"hither/cmd/hither/hithertest"
)

const procTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1ED2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1ED3 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 00000000:1ED4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
   3: 00000000000000000000000001000000:1ED5 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1
   4: 0000000000000000FFFF00000100007F:1ED6 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 555 1
`

func TestProcTablesAreRead(t *testing.T) {
	for _, row := range []struct{ says, address, want string }{
		{"the address itself", "127.0.0.1:7890", "111"},
		{"a connection is no listener", "127.0.0.1:7891", ""},
		{"a listener on all addresses", "127.0.0.1:7892", "333"},
		{"IPv6", "[::1]:7893", "444"},
		{"IPv4 on an IPv6 socket", "127.0.0.1:7894", "555"},
		{"another address", "127.0.0.2:7890", ""},
	} {
		hithertest.Same(t, row.says, findInode(procTable, netip.MustParseAddrPort(row.address)), row.want)
	}
}

func FuzzProcTable(f *testing.F) {
	f.Add(procTable)
	f.Add("0: x:y 0 0A 0 0 0 0 0 0 0")
	f.Fuzz(func(t *testing.T, table string) {
		inode := findInode(table, netip.MustParseAddrPort("127.0.0.1:7890"))
		if inode != "" && !strings.Contains(table, inode) {
			t.Errorf("%s is not in the table", inode)
		}
	})
}
