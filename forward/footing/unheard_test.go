package footing

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/wiretest"
)

func TestAConnectionIsDeadWhereOnlyANewOneIsAnswered(t *testing.T) {
	for _, c := range []struct {
		name   string
		resent string // from second to second
		stands string // whether a new connection does, likewise
		gone   string
	}{
		{"the way forgot it", "0123456", "yyyyyyy", "true"},
		{"a slow server acknowledges", "0000000", "yyyyyyy", "false"},
		{"a packet is lost now and then", "0101010", "yyyyyyy", "false"},
		{"packets are lost", "0120120", "yyyyyyy", "false"},
		{"the network is away", "0123456", "nnnnnnn", "false"},
		{"it comes back, and the old connection with it", "0123440", "nnnnyyy", "false"},
		{"it comes back, and nobody knows the old connection", "0123456789", "nnnnyyyyyy", "true"},
		{"nothing was sent again since it came back", "01234444444", "nnnnyyyyyyy", "false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				at := func(text string) byte { return text[min(int(time.Since(began)/time.Second), len(text)-1)] }
				var knocks atomic.Int64
				m := wiretest.MachineAt("192.0.2.7")
				f := &Watch{Addrs: m.Addrs, resent: func(net.Conn) int { return int(at(c.resent) - '0') }}
				f.Dial = func(_, addr string, _ time.Duration) (net.Conn, error) {
					knocks.Add(1)
					want(t, addr, "127.0.0.1:443")
					<-time.After(time.Millisecond)
					if at(c.stands) == 'n' {
						return nil, errors.New("no route to host")
					}
					return wiretest.PipeTo(t), nil
				}
				near, far := net.Pipe()
				conn := f.Hold(&wiretest.Placed{Conn: near, From: "192.0.2.7"})
				also := f.Hold(&wiretest.Placed{Conn: wiretest.PipeTo(t), From: "192.0.2.7"})
				ended := make(chan error, 1)
				go func() { _, err := far.Read(make([]byte, 1)); ended <- err }()
				<-time.After(time.Duration(len(c.resent)) * time.Second)
				synctest.Wait()
				gone := "false"
				if len(ended) > 0 {
					gone = "true"
				}
				want(t, gone, c.gone)
				if most := int64(1 + len(c.stands)/2); knocks.Load() > most || !strings.ContainsAny(c.resent, "23456789") && knocks.Load() > 0 {
					t.Errorf("\n got %d knocks\nwant %d at most, for both", knocks.Load(), most)
				}
				conn.Close()
				also.Close()
				<-time.After(10 * footingPace)
				f.mu.Lock()
				defer f.mu.Unlock()
				if len(f.open)+len(f.knocks) > 0 || f.looks {
					t.Errorf("\n got %d connections, %d knocks, looks: %t\nwant an end of all", len(f.open), len(f.knocks), f.looks)
				}
			})
		})
	}
}
