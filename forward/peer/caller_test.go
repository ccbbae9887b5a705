//go:build linux || darwin

package peer

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestTheSystemSaysWhoCalls(t *testing.T) {
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got := Caller(conn); got != os.Getpid() {
		t.Errorf("the process that calls\n got %d\nwant %d", got, os.Getpid())
	}
	conn.Close()
	if got := Caller(conn); got != 0 {
		t.Errorf("of a closed connection\n got %d\nwant 0", got)
	}
}
