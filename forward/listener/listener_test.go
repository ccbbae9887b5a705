package listener

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\ngot  %s\nwant %s", what, got, want)
	}
}

func TestWhereADoorIs(t *testing.T) {
	for addr, places := range map[string]string{
		"127.0.7.90":            "127.0.7.90:443 127.0.7.90:80",
		"127.0.7.90:8443":       "127.0.7.90:8443",
		"::1":                   "[::1]:443 [::1]:80",
		"[::1]":                 "[::1]:443 [::1]:80",
		"[::1]:443":             "[::1]:443",
		"::ffff:127.0.0.1":      "127.0.0.1:443 127.0.0.1:80",
		"[::ffff:127.0.0.1]:80": "127.0.0.1:80",
		"fe80::1%eth0":          "[fe80::1%eth0]:443 [fe80::1%eth0]:80",
		"127.0.0.1:0":           "127.0.0.1:0",
		"":                      "error",
		":443":                  "error",
		"localhost":             "error",
		"localhost:443":         "error",
		"127.0.0.1:https":       "error",
		"127.0.0.1:65536":       "error",
		"127.0.0.1/8":           "error",
	} {
		got := "error"
		if all, err := parse(addr); err == nil {
			var texts []string
			for _, at := range all {
				texts = append(texts, at.String())
			}
			got = strings.Join(texts, " ")
		} else if !strings.Contains(err.Error(), "write an IP address") {
			t.Errorf("%q\ngot  %v\nwant what to write", addr, err)
		}
		want(t, addr, got, places)
	}
}

func TestWhoMayComeIn(t *testing.T) {
	nets := []net.Addr{
		&net.IPNet{IP: net.IPv4(127, 0, 0, 1), Mask: net.CIDRMask(8, 32)}, // in 16 bytes, as package net has it
		&net.IPNet{IP: net.IP{192, 168, 1, 5}, Mask: net.CIDRMask(24, 32)},
		&net.IPNet{IP: net.IP{172, 17, 0, 1}, Mask: net.CIDRMask(16, 32)},
		&net.IPNet{IP: net.IP{198, 51, 100, 7}, Mask: net.CIDRMask(24, 32)},
		&net.IPNet{IP: net.ParseIP("fd00::1"), Mask: net.CIDRMask(64, 128)},
		&net.IPAddr{IP: net.IP{1, 2, 3, 4}},
	}
	names := map[relation]string{stranger: "stranger", neighbour: "neighbour", ourselves: "ourselves"}
	for _, test := range []struct{ client, door, want string }{
		{"127.0.0.1", "127.0.0.1", "ourselves"},
		{"127.9.9.9", "172.17.0.1", "ourselves"},
		{"::1", "::1", "ourselves"},
		{"192.168.1.5", "127.0.0.1", "ourselves"}, // redirected on its way out
		{"198.51.100.7", "127.0.0.1", "ourselves"},
		{"172.17.0.9", "172.17.0.1", "neighbour"},
		{"172.17.0.9", "127.0.0.1", "stranger"},
		{"192.168.1.9", "172.17.0.1", "stranger"},
		{"192.168.1.9", "0.0.0.0", "neighbour"},
		{"10.1.1.1", "0.0.0.0", "stranger"},
		{"198.51.100.8", "198.51.100.7", "stranger"}, // near, but not private
		{"198.51.100.8", "0.0.0.0", "stranger"},
		{"203.0.113.1", "0.0.0.0", "stranger"},
		{"fd00::9", "fd00::1", "neighbour"},
		{"fd00::9", "::1", "stranger"},
		{"fd01::9", "::", "stranger"},
		{"2001:db8::1", "::", "stranger"},
	} {
		n := neighbours{look: func() ([]net.Addr, error) { return nets, nil }}
		got := n.relation(netip.MustParseAddr(test.client), netip.MustParseAddr(test.door), time.Now())
		want(t, test.client+" at "+test.door, names[got], test.want)
	}
}

func TestWhatNetworksSay(t *testing.T) {
	nets := []net.Addr{
		&net.IPNet{IP: net.IP{172, 17, 0, 1}, Mask: net.CIDRMask(16, 32)},
		&net.IPNet{IP: net.ParseIP("fd00::1"), Mask: net.CIDRMask(64, 128)},
	}
	for _, test := range []struct{ client, own, want string }{
		{"127.0.0.1", "172.17.0.1", "true true invalid IP"},
		{"172.17.0.1", "172.17.0.1", "true true 172.17.0.1"},
		{"172.17.0.9", "172.17.0.1", "false true 172.17.0.1"},
		{"172.17.0.9", "127.0.0.1", "false false 172.17.0.1"},
		{"fd00::9", "fd00::1", "false true fd00::1"},
		{"172.18.0.9", "172.17.0.1", "false false invalid IP"},
		{"203.0.113.1", "172.17.0.1", "false false invalid IP"},
	} {
		n := Networks{neighbours{look: func() ([]net.Addr, error) { return nets, nil }}}
		client := netip.MustParseAddr(test.client)
		got := fmt.Sprint(n.Ours(client), n.Neighbour(client, netip.MustParseAddr(test.own)), n.Facing(client))
		want(t, test.client+" at "+test.own, got, test.want)
	}
}

func TestWhetherAMachineLacksIPv4(t *testing.T) {
	loop := []string{"127.0.0.1", "127.0.7.90", "::1"}
	for _, row := range []struct {
		own   string
		lacks bool
	}{{"", false}, {"192.0.2.1", false}, {"192.0.2.1 2001:db8::1", false}, {"2001:db8::1", true}, {"fe80::1", true}} {
		var nets []net.Addr
		for _, ip := range append(strings.Fields(row.own), loop...) {
			addr := netip.MustParseAddr(ip)
			nets = append(nets, &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())})
		}
		n := Networks{neighbours{look: func() ([]net.Addr, error) { return nets, nil }}}
		want(t, "lack of IPv4 with "+row.own, fmt.Sprint(n.LackIPv4()), fmt.Sprint(row.lacks))
	}
}

func TestStrangersDoNotHaveTheMachineLookEachTime(t *testing.T) {
	looks := 0
	n := neighbours{look: func() ([]net.Addr, error) { looks++; return nil, errors.New("busy") }}
	now := time.Now()
	for range 1000 {
		n.relation(netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("10.0.0.1"), now)
	}
	if n.relation(netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("10.0.0.1"), now.Add(lookAgain)); looks != 2 {
		t.Errorf("got  %d looks\nwant 2", looks)
	}
}

// A container's first question comes right after its network.
func TestWhoIsNewIsKnownThoughTheMachineJustLooked(t *testing.T) {
	var nets []net.Addr
	n := Networks{neighbours{look: func() ([]net.Addr, error) { return nets, nil }}}
	n.LackIPv4()
	nets = []net.Addr{&net.IPNet{IP: net.IP{172, 18, 0, 1}, Mask: net.CIDRMask(16, 32)}}
	if !n.Neighbour(netip.MustParseAddr("172.18.0.2"), netip.MustParseAddr("172.18.0.1")) {
		t.Error("got  a stranger\nwant a neighbour")
	}
}

func TestADoorOfSeveralSockets(t *testing.T) {
	a, b := socket(t), socket(t)
	inherited := &Inherited{sockets: []handed{{"doors", a}, {"other", socket(t)}, {"doors", b}}}
	l, err := Listen(t.Context(), "@doors", Options{Inherited: inherited})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Addrs(); len(got) != 2 || got[0] != place(a.Addr()) || got[1] != place(b.Addr()) || l.Addr().String() != got[0].String() {
		t.Errorf("got  %v\nwant %v and %v", got, a.Addr(), b.Addr())
	}
	for _, to := range l.Addrs() {
		client, err := net.Dial("tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		door := conn.(*Conn)
		if _, err := door.Original(); place(conn.LocalAddr()) != to || !errors.Is(err, ErrNoOriginal) || !door.Local() {
			t.Errorf("got  %v, original %v, local %t\nwant %v, none, local", conn.LocalAddr(), err, door.Local(), to)
		}
	}
	if inherited.Close(); len(inherited.sockets) != 0 {
		t.Error("got  sockets that nobody reads\nwant none")
	}
	if _, err := Listen(t.Context(), "@doors", Options{Inherited: inherited}); err == nil || !strings.Contains(err.Error(), "FileDescriptorName=doors") {
		t.Errorf("got  %v\nwant what to write", err)
	}
	l.Close()
}

func TestCloseEndsAcceptAndWaitingConnections(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", l.Addr().String()) // nobody accepts it
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var ended sync.WaitGroup
	for range 3 {
		ended.Go(func() {
			for {
				conn, err := l.Accept()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				conn.Close()
			}
		})
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	ended.Wait()
	client.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := client.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("got  a client that waits\nwant its connection closed")
	}
}

func TestAllSocketsOfADoorAreOpenedOrNone(t *testing.T) {
	taken := socket(t)
	_, err := Listen(t.Context(), taken.Addr().String(), Options{})
	var bind *BindError
	if !errors.As(err, &bind) || bind.At != place(taken.Addr()) || !errors.Is(err, inUse) || !strings.Contains(err.Error(), "--transparent 127.0.7.90") {
		t.Errorf("got  %v\nwant a BindError that proposes another address", err)
	}
	_, err = Listen(t.Context(), "192.0.2.1:8443", Options{})
	if !errors.As(err, &bind) || !errors.Is(err, notHere) {
		t.Errorf("got  %v\nwant a BindError: that address is not here", err)
	}
	for _, at := range []string{"127.0.0.1:443", "[::1]:80"} {
		refused := &BindError{At: netip.MustParseAddrPort(at), Err: &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", forbidden)}}
		text := refused.Error()
		if !strings.Contains(text, "`") || strings.Count(text, at) > 2 || !errors.Is(refused, forbidden) {
			t.Errorf("got  %s\nwant one command that helps", text)
		}
		t.Log(text)
	}
}

func socket(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := listen(context.WithoutCancel(t.Context()), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"127.0.7.90", "[::1]:443", "@doors", "::ffff:1.2.3.4%eth0", "[fe80::1%25x]", "]", ":"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		all, err := parse(addr)
		if err == nil && (len(all) == 0 || !all[0].IsValid() || all[0].Addr().Is4In6()) {
			t.Errorf("%q\ngot  %v\nwant places, IPv4 as such", addr, all)
		}
	})
}
