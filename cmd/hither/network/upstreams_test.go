package network

import (
	"context"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/settings"
	"hither/install"
	"hither/resolver/exchange/exchangetest"
)

func TestWhatDNSSettingsBecome(t *testing.T) {
	for _, row := range []struct{ dns, transparent, want string }{
		{"", "", "[] []"},
		{"off", "OFF", "[] []"},
		{"127.0.0.1", "127.0.7.90", "[127.0.0.1:53] [127.0.7.90]"},
		{"::1", "::1", "[[::1]:53] [::1]"},
		{"[::1]", "[::1]:443", "[[::1]:53] [[::1]:443]"},
		{"127.0.0.1:5353,[::1]:53", "", "[127.0.0.1:5353 [::1]:53] []"},
	} {
		s, err := settings.Load(settings.Sources{
			Flags: map[string][]string{"dns": {row.dns}, "transparent": {row.transparent}},
			Env:   environ.List{"HOME=/home/x"}, Dir: "/", ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist },
		})
		hithertest.Must(t, err)
		hithertest.Same(t, row.dns+" "+row.transparent, "["+strings.Join(s.DNS, " ")+"] ["+strings.Join(s.Transparent, " ")+"]", row.want)
	}
}

// changedResolvConf is a machine whose resolv.conf was changed by a Hither with this state directory.
func changedResolvConf(t *testing.T, state, former string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	hithertest.Write(t, path, []byte(former))
	m := &install.Machine{UID: -1, GID: -1, Journal: install.OpenJournal(filepath.Join(state, paths.JournalName))}
	hithertest.Must(t, install.Apply(t.Context(), install.Edit{
		On: m, Name: "change " + path, Path: path, Volatile: true,
		Change: func([]byte, bool) ([]byte, error) { return []byte("nameserver 127.0.7.90\n"), nil },
	}))
}

func TestTheServersOfBeforeAreKnown(t *testing.T) {
	state := t.TempDir()
	hithertest.Same(t, "without a journal", len(formerServers(state)), 0)
	changedResolvConf(t, state, "# a comment\nsearch corp.example\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver\nnameserver nobody\noptions rotate\n")
	var got []string
	for _, s := range (&formers{state: state}).now() {
		got = append(got, s.String())
	}
	hithertest.Same(t, "servers", strings.Join(got, " "), "192.0.2.53:53 [fe80::1%eth0]:53")
	f, err := os.OpenFile(filepath.Join(state, paths.JournalName), os.O_APPEND|os.O_WRONLY, 0)
	hithertest.Must(t, err)
	_, err = f.WriteString(`{"v":1,"su`) // a crash while it was written
	hithertest.Must(t, err)
	hithertest.Must(t, f.Close())
	hithertest.Same(t, "of a journal that was cut", len(formerServers(state)), 2)
}

// Upstreams that are named are asked, and Hither's own server never is.
func TestNamedUpstreamsAreAsked(t *testing.T) {
	up := hithertest.NameServer(t, 0)
	names, err := newUpstreams(settings.Settings{State: t.TempDir(), DNSUpstream: []string{up}, DNSStrict: true}, nil, nil, slog.New(slog.DiscardHandler))
	hithertest.Must(t, err)
	defer names.close()
	reply, err := names.Exchange(t.Context(), new(dns.Msg).SetQuestion("www.example.", dns.TypeA))
	hithertest.Must(t, err)
	hithertest.Contains(t, reply.String(), "192.0.2.1")
	addrs, err := names.Resolver.LookupNetIP(t.Context(), "www.example")
	hithertest.Must(t, err)
	hithertest.Same(t, "addresses", len(addrs) > 0, true)
	names.forget()
	names.Probe(t.Context())
	_, err = newUpstreams(settings.Settings{DNSUpstream: []string{"ftp://x"}, From: map[string]string{"dns-upstream": "my.toml:3"}}, nil, nil, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no error")
	}
	hithertest.Contains(t, err.Error(), "my.toml:3: dns-upstream: ")
}

// A name server of the setting may be elsewhere on another network, like any host.
func TestNamedUpstreamsAreLookedUpAnewOnAnotherNetwork(t *testing.T) {
	names, err := newUpstreams(settings.Settings{State: t.TempDir(), DNSUpstream: []string{"tls://dns.example:1"}, DNSStrict: true}, nil, nil, slog.New(slog.DiscardHandler))
	hithertest.Must(t, err)
	defer names.close()
	var asked atomic.Int32
	names.servers.Exchange = exchangetest.Oracle(func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
		if q.Question[0].Qtype == dns.TypeAAAA {
			return exchangetest.Reply(t, q), nil
		}
		asked.Add(1)
		return exchangetest.Reply(t, q, "dns.example. 300 IN A 127.0.0.1"), nil
	})
	for i, want := range []int32{1, 1, 2} {
		if i == 2 {
			names.forget()
		}
		if _, err := names.Exchange(t.Context(), new(dns.Msg).SetQuestion("www.example.", dns.TypeA)); err == nil {
			t.Error("no error where nobody listens")
		}
		hithertest.Same(t, "look-ups", asked.Load(), want)
	}
}

// Who leads a registry to us by the hosts file does not lead ourselves there.
func TestAHostsLineThatLeadsToUsIsForOthers(t *testing.T) {
	settings := settings.Settings{State: t.TempDir(), DNSUpstream: []string{hithertest.NameServer(t, 0)}, DNSStrict: true}
	names, err := newUpstreams(settings, Self{netip.MustParseAddrPort("127.0.7.90:443")}, nil, slog.New(slog.DiscardHandler))
	hithertest.Must(t, err)
	defer names.close()
	names.Resolver.Hosts.Path = filepath.Join(t.TempDir(), "hosts")
	hithertest.Must(t, os.WriteFile(names.Resolver.Hosts.Path, []byte("127.0.7.90 www.example\n127.0.0.1 db.example\n"), 0o600))
	for host, want := range map[string]string{"www.example": "192.0.2.1", "db.example": "127.0.0.1"} {
		addrs, err := names.Resolver.LookupNetIP(t.Context(), host)
		hithertest.Must(t, err)
		hithertest.Same(t, host, addrs[0].String(), want)
	}
}
