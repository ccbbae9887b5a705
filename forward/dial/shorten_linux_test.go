package dial

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"hither/forward/mark"
)

func TestATightConnectionCarriesShortPackets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	segment := func(conn net.Conn) (n int) {
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) { n, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG) })
		return n
	}
	for _, tight := range []bool{false, true} {
		ctx := t.Context()
		if tight {
			ctx = mark.Tight(ctx)
		}
		near, err := new(Dialer).DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { near.Close() })
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { far.Close() })
		if out, in := segment(near), segment(far); (out <= shortest) != tight || (in <= shortest) != tight {
			t.Errorf("tight: %t\n got segments of %d bytes out, %d in\nwant %d at most, if it is", tight, out, in, shortest)
		}
	}
}
