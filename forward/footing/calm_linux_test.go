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
	if got := pause(t, tcp); got != 1 {
		t.Errorf("seconds between two packets of keep-alive\n got %d\nwant 1", got)
	}
	f.mu.Lock()
	conn.stirred = time.Now().Add(-stirredFor)
	f.mu.Unlock()
	for end := time.Now().Add(time.Minute); pause(t, tcp) != 15; <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("seconds between two packets of keep-alive, when it has rested\n got %d\nwant 15", pause(t, tcp))
		}
	}
}

// pause is how many seconds lie between two packets of keep-alive.
func pause(t *testing.T, tcp net.Conn) (seconds int) {
	t.Helper()
	raw, err := tcp.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		seconds, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
	})
	if err != nil {
		t.Fatal(err)
	}
	return seconds
}
