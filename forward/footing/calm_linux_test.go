package footing

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hither/forward/wiretest"
)

// A connection that is used for hours would otherwise have a packet sent each second.
func TestAStirredConnectionBecomesCalm(t *testing.T) {
	s, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	tcp, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f := &Watch{Addrs: wiretest.MachineAt("192.0.2.7").Addrs}
	conn := f.Hold(&wiretest.Placed{Conn: tcp, From: "192.0.2.7"}).(*rooted)
	t.Cleanup(func() { conn.Close() })
	f.Stir()
	wantPause(t, tcp, 1)
	f.mu.Lock()
	conn.stirred = time.Now().Add(-stirredFor)
	f.mu.Unlock()
	<-time.After(2 * footingPace)
	wantPause(t, tcp, 15)
}

// wantPause wants that many seconds between two packets of keep-alive.
func wantPause(t *testing.T, tcp net.Conn, want int) {
	t.Helper()
	raw, err := tcp.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL); err != nil || got != want {
			t.Errorf("\n got %d s, %v\nwant %d s", got, err, want)
		}
	})
}
