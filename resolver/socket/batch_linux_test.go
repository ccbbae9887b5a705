package socket

import (
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A client on a link's own address is answered from a goroutine too, which needs the link for it.
func TestClientsOfALinkKeepTheirZone(t *testing.T) {
	b := new(Batch)
	fill := func(addr string, scope uint32) {
		b.names[0] = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: netip.MustParseAddr(addr).As16(), Scope_id: scope}
		port := (*[2]byte)(unsafe.Pointer(&b.names[0].Port))
		port[1] = 53
	}
	for want, scope := range map[string]uint32{"[fe80::1%7]:53": 7, "[fd00::1]:53": 0} {
		fill(netip.MustParseAddrPort(want).Addr().WithZone("").String(), scope)
		if _, got := b.Packet(0); got.String() != want {
			t.Errorf("got  %v\nwant %s", got, want)
		}
	}
}
