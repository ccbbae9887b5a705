package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/settings"
	"hither/forward/dial"
	"hither/forward/fetch"
	"hither/resolver/exchange/lookup"
)

type answers map[string]error

func (a answers) LookupNetIP(_ context.Context, host string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, a[host]
}

func TestWhatCannotBeReachedByWaiting(t *testing.T) {
	n := &Network{Dialer: &dial.Dialer{Resolver: answers{"none.example": fmt.Errorf("none: %w", lookup.ErrNotFound), "away.example": errors.New("no name server answers")}}}
	for _, c := range []struct {
		base   string
		inVain bool
	}{
		{"https://none.example", true},
		{"https://here.example", true}, // a name that leads to this machine
		{"https://away.example", false},
	} {
		err := n.Reach(t.Context(), c.base)
		hithertest.Same(t, c.base+" cannot be reached", err != nil, true)
		hithertest.Same(t, c.base+", in vain", errors.Is(err, fetch.ErrInVain), c.inVain)
	}
}

func TestSelfByEveryName(t *testing.T) {
	v4 := Self{netip.MustParseAddrPort("127.0.0.1:7890")}
	v6 := Self{netip.MustParseAddrPort("[::1]:7890")}
	wide := Self{netip.MustParseAddrPort("0.0.0.0:7890")}
	second := Self{netip.MustParseAddrPort("127.0.0.5:7890")}
	for _, row := range []struct {
		place string
		self  Self
		want  bool
	}{
		{"127.0.0.1:7890", v4, true},
		{"127.0.0.1:7891", v4, false},
		{"127.0.0.2:7890", v4, false},
		{"localhost:7890", v4, true},
		{"LocalHost:7890", v4, true},
		{"localhost.:7890", v4, true},
		{"hither.localhost:7890", v4, true},
		{"notlocalhost:7890", v4, false},
		{"localhost.example:7890", v4, false},
		{"[::ffff:127.0.0.1]:7890", v4, true},
		{"[::ffff:7f00:1]:7890", v4, true},
		{"0.0.0.0:7890", v4, true},
		{"[::]:7890", v4, true},
		{"[::1]:7890", v4, false},
		{"[::1]:7890", v6, true},
		{"[0:0:0:0:0:0:0:1]:7890", v6, true},
		{"[::1%lo]:7890", v6, true},
		{"localhost:7890", v6, true},
		{"127.0.0.1:7890", v6, false},
		{"127.0.0.9:7890", wide, true},
		{"[::1]:7890", wide, true},
		{"192.0.2.1:7890", wide, false},
		{"localhost:7890", second, false},
		{"127.0.0.5:7890", second, true},
		{"127.0.0.1", v4, false},
		{"127.0.0.1:http", v4, false},
		{"127.0.0.1:73426", v4, false}, // 7890 + 65536
		{":7890", v4, false},
		{"", v4, false},
	} {
		hithertest.Same(t, row.place+" when we are "+row.self[0].String(), row.self.Host(row.place), row.want)
	}
}

func TestSelfIsWhatWasBound(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	own := NewSelf([]net.Listener{l})
	hithertest.Same(t, "addresses", own.Addresses()[0], l.Addr().String())
	hithertest.Same(t, "host", own.Host(l.Addr().String()), true)
}

func TestDNSSettingsAreChecked(t *testing.T) {
	for _, c := range []struct{ dns, upstream, strict, want string }{
		{"", "", "", ""}, {"off", "", "", ""}, {"127.0.0.1", "", "", ""}, {"127.0.0.1:5353,[::1]:53", "192.0.2.1,tls://dns.example", "true", ""},
		{"off,127.0.0.1", "", "", "dns: off stands beside addresses"},
		{"localhost:53", "", "", "dns: \"localhost:53\" is no address"},
		{"", "dns.example", "", "dns-upstream: "}, {"", "ftp://dns.example", "", "dns-upstream: "},
		{"", "", "true", "dns-strict: it means nothing without dns-upstream"},
	} {
		flags := map[string][]string{"dns": {c.dns}, "dns-upstream": {c.upstream}}
		if c.strict != "" {
			flags["dns-strict"] = []string{c.strict}
		}
		_, err := settings.Load(settings.Sources{Flags: flags, Env: environ.List{"HOME=/home/x"}, Dir: "/", ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }})
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v\ngot  %v\nwant %q", c, err, c.want)
		}
	}
}

func TestHitherIsNotItsOwnUpstream(t *testing.T) {
	own := Self{netip.MustParseAddrPort("127.0.0.1:80")}
	for text, used := range map[string]bool{
		"http://localhost": false, "http://127.0.0.1:80": false, "http://LOCALHOST.:80": false,
		"http://127.0.0.1:81": true, "socks5://127.0.0.1": true, "http://proxy.example": true, "": false,
	} {
		var said hithertest.Journal
		s := settings.Settings{UpstreamProxy: text, From: map[string]string{"upstream-proxy": "HTTPS_PROXY"}}
		proxy, err := upstreamProxy(s, own, slog.New(slog.NewTextHandler(&said, nil)))
		hithertest.Same(t, text, err, nil)
		hithertest.Same(t, text+" is used", proxy != nil, used)
		if text != "" && !used {
			hithertest.Contains(t, said.String(), "is Hither itself", "HTTPS_PROXY")
		}
	}
	s := settings.Settings{UpstreamProxy: "gopher://x", From: map[string]string{"upstream-proxy": "my.toml:3"}}
	if _, err := upstreamProxy(s, own, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error")
	} else {
		hithertest.Contains(t, err.Error(), "my.toml:3: upstream-proxy: ")
	}
}

func TestProxiesHaveThePortOfTheirScheme(t *testing.T) {
	for text, want := range map[string]string{
		"http://a": "a:80", "https://a": "a:443", "socks5://a": "a:1080", "socks5h://a": "a:1080", "http://[::1]": "[::1]:80", "http://a:1": "a:1",
	} {
		u, err := url.Parse(text)
		hithertest.Same(t, text, err, nil)
		hithertest.Same(t, text, dial.HostPort(u), want)
	}
}
