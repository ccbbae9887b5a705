package dial

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
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
	accepted := make(chan net.Conn, 1)
	go func() {
		for {
			far, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- far
			go func() { // as a proxy, if it is asked as one
				if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
					io.WriteString(far, "HTTP/1.1 200 OK\r\n\r\n")
				}
			}()
		}
	}()
	segment := func(conn net.Conn) (n int) {
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) { n, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG) })
		return n
	}
	for _, c := range []struct {
		name string
		d    *Dialer
		addr string
	}{
		{"to the host", new(Dialer), l.Addr().String()},
		{"to the proxy", &Dialer{Proxy: &url.URL{Scheme: "http", Host: l.Addr().String()}}, "reg.example:443"},
	} {
		for _, tight := range []bool{false, true} {
			ctx := t.Context()
			if tight {
				ctx = mark.Tight(ctx)
			}
			near, err := c.d.DialContext(ctx, "tcp", c.addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { near.Close() })
			far := <-accepted
			t.Cleanup(func() { far.Close() })
			if out, in := segment(near), segment(far); (out <= shortest) != tight || (in <= shortest) != tight {
				t.Errorf("%s, tight: %t\n got segments of %d bytes out, %d in\nwant %d at most, if it is", c.name, tight, out, in, shortest)
			}
		}
	}
}
