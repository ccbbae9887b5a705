package forward_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hither/forward"
	"hither/forward/dial"
	"hither/forward/listener"
)

// network runs functions in a network of its own: sockets that they make stay there.
type network chan func()

// newNetwork skips the test where there is none to be had. A rule leads port 80 of everybody to a door on port 8080.
func newNetwork(t *testing.T) network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may make a network of its own here: run the tests as root")
	}
	n, entered := make(network), make(chan error)
	go func() {
		runtime.LockOSThread() // without an unlock: the thread, and with it the network, ends with the goroutine
		entered <- unix.Unshare(unix.CLONE_NEWNET)
		for f := range n {
			f()
		}
	}()
	t.Cleanup(func() { close(n) })
	why := <-entered
	for _, command := range []string{
		"ip link set lo up", "ip address add 10.7.0.2/24 dev lo", "ip address add 192.0.2.7/32 dev lo", "ip address add 192.0.2.8/32 dev lo",
		"nft add table ip hither", "nft add chain ip hither out { type nat hook output priority -100 ; }",
		"nft add rule ip hither out ip daddr 192.0.2.7 tcp dport 80 ip saddr 10.7.0.2 redirect to :8080", // Hither is exempt
		"nft add rule ip hither out ip daddr 192.0.2.8 tcp dport 80 redirect to :8080",                   // and here it is not
	} {
		n.do(func() {
			words := strings.Fields(command)
			if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil && why == nil {
				why = fmt.Errorf("%s: %s: %w", command, strings.TrimSpace(string(out)), err)
			}
		})
	}
	if why != nil {
		t.Skip(why, "(`apt-get install nftables iproute2` brings what is needed)")
	}
	return n
}

func (n network) do(f func()) {
	done := make(chan struct{})
	n <- func() { defer close(done); f() }
	<-done
}

func (n network) dial(ctx context.Context, from, to string) (conn net.Conn, err error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	n.do(func() { conn, err = d.DialContext(ctx, "tcp", to) })
	return conn, err
}

func TestARedirectedProgramReachesWhereItWentTo(t *testing.T) {
	n := newNetwork(t)
	d := &dial.Dialer{Connect: func(ctx context.Context, _, addr string) (net.Conn, error) { return n.dial(ctx, "192.0.2.7", addr) }}
	w := newWorld(t, func(s *forward.Server) { s.Own = d.Own })
	w.setDial(d.DialContext)
	w.setFetch(content("ours", nil))
	var door, far net.Listener
	var err, err2 error
	n.do(func() {
		door, err = listener.Listen(context.WithoutCancel(t.Context()), "127.0.0.1:8080", listener.Options{})
		far, err2 = net.Listen("tcp", "192.0.2.7:80")
	})
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	t.Cleanup(func() { far.Close() })
	go w.server.Serve(door)

	ask := func(to, host string) string {
		conn, err := n.dial(t.Context(), "10.7.0.2", to)
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /forever/a HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
		all, _ := io.ReadAll(conn)
		return string(all)
	}
	if got := ask("192.0.2.7:80", host); !strings.HasSuffix(got, "\r\n\r\nours") {
		t.Errorf("a host of the rules\ngot:  %s\nwant: ours", got)
	}
	go func() {
		conn, err := far.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.Read(make([]byte, 1024))
		io.Copy(conn, io.LimitReader(zeros{}, 64<<20))
	}()
	if got := len(ask("192.0.2.7:80", alien)); got != 64<<20 {
		t.Errorf("a stranger\ngot:  %d bytes\nwant: 64 MiB", got)
	}
	if got := ask("192.0.2.8:80", alien); got != "" || strings.Count(w.log.String(), "was led back") != 1 {
		t.Errorf("a rule that does not exempt us\ngot:  %q and\n%s\nwant: an end, and one line of log", got, w.log)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
