package footing

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/wiretest"
)

func TestAConnectionStaysWhileItsAddressMayServe(t *testing.T) {
	for _, c := range []struct{ name, from, before, then, way, gone string }{
		{"the address is gone", "192.0.2.7", "192.0.2.7", "192.0.2.8", "192.0.2.8", "true"},
		{"so is IPv6's", "2001:db8::7", "2001:db8::7 192.0.2.8", "192.0.2.8", "192.0.2.8", "true"},
		{"it is there", "192.0.2.7", "192.0.2.7", "192.0.2.7 192.0.2.8", "192.0.2.8", "false"},
		{"no other leads there", "192.0.2.7", "192.0.2.7", "", "", "false"},
		{"it was never ours to see", "192.0.2.7", "192.0.2.8", "192.0.2.8", "192.0.2.8", "false"},
		{"it is within the machine", "127.0.0.1", "127.0.0.1", "", "192.0.2.8", "false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := wiretest.MachineAt(c.before)
				f := &Watch{Addrs: m.Addrs, Way: func(netip.AddrPort) netip.Addr { a, _ := netip.ParseAddr(c.way); return a }}
				near, far := net.Pipe()
				conn := f.Hold(&wiretest.Placed{Conn: near, From: c.from})
				<-time.After(3 * footingPace)
				m.Move(c.then)
				<-time.After(2 * footingPace)
				ended := make(chan error, 1)
				go func() { _, err := far.Read(make([]byte, 1)); ended <- err }()
				synctest.Wait()
				gone := "false"
				if len(ended) > 0 {
					gone = "true"
				}
				want(t, gone, c.gone)
				conn.Close()
				asked := m.Asked.Load()
				<-time.After(10 * footingPace)
				if more := m.Asked.Load() - asked; more > 1 || len(f.open) > 0 {
					t.Errorf("\n got %d more looks, %d connections\nwant an end of both", more, len(f.open))
				}
			})
		})
	}
}
