package socket

import (
	"net"
	"strings"
	"testing"
)

func TestListen(t *testing.T) {
	ctx := t.Context()
	first, err := Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if second, err := Listen(ctx, first.Addr().String()); err == nil || !Taken(err) || !strings.Contains(err.Error(), "--dns") {
		if err == nil {
			second.Close()
		}
		t.Errorf("got  %v\nwant an error that says that the port is taken and what to do", err)
	}
	other, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := Listen(ctx, other.LocalAddr().String()); err == nil || !Taken(err) {
		t.Errorf("got  %v\nwant an error that says that another program's UDP port is taken", err)
	}
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", "192.0.2.1:53", "8.8.8.8:53", "localhost:53", "127.0.0.1", ""} {
		if _, err := Listen(ctx, addr); err == nil || !strings.Contains(err.Error(), "127.0.0.1:53") {
			t.Errorf("%q\ngot  %v\nwant an error that names an address that would do", addr, err)
		}
	}
}
