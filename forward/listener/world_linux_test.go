package listener

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// network is a network of its own, with a loopback link and what commands set up in it. Sockets that are made in it stay there.
type network struct {
	t     *testing.T
	mptcp bool // clients speak Multipath TCP, as those of Go and Apple may
	work  chan func()
	id    int // of the thread that is in it, for `ip link set … netns`
}

// newNetwork skips the test where that needs rights that we have not.
func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may make a network of its own here: run the tests as root")
	}
	n := &network{t: t, work: make(chan func())}
	entered := make(chan error)
	go func() {
		runtime.LockOSThread() // without an unlock: the thread, and with it the network, ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		n.id = unix.Gettid()
		entered <- err
		for f := range n.work {
			f()
		}
	}()
	t.Cleanup(func() { close(n.work) })
	if err := <-entered; err != nil {
		t.Skip("no network of its own is to be had here:", err)
	}
	n.run("ip link set lo up")
	return n
}

// do runs f in the network; it must not end the test.
func (n *network) do(f func()) {
	done := make(chan struct{})
	n.work <- func() { defer close(done); f() }
	<-done
}

// run runs commands in the network, and skips the test if one is not there or may not do it.
func (n *network) run(commands ...string) {
	n.t.Helper()
	why := ""
	n.do(func() {
		for _, command := range commands {
			words := strings.Fields(command)
			if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
				why = command + ": " + strings.TrimSpace(string(out)) + ": " + err.Error()
				return
			}
		}
	})
	if why != "" {
		n.t.Skip(why, "(`apt-get install nftables iproute2` brings what is needed)")
	}
}

// join makes a link between two networks: here is called near, there far.
func (n *network) join(other *network, near, far string) {
	n.t.Helper()
	n.run("ip link add "+near+" type veth peer name "+far, "ip link set "+far+" netns "+strconv.Itoa(other.id), "ip link set "+near+" up")
	other.run("ip link set " + far + " up")
}

func (n *network) listen(addr string, o Options) *Listener {
	n.t.Helper()
	var l *Listener
	var err error
	n.do(func() { l, err = Listen(context.WithoutCancel(n.t.Context()), addr, o) })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { l.Close() })
	return l
}

// dial is a client's connection; nil and the reason if it was refused. from may be empty.
func (n *network) dial(from, to string) (conn net.Conn, err error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	d.SetMultipathTCP(n.mptcp)
	if from != "" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	}
	n.do(func() { conn, err = d.DialContext(n.t.Context(), "tcp", to) })
	if err == nil {
		n.t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

// arrives dials and tells how the connection looks from inside the door: "ORIGINAL local" or "ORIGINAL neighbour".
func (n *network) arrives(l *Listener, from, to string) string {
	n.t.Helper()
	conn, err := n.dial(from, to)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	defer time.AfterFunc(10*time.Second, func() { l.Close() }).Stop() // else a fault would be a wait
	got, err := l.Accept()
	if err != nil {
		return err.Error()
	}
	defer got.Close()
	return looks(got.(*Conn))
}

func looks(c *Conn) string {
	text := "none"
	if at, err := c.Original(); err == nil {
		text = at.String()
	}
	if c.Local() {
		return text + " local"
	}
	return text + " neighbour"
}
