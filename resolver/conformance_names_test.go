package resolver_test

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"hither/resolver"
)

// specialRows are about names that are not asked for elsewhere.
func specialRows() []row {
	return []row{
		{should, "RFC 6761 6.3", "localhost is this machine, with all below it", func(w *world) {
			for _, name := range []string{"localhost.", "LocalHost.", "www.localhost."} {
				same(w, "IPv4", lines(w.ask(name, dns.TypeA).Answer), name+" A 127.0.0.1")
				same(w, "IPv6", lines(w.ask(name, dns.TypeAAAA).Answer), name+" AAAA ::1")
			}
			unasked(w)
		}, ""},
		{must, "RFC 6761 6.3", "localhost has no other records, but exists", func(w *world) {
			reply := w.ask("localhost.", dns.TypeMX)
			same(w, "rcode", rcode(reply), "NOERROR")
			same(w, "records", len(reply.Answer), 0)
			unasked(w)
		}, ""},
		{should, "RFC 6761 6.4", "invalid does not exist", nobody("invalid.", "www.invalid."), ""},
		{should, "RFC 6761 6.2", "test does not exist, unless this network has it", nobody("test.", "www.test."), ""},
		{must, "RFC 6761 6.5", "example is asked like any other", func(w *world) {
			same(w, "records", lines(w.ask("example.", dns.TypeA).Answer), "example. A 192.0.2.1")
		}, ""},
		{must, "RFC 7686 2", "onion does not exist, and nobody hears of it", nobody("onion.", "x.onion.", "A.B.ONION."), ""},
		{should, "RFC 6762 22.1", "local belongs to multicast", nobody("local.", "printer.local."), ""},
		{should, "RFC 9476 2", "alt does not exist", nobody("alt.", "www.alt."), ""},
		{must, "RFC 8375 4", "home.arpa is of this network", nobody("router.home.arpa."), ""},
		{should, "RFC 8375 4", "that home.arpa is not signed is proven by who is above it", func(w *world) {
			w.ask("home.arpa.", dns.TypeDS, withDO)
			same(w, "questions upstream", w.count("home.arpa.", dns.TypeDS), 1)
		}, ""},
		{should, "RFC 8880 7.1", "ipv4only.arpa is passed on, for who makes IPv6 addresses knows more", func(w *world) {
			w.ask("ipv4only.arpa.", dns.TypeAAAA)
			same(w, "questions upstream", w.count("ipv4only.arpa.", dns.TypeAAAA), 1)
		}, ""},
		{should, "RFC 9462 6.1", "resolver.arpa is about us, not about who is behind us", func(w *world) {
			for _, kind := range []uint16{dns.TypeSVCB, dns.TypeA} {
				reply := w.ask("_dns.resolver.arpa.", kind)
				same(w, "records", len(reply.Answer), 0)
				negativeSOA(w, reply)
			}
			unasked(w)
		}, ""},
		{must, "RFC 6303 4.1", "nobody hears of private IPv4 addresses", nobody("1.0.0.10.in-addr.arpa.", "1.1.168.192.in-addr.arpa.",
			"1.0.16.172.in-addr.arpa.", "1.0.31.172.in-addr.arpa.", "7.7.254.169.in-addr.arpa.", "1.2.0.192.in-addr.arpa.",
			"1.113.0.203.in-addr.arpa.", "255.255.255.255.in-addr.arpa.", "1.0.0.0.in-addr.arpa."), ""},
		{must, "RFC 6303 4.4", "nobody hears of private IPv6 addresses", nobody("1.0.d.f.ip6.arpa.", "1."+strings.Repeat("0.", 20)+"0.8.e.f.ip6.arpa.",
			"1.8.b.d.0.1.0.0.2.ip6.arpa.", strings.Repeat("0.", 32)+"ip6.arpa."), ""},
		{should, "RFC 7793 3", "nobody hears of carriers' addresses (100.64.0.0/10)", nobody("1.0.64.100.in-addr.arpa.", "1.0.127.100.in-addr.arpa."), ""},
		{must, "RFC 6303 4.1", "public addresses beside the private ones are asked for", func(w *world) {
			for _, name := range []string{"1.0.15.172.in-addr.arpa.", "1.0.32.172.in-addr.arpa.", "1.0.63.100.in-addr.arpa.", "1.1.1.1.in-addr.arpa.", "1.167.192.in-addr.arpa."} {
				w.ask(name, dns.TypePTR)
				same(w, "questions upstream about "+name, w.count(name, dns.TypePTR), 1)
			}
		}, ""},
		{should, "RFC 6303 3", "the private zones have an SOA of their own", func(w *world) {
			reply := w.ask("10.in-addr.arpa.", dns.TypeSOA)
			same(w, "rcode", rcode(reply), "NOERROR")
			if len(reply.Answer) != 1 || reply.Answer[0].Header().Rrtype != dns.TypeSOA {
				w.failf("got  %v\nwant one SOA", reply.Answer)
			}
			unasked(w)
		}, ""},
		{should, "RFC 6303 4.2", "127.0.0.1 is called localhost", func(w *world) {
			same(w, "IPv4", lines(w.ask("1.0.0.127.in-addr.arpa.", dns.TypePTR).Answer), "1.0.0.127.in-addr.arpa. PTR localhost.")
			v6 := "1." + strings.Repeat("0.", 31) + "ip6.arpa."
			same(w, "IPv6", lines(w.ask(v6, dns.TypePTR).Answer), v6+" PTR localhost.")
			unasked(w)
		}, ""},
		{must, "RFC 4035 5.4", "who asks for signatures gets the proof that there is no such top-level domain, and nobody hears the name", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.negative(dns.RcodeNameError, ". 50 IN SOA a.root. admin.root. 1 3600 600 86400 50")
				reply.Ns = append(reply.Ns, a.records(". 50 IN NSEC zzz. NS SOA RRSIG NSEC", ". 50 IN RRSIG NSEC 8 0 50 20400101000000 20200101000000 1 . AAAA")...)
				a.reply(reply)
			})
			for _, name := range []string{"printer.local.", "a.b.local.", "local.", "LOCAL."} {
				for _, kind := range []uint16{dns.TypeA, dns.TypeDS} {
					reply := w.ask(name, kind, withDO)
					same(w, "rcode", rcode(reply), "NXDOMAIN")
					same(w, "authority of "+name, len(reply.Ns), 3)
				}
			}
			same(w, "questions upstream about local", w.count("local.", dns.TypeDS), 1)
			same(w, "questions upstream", w.total(), 1)
			w.pass(20 * time.Second)
			if ttl := w.ask("printer.local.", dns.TypeA, withDO).Ns[0].Header().Ttl; ttl > 30 {
				w.failf("TTL 20 s later\ngot  %d\nwant at most 30", ttl)
			}
			same(w, "authority without DO", len(w.ask("printer.local.", dns.TypeA).Ns), 1)
			w.up.follow(fails(dns.RcodeServerFailure))
			same(w, "rcode while nobody can be asked", rcode(w.ask("db.internal.", dns.TypeA, withDO)), "NXDOMAIN")
		}, ""},
		{must, "RFC 7686 2", "nobody hears of onion, even from who asks for signatures", func(w *world) {
			same(w, "rcode", rcode(w.ask("x.onion.", dns.TypeA, withDO)), "NXDOMAIN")
			unasked(w)
		}, ""},
		{should, "IANA special use: internal", "internal does not exist, unless this network has it", nobody("internal.", "db.internal."), ""},
	}
}

// interceptionRows are about our own hosts: what is said of them, and what is not.
func interceptionRows() []row {
	return []row{
		{must, "Hither: IPv4", "our hosts have our address, for a few seconds", func(w *world) {
			for _, name := range []string{ours, "Registry.NPMjs.ORG.", "proxy.golang.example."} {
				reply := w.ask(name, dns.TypeA)
				same(w, "records", lines(reply.Answer), name+" A "+ourAddr.String())
				if ttl := reply.Answer[0].Header().Ttl; ttl < 1 || ttl > 10 {
					w.failf("TTL\ngot  %d\nwant 1 to 10", ttl)
				}
			}
			unasked(w)
		}, ""},
		{must, "Hither: IPv6", "without an IPv6 address of ours they have none, but exist", noData(dns.TypeAAAA), ""},
		{must, "Hither: IPv6", "with an IPv6 address of ours they have it", func(w *world) {
			w.names.Store(resolver.NewNames([]string{ours}, ourAddr, netip.MustParseAddr("::1")))
			same(w, "records", lines(w.ask(ours, dns.TypeAAAA).Answer), ours+" AAAA ::1")
			unasked(w)
		}, ""},
		{must, "RFC 9460 3", "HTTPS records would lead past us, so there are none", noData(dns.TypeHTTPS), ""},
		{must, "RFC 9460 3", "SVCB records would lead past us, so there are none", noData(dns.TypeSVCB), ""},
		{must, "Hither: other types", "nor are there types that nobody knows, nor aliases", func(w *world) {
			for _, kind := range []uint16{dns.TypeCNAME, dns.TypeDNAME, dns.TypeSRV, dns.TypePTR, 65280} {
				noData(kind)(w)
			}
		}, ""},
		{must, "RFC 8482 4.2", "ANY says neither our address nor another", func(w *world) {
			same(w, "records", lines(w.ask(ours, dns.TypeANY).Answer), ours+` HINFO "RFC8482" ""`)
			unasked(w)
		}, ""},
		{must, "Hither: mail", "MX, TXT, NS, SOA, CAA, TLSA, DS and DNSKEY are the real ones", func(w *world) {
			for _, kind := range []uint16{dns.TypeMX, dns.TypeTXT, dns.TypeNS, dns.TypeSOA, dns.TypeCAA, dns.TypeTLSA, dns.TypeDS, dns.TypeDNSKEY} {
				w.ask(ours, kind)
				same(w, "questions upstream about "+dns.TypeToString[kind], w.count(ours, kind), 1)
			}
		}, ""},
		{must, "Hither: other types", "an alias that comes with the real ones would lead past us, so there is none", func(w *world) {
			w.up.follow(says("@ 300 IN CNAME cdn.example.", "cdn.example. 300 IN MX 1 mail.example.", "cdn.example. 300 IN TXT x"))
			for _, kind := range []uint16{dns.TypeMX, dns.TypeTXT, dns.TypeSOA} {
				for range 2 {
					reply := w.ask(ours, kind)
					same(w, "rcode and records", rcode(reply)+lines(reply.Answer), "NOERROR")
					negativeSOA(w, reply)
				}
			}
			same(w, "records of another name", len(w.ask("other.example.", dns.TypeMX).Answer), 3)
		}, ""},
		{must, "Hither: exact", "names beside, above and below are not ours", func(w *world) {
			for _, name := range []string{"www.registry.npmjs.org.", "npmjs.org.", "xregistry.npmjs.org.", `registry\.npmjs.org.`} {
				same(w, "records", lines(w.ask(name, dns.TypeA).Answer), name+" A 192.0.2.1")
			}
		}, ""},
		{must, "RFC 4035 3.2.3", "what we make up is neither authenticated nor authoritative", func(w *world) {
			for _, kind := range []uint16{dns.TypeA, dns.TypeHTTPS} {
				reply := w.ask(ours, kind, withDO, withAD)
				same(w, "AD", reply.AuthenticatedData, false)
				same(w, "AA", reply.Authoritative, false)
			}
		}, ""},
		{must, "Hither: the switch", "without names, the real answer comes at once", func(w *world) {
			w.ask(ours, dns.TypeA)
			w.names.Store(nil)
			same(w, "records", lines(w.ask(ours, dns.TypeA).Answer), ours+" A 192.0.2.1")
			w.names.Store(resolver.NewNames([]string{ours}, ourAddr, netip.Addr{}))
			same(w, "records again", lines(w.ask(ours, dns.TypeA).Answer), ours+" A "+ourAddr.String())
		}, ""},
		{must, "Hither: who asks", "who is told nothing of us gets the real answer", func(w *world) {
			names := resolver.NewNames([]string{ours}, ourAddr, netip.Addr{})
			w.names.Store(names.Seen(func(netip.Addr) (v4, v6 netip.Addr, isOurs bool) { return v4, v6, false }))
			same(w, "records", lines(w.ask(ours, dns.TypeA).Answer), ours+" A 192.0.2.1")
		}, ""},
		{must, "RFC 1034 3.6.2", "an alias of others that leads to our host keeps the real address", func(w *world) {
			w.up.follow(says("@ 300 IN CNAME "+ours, ours+" 300 IN A 192.0.2.9"))
			same(w, "records", lines(w.ask("alias.example.", dns.TypeA).Answer), "alias.example. CNAME "+ours+"; "+ours+" A 192.0.2.9")
			same(w, "our host", lines(w.ask(ours, dns.TypeA).Answer), ours+" A "+ourAddr.String())
		}, ""},
	}
}

// nobody wants that names do not exist, and that no upstream hears of them.
func nobody(names ...string) func(*world) {
	return func(w *world) {
		for i, name := range names {
			kind, top := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeTXT}[i%3], strings.Count(name, ".") == 1
			if strings.HasSuffix(name, ".arpa.") {
				kind, top = dns.TypePTR, true // some of them are the top of their zone, which exists
			}
			reply := w.ask(name, kind)
			if got := rcode(reply); got != "NXDOMAIN" && (got != "NOERROR" || !top) || len(reply.Answer) > 0 {
				w.failf("%s\ngot  %s with %d records\nwant NXDOMAIN", name, got, len(reply.Answer))
			}
			negativeSOA(w, reply)
		}
		unasked(w)
	}
}

// noData wants that our host has no records of a kind, in a way that clients can keep for a few seconds (RFC 2308, 3).
func noData(kind uint16) func(*world) {
	return func(w *world) {
		reply := w.ask(ours, kind)
		what := fmt.Sprintf(" of type %d", kind)
		same(w, "rcode"+what, rcode(reply), "NOERROR")
		same(w, "records"+what, len(reply.Answer), 0)
		if s := negativeSOA(w, reply); s.Minttl > 10 || s.Hdr.Ttl > 10 {
			w.failf("SOA\ngot  %v\nwant at most 10 s", s)
		}
		same(w, "questions upstream", w.count(ours, kind), 0)
	}
}

// negativeSOA wants an SOA of a zone that the question is in, without which nobody may keep the answer.
func negativeSOA(w *world, reply *dns.Msg) *dns.SOA {
	if len(reply.Ns) == 1 {
		if s, ok := reply.Ns[0].(*dns.SOA); ok && dns.IsSubDomain(s.Hdr.Name, reply.Question[0].Name) {
			return s
		}
	}
	w.failf("authority for %s\ngot  %v\nwant an SOA of its zone", reply.Question[0].Name, reply.Ns)
	return nil
}

// unasked wants that no upstream was asked.
func unasked(w *world) {
	same(w, "questions upstream", w.total(), 0)
}
