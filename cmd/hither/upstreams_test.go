package main

import (
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/settings"
	"hither/install"
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
		must(t, err)
		same(t, row.dns+" "+row.transparent, "["+strings.Join(s.DNS, " ")+"] ["+strings.Join(s.Transparent, " ")+"]", row.want)
	}
}

// changedResolvConf is a machine whose resolv.conf was changed by a Hither with this state directory.
func changedResolvConf(t *testing.T, state, former string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	write(t, path, []byte(former))
	m := &install.Machine{UID: -1, GID: -1, Journal: install.OpenJournal(filepath.Join(state, journalName))}
	must(t, install.Apply(t.Context(), install.Edit{
		On: m, Name: "change " + path, Path: path, Volatile: true,
		Change: func([]byte, bool) ([]byte, error) { return []byte("nameserver 127.0.7.90\n"), nil },
	}))
}

func TestTheServersOfBeforeAreKnown(t *testing.T) {
	state := t.TempDir()
	same(t, "without a journal", len(formerServers(state)), 0)
	changedResolvConf(t, state, "# a comment\nsearch corp.example\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver\nnameserver nobody\noptions rotate\n")
	var got []string
	for _, s := range (&formers{state: state}).now() {
		got = append(got, s.String())
	}
	same(t, "servers", strings.Join(got, " "), "192.0.2.53:53 [fe80::1%eth0]:53")
	f, err := os.OpenFile(filepath.Join(state, journalName), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(`{"v":1,"su`) // a crash while it was written
	must(t, err)
	must(t, f.Close())
	same(t, "of a journal that was cut", len(formerServers(state)), 2)
}

// Upstreams that are named are asked, and Hither's own server never is.
func TestNamedUpstreamsAreAsked(t *testing.T) {
	up := upstreamDNS(t)
	names, err := newUpstreams(settings.Settings{State: t.TempDir(), DNSUpstream: []string{up}, DNSStrict: true}, nil, nil, slog.New(slog.DiscardHandler))
	must(t, err)
	defer names.close()
	reply, err := names.Exchange(t.Context(), new(dns.Msg).SetQuestion("www.example.", dns.TypeA))
	must(t, err)
	contains(t, reply.String(), "192.0.2.1")
	addrs, err := names.resolver.LookupNetIP(t.Context(), "www.example")
	must(t, err)
	same(t, "addresses", len(addrs) > 0, true)
	names.forget()
	names.probe(t.Context())
	_, err = newUpstreams(settings.Settings{DNSUpstream: []string{"ftp://x"}, From: map[string]string{"dns-upstream": "my.toml:3"}}, nil, nil, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no error")
	}
	contains(t, err.Error(), "my.toml:3: dns-upstream: ")
}

// Who leads a registry to us by the hosts file does not lead ourselves there.
func TestAHostsLineThatLeadsToUsIsForOthers(t *testing.T) {
	settings := settings.Settings{State: t.TempDir(), DNSUpstream: []string{upstreamDNS(t)}, DNSStrict: true}
	names, err := newUpstreams(settings, self{netip.MustParseAddrPort("127.0.7.90:443")}, nil, slog.New(slog.DiscardHandler))
	must(t, err)
	defer names.close()
	names.resolver.Hosts.Path = filepath.Join(t.TempDir(), "hosts")
	must(t, os.WriteFile(names.resolver.Hosts.Path, []byte("127.0.7.90 www.example\n127.0.0.1 db.example\n"), 0o600))
	for host, want := range map[string]string{"www.example": "192.0.2.1", "db.example": "127.0.0.1"} {
		addrs, err := names.resolver.LookupNetIP(t.Context(), host)
		must(t, err)
		same(t, host, addrs[0].String(), want)
	}
}
