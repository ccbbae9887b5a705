package resolver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"hither/resolver/exchange/group"
	"hither/resolver/exchange/nameserver"
	"hither/resolver/link"
)

// told is the answer in a line: rcode, flags and records, without the question.
func told(m *dns.Msg) string {
	var parts []string
	parts = append(parts, dns.RcodeToString[m.Rcode])
	for _, section := range [][]dns.RR{m.Answer, m.Ns} {
		for _, rr := range section {
			parts = append(parts, strings.Join(strings.Fields(rr.String()), " "))
		}
	}
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if e, ok := o.(*dns.EDNS0_EDE); ok {
				parts = append(parts, fmt.Sprint("EDE ", e.InfoCode))
			}
		}
	}
	return strings.Join(parts, " | ")
}

func TestOurHosts(t *testing.T) {
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()
	bridge := netip.MustParseAddr("172.17.0.1")
	both := NewNames([]string{"registry.npmjs.org", "*.docker.io", "192.0.2.7", ""}, v4, v6)
	only4 := NewNames([]string{"registry.npmjs.org"}, v4, netip.Addr{})
	seen := both.Seen(func(client netip.Addr) (netip.Addr, netip.Addr, bool) {
		switch {
		case client.IsLoopback():
			return v4, v6, true
		case client == netip.MustParseAddr("172.17.0.9"):
			return bridge, netip.Addr{}, true
		case client == netip.MustParseAddr("172.17.0.10"):
			return v4, v6, true // a mistake
		}
		return netip.Addr{}, netip.Addr{}, false
	})
	mapped := both.Seen(func(netip.Addr) (netip.Addr, netip.Addr, bool) {
		return v4, netip.MustParseAddr("::ffff:127.0.0.1"), true
	})
	const soa = "NOERROR | registry.npmjs.org. 5 IN SOA registry.npmjs.org. registry.npmjs.org. 1 3600 600 86400 5"
	const forReal = "NOERROR | registry.npmjs.org. 300 IN A 192.0.2.1"
	for _, row := range []struct {
		names  *Names
		client string
		name   string
		qtype  uint16
		want   string
	}{
		{both, "127.0.0.1", "registry.npmjs.org", dns.TypeA, "NOERROR | registry.npmjs.org. 5 IN A 127.0.0.1"},
		{both, "127.0.0.1", "ReGistry.npmjs.ORG", dns.TypeA, "NOERROR | ReGistry.npmjs.ORG. 5 IN A 127.0.0.1"},
		{both, "127.0.0.1", "registry.npmjs.org", dns.TypeAAAA, "NOERROR | registry.npmjs.org. 5 IN AAAA ::1"},
		{only4, "127.0.0.1", "registry.npmjs.org", dns.TypeAAAA, soa},
		{both, "127.0.0.1", "registry.npmjs.org", dns.TypeHTTPS, soa},
		{both, "127.0.0.1", "registry.npmjs.org", dns.TypeSVCB, soa},
		{both, "127.0.0.1", "registry.npmjs.org", dns.TypeSRV, soa},
		{both, "127.0.0.1", "registry.npmjs.org", dns.TypeANY, `NOERROR | registry.npmjs.org. 60 IN HINFO "RFC8482" ""`},
		{both, "127.0.0.1", "registry.npmjs.org", dns.TypeMX, forReal}, // what the upstream says
		{both, "127.0.0.1", "www.registry.npmjs.org", dns.TypeA, "NOERROR | www.registry.npmjs.org. 300 IN A 192.0.2.1"},
		{both, "127.0.0.1", "npmjs.org", dns.TypeA, "NOERROR | npmjs.org. 300 IN A 192.0.2.1"},
		{both, "172.17.0.9", "registry.npmjs.org", dns.TypeA, forReal}, // it would be told its own loopback
		{seen, "127.0.0.1", "registry.npmjs.org", dns.TypeA, "NOERROR | registry.npmjs.org. 5 IN A 127.0.0.1"},
		{seen, "172.17.0.9", "registry.npmjs.org", dns.TypeA, "NOERROR | registry.npmjs.org. 5 IN A 172.17.0.1"},
		{seen, "172.17.0.9", "registry.npmjs.org", dns.TypeAAAA, soa},
		{seen, "172.17.0.10", "registry.npmjs.org", dns.TypeA, forReal},
		{seen, "172.17.0.11", "registry.npmjs.org", dns.TypeA, forReal},
		{mapped, "127.0.0.1", "registry.npmjs.org", dns.TypeAAAA, "NOERROR | registry.npmjs.org. 5 IN AAAA ::ffff:127.0.0.1"},
		{mapped, "172.17.0.9", "registry.npmjs.org", dns.TypeA, forReal},
		{nil, "127.0.0.1", "registry.npmjs.org", dns.TypeA, forReal},
	} {
		s := &Server{
			Names: func() *Names { return row.names }, Exchange: &upstream{say: records("300 IN A 192.0.2.1")},
			Clients: func(a netip.Addr) bool { return a.IsPrivate() },
		}
		if got := told(askAs(t, s, query(row.name, row.qtype, nil), row.client, ednsSize)); got != row.want {
			t.Errorf("%s %s for %s\ngot  %s\nwant %s", row.name, dns.Type(row.qtype), row.client, got, row.want)
		}
	}
	if both.Len() != 1 || (*Names)(nil).Len() != 0 {
		t.Errorf("got  %d hosts\nwant 1: patterns and addresses are none", both.Len())
	}
}

func TestStrangersHearNothing(t *testing.T) {
	s := &Server{Exchange: &upstream{say: records("300 IN A 192.0.2.1")}}
	s.init()
	if got := roundTrip(t.Context(), s, packed(t, query("www.example.com", dns.TypeA, nil)), "192.0.2.99", ednsSize); got != nil {
		t.Errorf("got  %x\nwant silence", got)
	}
}

func TestRules(t *testing.T) {
	hosts := writeHosts(t, "192.0.2.9 Nas.home.arpa nas\n10.1.1.1 build.internal\n192.0.2.66 localhost evil.localhost\n")
	private := func(name string) bool {
		return name == "printer.local." || strings.HasSuffix(name, ".168.192.in-addr.arpa.") || strings.HasSuffix(name, ".127.in-addr.arpa.") || name == oneV6
	}
	const passed = "NOERROR | passed on"
	for _, row := range []struct {
		name  string
		qtype uint16
		want  string // how the line begins
	}{
		{"localhost", dns.TypeA, "NOERROR | localhost. 60 IN A 127.0.0.1"},
		{"LocalHost", dns.TypeAAAA, "NOERROR | LocalHost. 60 IN AAAA ::1"},
		{"evil.localhost", dns.TypeA, "NOERROR | evil.localhost. 60 IN A 127.0.0.1"},
		{"app.localhost", dns.TypeMX, "NOERROR | localhost. 60 IN SOA"},
		{"x.invalid", dns.TypeA, "NXDOMAIN | invalid. 60 IN SOA"},
		{"x.test", dns.TypeA, "NXDOMAIN | test. 60 IN SOA"},
		{"nobody.local", dns.TypeA, "NXDOMAIN | local. 60 IN SOA"},
		{`odd\.local`, dns.TypeA, passed},
		{"printer.local", dns.TypeA, passed},
		{"abc.onion", dns.TypeA, "NXDOMAIN | onion. 60 IN SOA"},
		{"x.alt", dns.TypeA, "NXDOMAIN | alt. 60 IN SOA"},
		{"x.internal", dns.TypeA, "NXDOMAIN | internal. 60 IN SOA"},
		{"build.internal", dns.TypeA, "NOERROR | build.internal. 5 IN A 10.1.1.1"},
		{"build.internal", dns.TypeAAAA, "NOERROR | build.internal. 5 IN SOA"},
		{"build.internal", dns.TypeHTTPS, "NOERROR | build.internal. 5 IN SOA"},
		{"nas.home.arpa", dns.TypeA, "NOERROR | nas.home.arpa. 5 IN A 192.0.2.9"},
		{"x.home.arpa", dns.TypeA, "NXDOMAIN | home.arpa. 60 IN SOA"},
		{"home.arpa", dns.TypeDS, passed},
		{"_dns.resolver.arpa", dns.TypeSVCB, "NOERROR | resolver.arpa. 60 IN SOA"},
		{"1.0.0.127.in-addr.arpa", dns.TypePTR, "NOERROR | 1.0.0.127.in-addr.arpa. 60 IN PTR localhost."},
		{"5.0.0.10.in-addr.arpa", dns.TypePTR, "NXDOMAIN | 10.in-addr.arpa. 60 IN SOA"},
		{"10.in-addr.arpa", dns.TypeSOA, "NOERROR | 10.in-addr.arpa. 60 IN SOA"},
		{"10.in-addr.arpa", dns.TypeNS, "NOERROR | 10.in-addr.arpa. 60 IN NS"},
		{"1.16.172.in-addr.arpa", dns.TypePTR, "NXDOMAIN | 16.172.in-addr.arpa."},
		{"1.32.172.in-addr.arpa", dns.TypePTR, passed},
		{"1.64.100.in-addr.arpa", dns.TypePTR, "NXDOMAIN | 64.100.in-addr.arpa."},
		{"1.128.100.in-addr.arpa", dns.TypePTR, passed},
		{"1.1.168.192.in-addr.arpa", dns.TypePTR, passed}, // of this network's server
		{"8.8.8.8.in-addr.arpa", dns.TypePTR, passed},
		{"arpa", dns.TypeNS, passed},
		{"in-addr.arpa", dns.TypeNS, passed},
		{oneV6, dns.TypePTR, "NOERROR | " + oneV6 + " 60 IN PTR localhost."},
		{"1.0.d.f.ip6.arpa", dns.TypePTR, "NXDOMAIN | d.f.ip6.arpa."},
		{"1.0.2.ip6.arpa", dns.TypePTR, passed},
		{"1.8.e.f.ip6.arpa", dns.TypePTR, "NXDOMAIN | 8.e.f.ip6.arpa."},
		{`1\.8.e.f.ip6.arpa`, dns.TypePTR, passed}, // a dot in a label
		{"ipv4only.arpa", dns.TypeAAAA, passed},
		{"use-application-dns.net", dns.TypeA, "NXDOMAIN | use-application-dns.net. 60 IN SOA"},
		{".", dns.TypeNS, passed},
		{"nas", dns.TypeA, "NOERROR | nas. 5 IN A 192.0.2.9"},
		{"nas", dns.TypeMX, passed},
	} {
		up := &upstream{say: records()}
		s := &Server{Exchange: up, Hosts: hosts, Private: private, Canary: true}
		got := told(ask(t, s, query(row.name, row.qtype, nil)))
		if up.asked.Load() > 0 {
			got += " | passed on"
		}
		if !strings.HasPrefix(got, row.want) {
			t.Errorf("%s %s\ngot  %s\nwant %s …", row.name, dns.Type(row.qtype), got, row.want)
		}
	}
}

// Of names that only this machine has nobody hears, and it has something of them, whatever that is (RFC 8482, 4.2).
func TestAnythingOfWhatIsHere(t *testing.T) {
	up := &upstream{say: records()}
	s := &Server{Exchange: up, Hosts: writeHosts(t, "10.1.1.1 build.corp.example\n")}
	for _, name := range []string{"build.corp.example.", "localhost.", "1.0.0.127.in-addr.arpa.", "10.in-addr.arpa."} {
		for _, do := range []bool{false, true} {
			got := told(ask(t, s, query(name, dns.TypeANY, func(q *dns.Msg) { q.SetEdns0(ednsSize, do) })))
			if want := "NOERROR | " + name + " 60 IN HINFO"; !strings.HasPrefix(got, want) || up.asked.Load() > 0 {
				t.Errorf("%s, DO %v, passed on %d times\ngot  %s\nwant %s …, and nobody asked", name, do, up.asked.Load(), got, want)
			}
		}
	}
}

// TestWhatIsRememberedIsGivenAsItIsAsked asks for one answer in several ways.
func TestWhatIsRememberedIsGivenAsItIsAsked(t *testing.T) {
	up := &upstream{say: records("300 IN A 192.0.2.1")}
	s := &Server{Exchange: up}
	for i, name := range []string{"www.example.com.", "WWW.example.com.", "wWw.eXample.cOM."} {
		for _, recursion := range []bool{true, false} {
			q := query(name, dns.TypeA, func(q *dns.Msg) { q.Id, q.RecursionDesired = uint16(i), recursion })
			reply := ask(t, s, q)
			if reply.Id != q.Id || reply.Question[0] != q.Question[0] || reply.Answer[0].Header().Name != name || reply.RecursionDesired != recursion {
				t.Errorf("got  %v\nwant the answer to %v", reply, q)
			}
		}
	}
	if got := up.asked.Load(); got != 1 {
		t.Errorf("got  %d questions upstream\nwant 1", got)
	}
}

// TestWhatIsPassedOn is the question as the upstream sees it.
func TestWhatIsPassedOn(t *testing.T) {
	for _, row := range []struct {
		what string
		edit func(*dns.Msg)
		want string // rd cd ad do
	}{
		{"a plain question", func(*dns.Msg) {}, "true false false false"},
		{"one that wants no recursion", func(q *dns.Msg) { q.RecursionDesired = false }, "false false false false"},
		{"one that does its own checking", func(q *dns.Msg) { q.CheckingDisabled = true; q.SetEdns0(4096, true) }, "true true false true"},
		{"one that trusts us", func(q *dns.Msg) { q.AuthenticatedData = true }, "true false true false"},
	} {
		up := &upstream{say: records("300 IN A 192.0.2.1")}
		s := &Server{Exchange: up}
		ask(t, s, query("other.example.com", dns.TypeA, nil))
		q := query("WwW.example.com", dns.TypeA, func(q *dns.Msg) {
			row.edit(q)
			if opt := q.IsEdns0(); opt != nil {
				opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
			}
		})
		reply, m := ask(t, s, q), up.got()
		got := fmt.Sprint(m.RecursionDesired, m.CheckingDisabled, m.AuthenticatedData, m.IsEdns0().Do())
		if got != row.want || m.Question[0] != q.Question[0] || len(m.IsEdns0().Option) != 0 || m.IsEdns0().UDPSize() != ednsSize {
			t.Errorf("%s\ngot  %s in %v\nwant %s, the name as it was written, and none of the client's options", row.what, got, m, row.want)
		}
		if reply.CheckingDisabled != q.CheckingDisabled || reply.RecursionDesired != q.RecursionDesired || !reply.RecursionAvailable || reply.Authoritative || reply.Answer[0].Header().Name != "WwW.example.com." {
			t.Errorf("%s\ngot  %v", row.what, reply)
		}
		if opt := reply.IsEdns0(); opt != nil && len(opt.Option) != 0 {
			t.Errorf("%s\ngot  %v\nwant no options back", row.what, opt)
		}
	}
}

func TestAProbeOfOursIsNoticed(t *testing.T) {
	var name string
	up := &upstream{say: records()}
	s := &Server{Exchange: up, LoopSeen: func(seen string) { name = seen }}
	ask(t, s, query("ABC123.hither-loop.example", dns.TypeTXT, nil))
	if name != "abc123."+group.LoopZone || up.asked.Load() != 0 {
		t.Errorf("got  %q, passed on %d times\nwant the probe, not passed on", name, up.asked.Load())
	}
}

func TestRebinding(t *testing.T) {
	for _, row := range []struct {
		name, record string
		withheld     bool
	}{
		{"evil.example.com", "300 IN A 192.168.1.1", true},
		{"evil.example.com", "300 IN A 127.0.0.1", true},
		{"evil.example.com", "300 IN A 0.0.0.0", true},
		{"evil.example.com", "300 IN AAAA ::1", true},
		{"evil.example.com", "300 IN AAAA ::ffff:10.0.0.1", true},
		{"evil.example.com", "300 IN AAAA fd00::1", true},
		{"evil.example.com", "300 IN HTTPS 1 . ipv4hint=10.0.0.1", true},
		{"good.example.com", "300 IN A 192.0.2.1", false},
		{"fake-ip.example.com", "300 IN A 198.18.0.7", false},
		{"10.0.0.1.nip.io", "300 IN A 10.0.0.1", false},
		{"intern.corp.example", "300 IN A 10.0.0.1", false},
		{"evil.corp.example.com", "300 IN A 10.0.0.1", true},
		{"registry.corp", "300 IN A 10.0.0.1", false},
		{"Nas.LAN", "300 IN AAAA fd00::1", false},
		{"nas", "300 IN A 192.168.1.9", false},
		{"evil.lan.example.com", "300 IN A 192.168.1.9", true},
		{"captive.apple.com", "300 IN A 192.168.1.1", false},
		{"evil.captive.apple.com", "300 IN A 192.168.1.1", true},
		{"host.lan", "300 IN A 127.0.0.1", true},
		{"host", "300 IN AAAA ::ffff:127.0.0.1", true},
		{"host.home", "300 IN HTTPS 1 . ipv6hint=::1", true},
		{"captive.apple.com", "300 IN A 0.0.0.0", true},
	} {
		s := &Server{
			Exchange: &upstream{say: records(row.record)}, Rebinding: true, Allow: []string{"nip.io"},
			Private: func(name string) bool { return strings.HasSuffix(name, ".corp.example.") },
		}
		q := query(row.name, record(row.record, ".").Header().Rrtype, func(q *dns.Msg) { q.SetEdns0(1232, false) })
		reply := ask(t, s, q)
		if got := len(reply.Answer) == 0 && strings.HasSuffix(told(reply), "EDE 17"); got != row.withheld {
			t.Errorf("%s %s\ngot  %s\nwant withheld: %v", row.name, row.record, told(reply), row.withheld)
		}
	}
}

// TestRebindingKnowsAConditionalUpstream asks through the real switch, which knows of no link before the first question.
func TestRebindingKnowsAConditionalUpstream(t *testing.T) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	office := &dns.Server{PacketConn: socket, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if reply, err := records("300 IN A 10.0.0.7")(t.Context(), q); err == nil {
			_ = w.WriteMsg(reply) // the client asks again
		}
	})}
	var running sync.WaitGroup
	defer running.Wait()
	defer socket.Close()
	running.Go(func() { _ = office.ActivateAndServe() }) // it ends with its socket
	split := &nameserver.Split{
		Else: &upstream{say: records("300 IN A 10.0.0.66")},
		Links: func(context.Context) ([]link.Link, error) {
			return []link.Link{{Servers: []netip.AddrPort{socket.LocalAddr().(*net.UDPAddr).AddrPort()}, Domains: []string{"corp.example"}}}, nil
		},
	}
	defer split.Close()
	s := &Server{Exchange: split, Private: split.Local, Rebinding: true}
	for _, row := range []struct{ name, want string }{
		{"registry.corp.example", "A 10.0.0.7"},
		{"evil.example.com", "SOA evil.example.com."},
	} {
		if got := told(ask(t, s, query(row.name, dns.TypeA, nil))); !strings.Contains(got, row.want) {
			t.Errorf("%s\ngot  %s\nwant %s", row.name, got, row.want)
		}
	}
}

// The name that was asked for decides, not that at the end of its chain: a stranger's may lead to the network's.
func TestRebindingByAnAliasOfTheNetwork(t *testing.T) {
	chain := func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{record("300 IN CNAME nas.lan.", q.Question[0].Name), record("300 IN A 192.168.1.9", "nas.lan.")}
		return m, nil
	}
	s := &Server{Exchange: &upstream{say: chain}, Rebinding: true}
	if got := told(ask(t, s, query("evil.example.com", dns.TypeA, nil))); strings.Contains(got, "192.168.1.9") {
		t.Errorf("got  %s\nwant it withheld", got)
	}
}

// The zone of a client's address on a link tells where to answer, and not who it is.
func TestClientsOfALinkAreServedWithTheirZone(t *testing.T) {
	link := netip.MustParsePrefix("fe80::/64")
	s := &Server{Clients: link.Contains}
	a := asker{addr: netip.MustParseAddrPort("[fe80::2%7]:53")}
	if !s.serves(&a, netip.MustParseAddr("fe80::1%eth0")) || a.host {
		t.Errorf("got  %+v\nwant a client of the link, not of this machine", a)
	}
	if a.addr = netip.MustParseAddrPort("[fe80::1%7]:53"); !s.serves(&a, netip.MustParseAddr("fe80::1%eth0")) || !a.host {
		t.Errorf("got  %+v\nwant a process of this machine", a)
	}
}
