package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/mark"
	"hither/forward/race"
	"hither/forward/wiretest"
)

// dialed tells where d connects to for addr, in order and comma-separated, or "self" or "private" if it refuses.
func dialed(ctx context.Context, t *testing.T, d *Dialer, addr string) string {
	t.Helper()
	var tried []string
	d.Connect = func(_ context.Context, _, addr string) (net.Conn, error) {
		tried = append(tried, addr)
		return nil, errors.New("refused")
	}
	_, err := d.DialContext(ctx, "tcp", addr)
	switch {
	case errors.Is(err, ErrSelf):
		return "self"
	case errors.Is(err, ErrPrivate):
		return "private"
	case len(tried) == 0:
		return err.Error()
	}
	return strings.Join(tried, ", ")
}

// Trap 13: our own DNS answers 127.0.7.90 to ourselves. SSRF: what strangers choose never leads into the private network.
func TestWhereADialMayGo(t *testing.T) {
	world := wiretest.Names{
		"public.example":  "192.0.2.1",
		"both.example":    "192.0.2.1 192.0.2.2 2001:db8::1",
		"us.example":      "127.0.7.90",
		"lan-us.example":  "192.168.1.5",
		"rebind.example":  "127.0.0.1",
		"rebind6.example": "::1",
		"mapped.example":  "::ffff:127.0.0.1",
		"nat64.example":   "64:ff9b::7f00:1",
		"zero.example":    "0.0.0.0",
		"link.example":    "169.254.169.254",
		"link6.example":   "fe80::1",
		"mixed.example":   "127.0.0.1 192.0.2.1",
		"lan.example":     "10.0.0.7",
		"half.example":    "10.0.0.7 192.0.2.1",
	}
	self := func(a netip.AddrPort) bool {
		return a.String() == "127.0.7.90:443" || a.String() == "192.168.1.5:443" || a.String() == "127.0.0.1:7890" || a.String() == "[::1]:7890"
	}
	tests := []struct{ addr, chosen, public string }{
		{"public.example:443", "192.0.2.1:443", "192.0.2.1:443"},
		{"both.example:443", "[2001:db8::1]:443, 192.0.2.1:443, 192.0.2.2:443", "[2001:db8::1]:443, 192.0.2.1:443, 192.0.2.2:443"},
		{"192.0.2.9:80", "192.0.2.9:80", "192.0.2.9:80"},
		// ourselves
		{"us.example:443", "self", "self"},
		{"lan-us.example:443", "self", "self"},
		{"127.0.7.90:443", "self", "self"},
		{"[::ffff:127.0.7.90]:443", "self", "self"},
		{"localhost:7890", "self", "self"},
		{"0.0.0.0:7890", "self", "self"},
		{"[::]:7890", "self", "self"},
		// names that lead to this machine
		{"rebind.example:443", "private", "private"},
		{"rebind6.example:443", "private", "private"},
		{"mapped.example:443", "private", "private"},
		{"nat64.example:443", "private", "private"},
		{"zero.example:443", "private", "private"},
		{"link.example:80", "private", "private"},
		{"link6.example:80", "private", "private"},
		{"mixed.example:443", "192.0.2.1:443", "192.0.2.1:443"},
		// the private network: the user's choice, not a stranger's
		{"lan.example:443", "10.0.0.7:443", "private"},
		{"half.example:443", "10.0.0.7:443, 192.0.2.1:443", "192.0.2.1:443"},
		{"localhost:5000", "[::1]:5000, 127.0.0.1:5000", "private"},
		{"reg.localhost:5000", "[::1]:5000, 127.0.0.1:5000", "private"},
		{"LOCALHOST.:5000", "[::1]:5000, 127.0.0.1:5000", "private"},
		{"127.0.0.1:5000", "127.0.0.1:5000", "private"},
		{"127.9.9.9:80", "127.9.9.9:80", "private"},
		{"[::1]:80", "[::1]:80", "private"},
		{"10.1.2.3:80", "10.1.2.3:80", "private"},
		{"172.31.0.1:80", "172.31.0.1:80", "private"},
		{"172.32.0.1:80", "172.32.0.1:80", "172.32.0.1:80"},
		{"192.168.0.1:80", "192.168.0.1:80", "private"},
		{"169.254.169.254:80", "169.254.169.254:80", "private"},
		{"100.64.0.1:80", "100.64.0.1:80", "private"},
		{"100.127.255.255:80", "100.127.255.255:80", "private"},
		{"100.128.0.1:80", "100.128.0.1:80", "100.128.0.1:80"},
		{"0.1.2.3:80", "0.1.2.3:80", "private"},
		{"255.255.255.255:80", "255.255.255.255:80", "private"},
		{"224.0.0.1:80", "224.0.0.1:80", "private"},
		{"[fd00::1]:80", "[fd00::1]:80", "private"},
		{"[fe80::1%eth0]:80", "[fe80::1%eth0]:80", "private"},
		{"[fec0::1]:80", "[fec0::1]:80", "private"},
		{"[::ffff:10.0.0.1]:80", "10.0.0.1:80", "private"},
		{"[64:ff9b::a00:1]:80", "[64:ff9b::a00:1]:80", "private"},
		{"[64:ff9b:1::1]:80", "[64:ff9b:1::1]:80", "private"},
		{"[2002:a00:1::1]:80", "[2002:a00:1::1]:80", "private"},
		{"[::10.0.0.1]:80", "[::a00:1]:80", "private"},
		{"198.18.0.9:80", "198.18.0.9:80", "198.18.0.9:80"}, // Clash's addresses for public names
		{"[2001:db8::9]:80", "[2001:db8::9]:80", "[2001:db8::9]:80"},
		// nonsense
		{"public.example", "address public.example: missing port in address", "address public.example: missing port in address"},
		{":443", `":443" is not HOST:PORT`, `":443" is not HOST:PORT`},
		{"public.example:https", `"public.example:https" is not HOST:PORT`, `"public.example:https" is not HOST:PORT`},
	}
	for _, test := range tests {
		t.Run(test.addr, func(t *testing.T) {
			d := &Dialer{Resolver: world, Self: self}
			want(t, dialed(t.Context(), t, d, test.addr), test.chosen)
			want(t, dialed(mark.Public(t.Context()), t, d, test.addr), test.public)
		})
	}
}

// A host is a line of what an upstream proxy is told.
func TestHostThatWouldBreakALineIsNotDialled(t *testing.T) {
	for _, addr := range []string{"evil.example\r\nX-Injected: yes:443", "evil.example:25 HTTP/1.1:443", "a b.example:443", "a\x00.example:443"} {
		asked := 0
		d := &Dialer{Proxy: &url.URL{Scheme: "http", Host: "127.0.0.1:3128"}, Connect: func(context.Context, string, string) (net.Conn, error) {
			asked++
			return nil, errors.New("refused")
		}}
		if _, err := d.DialContext(t.Context(), "tcp", addr); err == nil || asked != 0 {
			t.Errorf("%q\ngot  %v, the proxy asked %d times\nwant an error, and nobody asked", addr, err, asked)
		}
	}
}

// A host that refuses is there, so that the network is; what is found says nothing about which address is best.
func TestReach(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	_, refused := net.Dial("tcp", nobody.Addr().String()) // in the words of this system
	away := errors.New("network is unreachable")
	for name, test := range map[string]struct{ err, want error }{
		"answers": {}, "refuses": {refused, nil}, "is away": {away, away},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Dialer{Resolver: wiretest.Names{"reg.example": "192.0.2.1"}}
			at := ""
			d.Connect = func(_ context.Context, _, addr string) (net.Conn, error) {
				at = addr
				if test.err != nil {
					return nil, test.err
				}
				return wiretest.PipeTo(t), nil
			}
			if err := d.Reach(t.Context(), "https://reg.example/go"); !errors.Is(err, test.want) {
				t.Errorf("\n got %v\nwant %v", err, test.want)
			}
			want(t, at, "192.0.2.1:443")
			if !reflect.DeepEqual(&d.memory, new(race.Memory)) {
				t.Error("what a probe found was remembered")
			}
		})
	}
}

func TestZeroDialerAsksNoSystemResolver(t *testing.T) {
	want(t, dialed(t.Context(), t, &Dialer{}, "registry.npmjs.org:443"), "connect to registry.npmjs.org:443: there is no resolver for names")
}

func TestHappyEyeballs(t *testing.T) {
	type line struct {
		after time.Duration
		ok    bool
	}
	const hour = time.Hour
	tests := map[string]struct {
		addrs string
		lines map[string]line
		won   string
		took  time.Duration
	}{
		"IPv6 first":                             {"192.0.2.1 2001:db8::1", map[string]line{"[2001:db8::1]:443": {10 * time.Millisecond, true}, "192.0.2.1:443": {0, true}}, "[2001:db8::1]:443", 10 * time.Millisecond},
		"a silent IPv6 costs one stagger":        {"192.0.2.1 2001:db8::1 2001:db8::2", map[string]line{"[2001:db8::1]:443": {hour, true}, "[2001:db8::2]:443": {hour, true}, "192.0.2.1:443": {0, true}}, "192.0.2.1:443", 250 * time.Millisecond},
		"a refused one costs nothing":            {"192.0.2.1 2001:db8::1", map[string]line{"[2001:db8::1]:443": {0, false}, "192.0.2.1:443": {0, true}}, "192.0.2.1:443", 0},
		"the late first still wins over a later": {"192.0.2.1 2001:db8::1", map[string]line{"[2001:db8::1]:443": {300 * time.Millisecond, true}, "192.0.2.1:443": {hour, true}}, "[2001:db8::1]:443", 300 * time.Millisecond},
		"nobody answers":                         {"192.0.2.1 2001:db8::1", map[string]line{"[2001:db8::1]:443": {hour, true}, "192.0.2.1:443": {hour, true}}, "", 2 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				won := map[net.Conn]string{}
				d := &Dialer{Resolver: wiretest.Names{"reg.example": test.addrs}, Timeout: 2 * time.Second}
				d.Connect = func(ctx context.Context, _, addr string) (net.Conn, error) {
					select {
					case <-time.After(test.lines[addr].after):
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					if !test.lines[addr].ok {
						return nil, errors.New("refused")
					}
					conn := wiretest.PipeTo(t)
					won[conn] = addr
					return conn, nil
				}
				begin := time.Now()
				conn, _ := d.DialContext(t.Context(), "tcp", "reg.example:443")
				if won[conn] != test.won || time.Since(begin) != test.took {
					t.Errorf("got  %q after %v\nwant %q after %v", won[conn], time.Since(begin), test.won, test.took)
				}
			})
		})
	}
}

type closing struct {
	net.Conn
	closed *bool
}

func (c closing) Close() error {
	*c.closed = true
	if c.Conn == nil {
		return nil
	}
	return c.Conn.Close()
}

func TestConnectionThatComesTooLateIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := false
		d := &Dialer{Resolver: wiretest.Names{"reg.example": "2001:db8::1 192.0.2.1"}}
		d.Connect = func(ctx context.Context, _, addr string) (net.Conn, error) {
			if addr == "192.0.2.1:443" {
				return closing{}, nil
			}
			<-ctx.Done() // the connection stands at the very moment that the other won
			return closing{closed: &closed}, nil
		}
		if _, err := d.DialContext(t.Context(), "tcp", "reg.example:443"); err != nil || !closed {
			t.Errorf("got  %v, closed %t\nwant the second, and the first closed", err, closed)
		}
	})
}

func TestFamilyIsObeyed(t *testing.T) {
	for network, want := range map[string]string{"tcp4": "192.0.2.1:443", "tcp6": "[2001:db8::1]:443"} {
		got := ""
		d := &Dialer{Resolver: wiretest.Names{"reg.example": "192.0.2.1 2001:db8::1"}}
		d.Connect = func(_ context.Context, _, addr string) (net.Conn, error) { got += addr; return nil, errors.New("x") }
		d.DialContext(t.Context(), network, "reg.example:443")
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", network, got, want)
		}
	}
}

// Where no more files may be open, connections that are kept for later are let go of, and it is tried once more.
func TestWithoutAFileLeftOthersLetGoFirst(t *testing.T) {
	for _, want := range []struct {
		frees bool
		err   error
		tried int
	}{{true, nil, 2}, {false, syscall.EMFILE, 2}} {
		open, tried := false, 0
		d := &Dialer{Short: func() { open = want.frees }}
		d.Connect = func(context.Context, string, string) (net.Conn, error) {
			if tried++; !open {
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
			}
			near, far := net.Pipe()
			far.Close()
			return near, nil
		}
		conn, err := d.DialContext(t.Context(), "tcp", "192.0.2.1:443")
		if conn != nil {
			conn.Close()
		}
		if !errors.Is(err, want.err) || tried != want.tried {
			t.Errorf("where they do (%v)\n got %v after %d\nwant %v after %d", want.frees, err, tried, want.err, want.tried)
		}
	}
}

// full is a resolver that has no file left to ask with until somebody lets go of one.
type full struct {
	wiretest.Names
	freed bool
}

func (f *full) LookupNetIP(ctx context.Context, host string) ([]netip.Addr, error) {
	if !f.freed {
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}
	return f.Names.LookupNetIP(ctx, host)
}

func TestWithoutAFileLeftOthersLetGoForALookUp(t *testing.T) {
	names := &full{Names: wiretest.Names{"reg.example": "192.0.2.1"}}
	want(t, dialed(t.Context(), t, &Dialer{Resolver: names, Short: func() { names.freed = true }}, "reg.example:443"), "192.0.2.1:443")
}
