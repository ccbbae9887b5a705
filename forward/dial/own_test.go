package dial

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestOurOwnConnectionsAreKnown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d := &Dialer{}
	conn, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	near, far := netip.MustParseAddrPort(conn.LocalAddr().String()), netip.MustParseAddrPort(conn.RemoteAddr().String())
	want(t, fmt.Sprint(d.Own(near, far), d.Own(far, near), d.Own(near, near), new(Dialer).Own(near, far)), "true false false false")
}

func TestOurOwnConnectionsAreForgottenAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o opened
		for n := range 3 * maxOwn {
			e := ends{netip.AddrPortFrom(netip.IPv6Loopback(), uint16(n)), netip.AddrPort{}}
			o.addEnds(e, time.Now())
		}
		if len(o.since) != maxOwn || len(o.order) != maxOwn {
			t.Errorf("got  %d and %d\nwant %d", len(o.since), len(o.order), maxOwn)
		}
		last := ends{netip.AddrPortFrom(netip.IPv6Loopback(), 3*maxOwn-1), netip.AddrPort{}}
		want(t, fmt.Sprint(o.has(last, time.Now()), o.has(last, time.Now().Add(ownFor+1))), "true false")
	})
}
