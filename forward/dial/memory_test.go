package dial

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/wiretest"
)

func TestASilentAddressCostsOneHeadStartOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &wiretest.Lines{Wait: map[string]time.Duration{"2001:db8::1": time.Hour, "192.0.2.1": 20 * time.Millisecond}}
		d := &Dialer{Resolver: wiretest.Names{"reg.example": "192.0.2.1 2001:db8::1"}, Connect: l.Connect}
		want(t, timed(t, l, d), "2001:db8::1 192.0.2.1 270ms")
		for range 2 {
			want(t, timed(t, l, d), "192.0.2.1 20ms")
		}
		d.Forget()
		want(t, timed(t, l, d), "2001:db8::1 192.0.2.1 270ms")
	})
}

func TestHTTP3IsOfferedTheSameOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &wiretest.Lines{Wait: map[string]time.Duration{"2001:db8::1": time.Hour}}
		d := &Dialer{Resolver: wiretest.Names{"reg.example": "192.0.2.1 192.0.2.2 2001:db8::1"}, Connect: l.Connect}
		l.Wait["192.0.2.1"] = 20 * time.Millisecond
		timed(t, l, d)
		got, err := d.Datagrams(t.Context(), "reg.example:443")
		if err != nil {
			t.Fatal(err)
		}
		want(t, told(got), "192.0.2.1 2001:db8::1 192.0.2.2")
	})
}

func told(addrs []netip.AddrPort) string {
	var all []string
	for _, a := range addrs {
		all = append(all, a.Addr().String())
	}
	return strings.Join(all, " ")
}

// timed returns who was tried, in order, and how long it took.
func timed(t *testing.T, l *wiretest.Lines, d *Dialer) string {
	return l.Dialed(func() (net.Conn, error) { return d.DialContext(t.Context(), "tcp", "reg.example:443") })
}
