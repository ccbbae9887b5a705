package nameserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/exchangetest"
	"hither/resolver/exchange/group"
	"hither/resolver/link"
)

// named is a name server on loopback that answers every question with its name.
func named(t *testing.T, name string) netip.AddrPort {
	t.Helper()
	l := &liar{udp: func(q *dns.Msg) [][]byte {
		return [][]byte{exchangetest.Wire(t, exchangetest.Reply(t, q, q.Question[0].Name+" 1 IN TXT "+name))}
	}}
	return l.start(t)
}

// whoFor says who answers for name.
func whoFor(t *testing.T, e exchange.Exchanger, name string) string {
	t.Helper()
	reply, err := e.Exchange(t.Context(), new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT))
	if err != nil {
		return err.Error()
	}
	if len(reply.Answer) == 0 {
		return dns.RcodeToString[reply.Rcode]
	}
	return reply.Answer[0].(*dns.TXT).Txt[0]
}

// What only a network has is asked in it, unless the user has chosen whom to ask. A server far away is told nothing.
func TestNamesThatOnlyANetworkHas(t *testing.T) {
	near, world := named(t, "near"), named(t, "world")
	far := netip.MustParseAddrPort("192.0.2.53:53")
	for _, row := range []struct {
		home       bool
		server     netip.AddrPort
		name, want string
	}{
		{true, near, "host.docker.internal", "near"},
		{true, near, "Nas.Home.Arpa", "near"},
		{true, near, "www.example", "world"},
		{true, near, "notinternal", "world"},
		{true, far, "host.docker.internal", "world"},
		{false, near, "host.docker.internal", "world"},
	} {
		s := &Split{Else: NewPlain(world), Home: row.home, Links: func(context.Context) ([]link.Link, error) {
			return []link.Link{{Name: "resolv.conf", Servers: []netip.AddrPort{row.server}, Default: true}}, nil
		}}
		if got := whoFor(t, s, row.name); got != row.want {
			t.Errorf("%s, home %v, %s\ngot  %s\nwant %s", row.name, row.home, row.server, got, row.want)
		}
		if got := s.Local(row.name); got != (row.want == "near") {
			t.Errorf("%s, home %v, %s: local %v", row.name, row.home, row.server, got)
		}
		s.Close()
	}
}

// A resolv.conf without servers means the one of this machine, but not while a network has left and the next is not there.
func TestServerThatNobodyWroteDown(t *testing.T) {
	file := ""
	s := &Split{Links: func(context.Context) ([]link.Link, error) {
		l, err := link.ParseResolvConf(strings.NewReader(file))
		return []link.Link{l}, err
	}}
	defer s.Close()
	for _, row := range []struct{ file, want string }{
		{"# no network yet\n", "127.0.0.1:53"},
		{"nameserver 192.0.2.53\n", "192.0.2.53:53"},
		{"# between two networks\n", "192.0.2.53:53"},
	} {
		file, s.read, s.reading = row.file, s.read.Add(-settingsAge), make(chan struct{})
		s.look(t.Context())
		if got := text(link.Defaults(s.links)); got != row.want {
			t.Errorf("after %q\ngot  %s\nwant %s", row.file, got, row.want)
		}
	}
}

// Whom the user has named is asked what it would be. Where it is all there is, and is not there, what to do is said.
func TestServerThatNobodyWroteDownTakesNoNamesFromTheUsersOwn(t *testing.T) {
	nowhere := func(context.Context) ([]link.Link, error) {
		l := link.Link{Name: "resolv.conf", Default: true, Implied: true, Domains: []string{"corp"}, Servers: []netip.AddrPort{closedPort(t)}}
		return []link.Link{l}, nil
	}
	s := &Split{Else: NewPlain(named(t, "chosen")), Links: nowhere}
	defer s.Close()
	if got := whoFor(t, s, "git.corp"); got != "chosen" {
		t.Errorf("git.corp\ngot  %s\nwant chosen", got)
	}
	q := new(dns.Msg).SetQuestion("1.0.0.10.in-addr.arpa.", dns.TypePTR)
	if reply, err := s.Exchange(t.Context(), q); err != nil || reply.Rcode != dns.RcodeNameError {
		t.Errorf("a private address\ngot  %v, %v\nwant NXDOMAIN", reply, err)
	}
	alone := &Split{Links: nowhere}
	defer alone.Close()
	if _, err := alone.Exchange(t.Context(), ask()); err == nil || !strings.Contains(err.Error(), "dns-upstream") {
		t.Errorf("got  %v\nwant what to do", err)
	}
}

// closedPort is where nobody listens.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestSplit(t *testing.T) {
	home, vpn, lab, world := named(t, "home"), named(t, "vpn"), named(t, "lab"), named(t, "world")
	us := named(t, "us")
	links := []link.Link{
		{Name: "eth0", Servers: []netip.AddrPort{us, home}, Domains: []string{"lan"}, Default: true},
		{Name: "tun1", Servers: []netip.AddrPort{lab}, Domains: []string{"lab.corp.example"}},
		{Name: "tun0", Servers: []netip.AddrPort{vpn}, Domains: []string{"~corp.example", "10.in-addr.arpa"}},
		{Name: "hither0", Servers: []netip.AddrPort{us}, Domains: []string{"registry.example"}},
	}
	var failure error
	s := &Split{Else: NewPlain(world), Self: func(a netip.AddrPort) bool { return a == us },
		Links: func(context.Context) ([]link.Link, error) { return links, failure }}
	defer s.Close()
	for name, want := range map[string]string{
		"www.example":              "world",
		"nas.LAN":                  "home",
		"lan":                      "home",
		"plan":                     "world",
		"wiki.corp.example":        "vpn",
		"corp.example":             "vpn",
		"x.lab.corp.example":       "lab",
		"notcorp.example":          "world",
		"registry.example":         "world",
		"1.1.168.192.in-addr.arpa": "home",
		"1.0.0.10.in-addr.arpa":    "vpn",
		"8.8.8.8.in-addr.arpa":     "world",
	} {
		if got := whoFor(t, s, name); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", name, got, want)
		}
		if got := s.Local(name); got != (want != "world") {
			t.Errorf("%s: local %v", name, got)
		}
	}
	failure, links = errors.New("the bus is away"), nil // the last settings stay
	s.read = s.read.Add(-settingsAge)
	if got := whoFor(t, s, "wiki.corp.example"); got != "vpn" {
		t.Errorf("got  %s\nwant vpn", got)
	}
	s.running.Wait()
	links = []link.Link{{Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}, Default: true}} // the VPN went down
	s.Forget()
	if got := whoFor(t, s, "wiki.corp.example"); got != "world" {
		t.Errorf("got  %s\nwant world", got)
	}
	reply, err := s.Exchange(t.Context(), new(dns.Msg).SetQuestion("1.1.168.192.in-addr.arpa.", dns.TypePTR))
	if err != nil || reply.Rcode != dns.RcodeNameError || len(reply.Ns) != 1 || reply.Ns[0].Header().Name != "168.192.in-addr.arpa." {
		t.Errorf("got  %v, %v\nwant NXDOMAIN of our own: no server here is near", reply, err)
	}
	for name, want := range map[string]int{"10.IN-ADDR.arpa.": dns.RcodeSuccess, "16.172.in-addr.arpa.": dns.RcodeSuccess, "1.10.in-addr.arpa.": dns.RcodeNameError} {
		reply, err := s.Exchange(t.Context(), new(dns.Msg).SetQuestion(name, dns.TypeDS))
		if err != nil || reply.Rcode != want {
			t.Errorf("DS %s\ngot  %v, %v\nwant %s", name, reply, err, dns.RcodeToString[want])
		}
	}
}

func TestSplitWithoutUpstreamsAsksTheNetwork(t *testing.T) {
	home := named(t, "home")
	links := []link.Link{{Servers: []netip.AddrPort{home}, Default: true}}
	s := &Split{Links: func(context.Context) ([]link.Link, error) { return links, nil }}
	defer s.Close()
	if got := whoFor(t, s, "www.example"); got != "home" {
		t.Errorf("got  %s\nwant home", got)
	}
	alone := &Split{Links: func(context.Context) ([]link.Link, error) { return nil, errors.New("broken") }}
	defer alone.Close()
	if got := whoFor(t, alone, "www.example"); !strings.Contains(got, "broken") || !strings.Contains(got, "setting dns-upstream") {
		t.Errorf("got  %s\nwant the reason and the next step", got)
	}
}

func TestRosterFollowsItsList(t *testing.T) {
	a, b, us := named(t, "a"), named(t, "b"), named(t, "us")
	list := []netip.AddrPort{us, a}
	r := &Roster{List: func() []netip.AddrPort { return list }, Self: func(at netip.AddrPort) bool { return at == us }}
	defer r.Close()
	for _, want := range []string{"a", "b"} {
		if got := whoFor(t, r, "www.example"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		list = []netip.AddrPort{b}
	}
	list = nil
	if got := whoFor(t, r, "www.example"); !strings.Contains(got, "name one in the setting dns-upstream") {
		t.Errorf("got  %s\nwant the next step", got)
	}
}

func TestLoopsAreFoundThroughAllThatAreMadeOfOthers(t *testing.T) {
	var mu sync.Mutex
	var all []exchange.Exchanger
	back := &liar{udp: func(q *dns.Msg) [][]byte {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range all {
			e.(looper).Seen(q.Question[0].Name)
		}
		return [][]byte{exchangetest.Wire(t, exchangetest.Reply(t, q, q.Question[0].Name+" 1 IN TXT back"))}
	}}
	loop := []netip.AddrPort{back.start(t)}
	links := func(context.Context) ([]link.Link, error) { return []link.Link{{Servers: loop, Default: true}}, nil }
	split, roster, inner := &Split{Links: links}, &Roster{List: func() []netip.AddrPort { return loop }}, &group.Group{Upstreams: []exchange.Exchanger{NewPlain(loop[0])}}
	mu.Lock()
	all = []exchange.Exchanger{split, roster, inner, &Split{Links: links, Else: inner}, &group.Group{Upstreams: []exchange.Exchanger{exchangetest.Oracle(down)}, Fallback: NewPlain(loop[0])}}
	mu.Unlock()
	for i, e := range all {
		e.(looper).Probe(t.Context())
		if got := whoFor(t, e, "www.example"); strings.Contains(got, "back") && !strings.Contains(got, "back to us") {
			t.Errorf("%d\ngot  %s\nwant an error", i, got)
		}
		shut(e)
	}
}

func TestServersThatTheSystemAsksOverTLSAreAskedSo(t *testing.T) {
	a := newAuthority(t, "dns.corp.example")
	u := &upstream{kind: "tls", tls: serverTLS(a), answer: func(q *dns.Msg) *dns.Msg { return exchangetest.Reply(t, q, q.Question[0].Name+" 1 IN TXT vault") }}
	u.start(t)
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), u.port)
	secure := link.Link{Servers: []netip.AddrPort{at}, Default: true, TLS: map[netip.AddrPort]string{at: "dns.corp.example"}}
	s := &Split{RootCAs: a.roots, Links: func(context.Context) ([]link.Link, error) { return []link.Link{secure}, nil }}
	defer s.Close()
	if got := whoFor(t, s, "www.example"); got != "vault" {
		t.Errorf("got  %s\nwant vault", got)
	}
	secure.TLS = map[netip.AddrPort]string{at: "other.example"}
	s.Forget()
	if got := whoFor(t, s, "www.example"); !strings.Contains(got, "certificate") {
		t.Errorf("got  %s\nwant word of the certificate", got)
	}
}

// Whose settings were being read when the network changed is not asked in the new one.
func TestSettingsOfTheNetworkBeforeAreReadAgain(t *testing.T) {
	vpn, world := named(t, "vpn"), named(t, "world")
	begun, goOn := make(chan struct{}), make(chan struct{})
	reads := 0
	s := &Split{Else: NewPlain(world), Links: func(context.Context) ([]link.Link, error) {
		if reads++; reads > 1 {
			return []link.Link{{Servers: []netip.AddrPort{vpn}, Domains: []string{"corp.example"}}}, nil
		}
		close(begun)
		<-goOn
		return []link.Link{{Servers: []netip.AddrPort{world}, Default: true}}, nil
	}}
	defer s.Close()
	answers := make(chan string)
	for range 2 {
		go func() { answers <- whoFor(t, s, "wiki.corp.example") }()
		<-begun
	}
	s.Forget() // the VPN is up
	close(goOn)
	for range 2 {
		if got := <-answers; got != "vpn" {
			t.Errorf("got  %s\nwant vpn", got)
		}
	}
	if got := whoFor(t, s, "wiki.corp.example"); got != "vpn" {
		t.Errorf("got  %s\nwant vpn", got)
	}
}

// What began beside the Wait of Close ended the process.
func TestNothingBeginsBehindClose(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	reads := 0
	s := &Split{Links: func(context.Context) ([]link.Link, error) {
		reads++
		return []link.Link{{Servers: []netip.AddrPort{a}, Default: true}}, nil
	}}
	servers := []netip.AddrPort{a}
	r := &Roster{List: func() []netip.AddrPort { return servers }}
	for _, e := range []exchange.Exchanger{s, r} {
		if got := whoFor(t, e, "www.example"); got != "a" {
			t.Errorf("got  %s\nwant a", got)
		}
		exchange.Close(e)
	}
	s.Forget() // so that the settings would be read anew
	servers = []netip.AddrPort{b}
	if got := whoFor(t, s, "www.example"); !strings.Contains(got, "closed") || reads != 1 {
		t.Errorf("got  %s, and %d readings of the settings\nwant an error, and one", got, reads)
	}
	if got := whoFor(t, r, "www.example"); got == "b" {
		t.Errorf("got  %s\nwant none who was not asked before", got)
	}
}

func FuzzClaimed(f *testing.F) {
	f.Add("search corp.example lan\nnameserver 192.0.2.1\n", "www.corp.example.")
	f.Add("nameserver ::1\n", "1.0.168.192.in-addr.arpa")
	f.Fuzz(func(_ *testing.T, file, name string) {
		l, _ := link.ParseResolvConf(strings.NewReader(file))
		new(Split).claimed(link.Tidy([]link.Link{l}, nil), name)
		Private(name)
	})
}

func text[T interface{ String() string }](list []T) string {
	var words []string
	for _, one := range list {
		words = append(words, one.String())
	}
	return strings.Join(words, " ")
}
