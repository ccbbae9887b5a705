package peer

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAChildIsFoundByItsConnection has this test's program connect from a directory with a blank in it.
func TestAChildIsFoundByItsConnection(t *testing.T) {
	if to := os.Getenv("PEER_TEST_CONNECT"); to != "" {
		conn, err := net.Dial("tcp", to)
		if err == nil {
			_, _ = conn.Read(make([]byte, 1)) // until the parent closes it
		}
		return
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) { findChild(t, address) })
	}
}

func findChild(t *testing.T, address string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dir := filepath.Join(t.TempDir(), "a project")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestAChildIsFoundByItsConnection$", "a b", `c"d`)
	child.Dir = dir
	child.Env = append(os.Environ(), "PEER_TEST_CONNECT="+listener.Addr().String(), "GOPRIVATE=secret.example/*", "GOMODCACHE="+dir)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var f Finder
	p, err := f.Of(netip.MustParseAddrPort(conn.RemoteAddr().String()), netip.MustParseAddrPort(conn.LocalAddr().String()))
	conn.Close()
	_ = child.Wait() // it has read what it was to read
	if err != nil || p.PID != child.Process.Pid || !strings.EqualFold(p.Dir, dir) || len(p.Args) != 4 || p.Args[2] != "a b" || p.Args[3] != `c"d` ||
		len(p.Parents) == 0 || p.Parents[0] != os.Getpid() || !slices.Equal(p.Private, []string{"secret.example/*"}) || !slices.Contains(p.Caching, "GOMODCACHE="+dir) || !slices.Contains(p.Caching, "USERPROFILE="+os.Getenv("USERPROFILE")) {
		t.Errorf("got  %+v, %v\nwant process %d in %s, child of %d", p, err, child.Process.Pid, dir, os.Getpid())
	}
}
