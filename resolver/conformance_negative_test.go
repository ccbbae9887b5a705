package resolver_test

import (
	"time"

	"github.com/miekg/dns"
)

// says soa with another TTL and minimum.
func soaOf(ttl, minimum string) string {
	return "example. " + ttl + " IN SOA ns.example. admin.example. 1 3600 600 86400 " + minimum
}

// denies says that no name exists.
func denies(soa string) script {
	return func(a *asked) { a.reply(a.negative(dns.RcodeNameError, soa)) }
}

// negativeRows are about what does not exist.
func negativeRows() []row {
	return []row{
		{must, "RFC 2308 5", "what does not exist is kept for that long", func(w *world) {
			for range 3 {
				same(w, "rcode", rcode(w.ask("www.none.example.", dns.TypeA)), "NXDOMAIN")
			}
			same(w, "questions upstream", w.count("www.none.example.", dns.TypeA), 1)
			w.pass(61 * time.Second)
			w.ask("www.none.example.", dns.TypeA)
			same(w, "questions upstream after a minute", w.count("www.none.example.", dns.TypeA), 2)
		}, ""},
		{must, "RFC 2308 3", "the SOA comes with it, its TTL no more than the zone's minimum", func(w *world) {
			w.up.follow(denies(soaOf("300", "7")))
			for range 2 {
				reply := w.ask("www.example.", dns.TypeA)
				if len(reply.Ns) != 1 || reply.Ns[0].Header().Rrtype != dns.TypeSOA || reply.Ns[0].Header().Ttl > 7 {
					w.failf("authority\ngot  %v\nwant one SOA with a TTL of at most 7", reply.Ns)
				}
			}
		}, ""},
		{must, "RFC 2308 5", "the lesser of the SOA's TTL and its minimum counts", func(w *world) {
			for name, s := range map[string]string{"a.example.": soaOf("300", "7"), "b.example.": soaOf("7", "300")} {
				w.up.follow(denies(s))
				w.ask(name, dns.TypeA)
				w.pass(8 * time.Second)
				w.ask(name, dns.TypeA)
				same(w, "questions upstream about "+name, w.count(name, dns.TypeA), 2)
			}
		}, ""},
		{must, "RFC 2308 5", "the TTL of a kept SOA counts down", func(w *world) {
			w.up.follow(denies(soaOf("50", "50")))
			w.ask("www.example.", dns.TypeA)
			w.pass(20 * time.Second)
			reply := w.ask("www.example.", dns.TypeA)
			if len(reply.Ns) != 1 || reply.Ns[0].Header().Ttl > 30 {
				w.failf("authority\ngot  %v\nwant an SOA with at most 30 s left", reply.Ns)
			}
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 1)
		}, ""},
		{must, "RFC 2308 5", "a type that is missing says nothing of other types", func(w *world) {
			reply := w.ask("www.example.", dns.TypeMX)
			same(w, "rcode", rcode(reply), "NOERROR")
			same(w, "authority", len(reply.Ns), 1)
			same(w, "records of another type", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
			w.ask("www.example.", dns.TypeMX)
			same(w, "questions upstream", w.count("www.example.", dns.TypeMX), 1)
		}, ""},
		{should, "RFC 2308 5", "a name that does not exist has no records of any type", func(w *world) {
			w.ask("www.none.example.", dns.TypeA)
			same(w, "rcode of another type", rcode(w.ask("www.none.example.", dns.TypeAAAA)), "NXDOMAIN")
			same(w, "questions upstream", w.total(), 1)
		}, ""},
		{should, "RFC 8020 2", "below a name that does not exist nothing does", func(w *world) {
			w.ask("none.example.", dns.TypeA)
			same(w, "rcode below", rcode(w.ask("www.none.example.", dns.TypeA)), "NXDOMAIN")
			same(w, "rcode far below", rcode(w.ask("a.b.c.none.example.", dns.TypeTXT)), "NXDOMAIN")
			same(w, "questions upstream", w.total(), 1)
			same(w, "rcode beside", rcode(w.ask("www.example.", dns.TypeA)), "NOERROR")
		}, ""},
		{must, "RFC 8020 2", "a name with records of other types is no such name", func(w *world) {
			w.ask("empty.example.", dns.TypeMX)
			same(w, "records below", lines(w.ask("www.empty.example.", dns.TypeA).Answer), "www.empty.example. A 192.0.2.1")
		}, ""},
		{must, "RFC 8020 2", "the end of an alias that does not exist is not the alias", func(w *world) {
			w.up.follow(func(a *asked) {
				if !a.is("alias.example.") {
					helpful(a)
					return
				}
				reply := a.negative(dns.RcodeNameError, soa)
				reply.Answer = a.records("@ 300 IN CNAME gone.example.")
				a.reply(reply)
			})
			w.ask("alias.example.", dns.TypeA)
			same(w, "records below the alias", lines(w.ask("www.alias.example.", dns.TypeA).Answer), "www.alias.example. A 192.0.2.1")
		}, ""},
		{should, "RFC 2308 5", "what does not exist, without an SOA, is not kept", func(w *world) {
			w.up.follow(denies(""))
			for range 2 {
				same(w, "rcode", rcode(w.ask("www.example.", dns.TypeA)), "NXDOMAIN")
			}
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 2)
		}, ""},
		{should, "RFC 2308 2.2", "a referral is no proof that records are missing, and not kept as one", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.answer()
				reply.Ns = a.records("example. 300 IN NS ns.example.")
				a.reply(reply)
			})
			w.ask("www.example.", dns.TypeA)
			w.up.follow(helpful)
			same(w, "records later", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
		}, ""},
		{must, "RFC 2308 2.2", "an empty answer is no failure", func(w *world) {
			w.up.follow(func(a *asked) { a.reply(a.negative(dns.RcodeSuccess, "")) })
			reply := w.ask("www.example.", dns.TypeA)
			same(w, "rcode", rcode(reply), "NOERROR")
			same(w, "records", len(reply.Answer), 0)
		}, ""},
		{must, "RFC 2308 7.1", "a failure is kept for five minutes at most", func(w *world) {
			w.up.follow(fails(dns.RcodeServerFailure))
			same(w, "rcode", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL")
			w.pass(5*time.Minute + time.Second)
			w.up.follow(helpful)
			same(w, "rcode later", rcode(w.ask("www.example.", dns.TypeA)), "NOERROR")
		}, ""},
		{must, "RFC 9520 3.2", "a failure is kept for a second at least", func(w *world) {
			w.up.follow(fails(dns.RcodeServerFailure))
			w.ask("www.example.", dns.TypeA)
			asked := w.total()
			same(w, "rcode at once again", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL")
			same(w, "questions upstream", w.total(), asked)
		}, ""},
		{must, "RFC 9520 3.2", "silence is a failure that is kept, too", func(w *world) {
			w.up.follow(silent)
			same(w, "rcode", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL")
			asked := w.total()
			same(w, "rcode at once again", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL")
			same(w, "questions upstream", w.total(), asked)
		}, ""},
		{should, "RFC 9520 3.2", "failures that last are kept for longer each time", func(w *world) {
			w.up.follow(fails(dns.RcodeServerFailure))
			for gap := time.Second; gap < 10*time.Second; gap *= 2 {
				w.ask("www.example.", dns.TypeA)
				w.pass(gap + gap/4)
			}
			w.ask("www.example.", dns.TypeA)
			asked := w.total()
			w.pass(3 * time.Second)
			w.ask("www.example.", dns.TypeA)
			same(w, "questions upstream 3 s after the fifth failure", w.total(), asked)
		}, ""},
		{must, "RFC 9520 3.2", "a failure of one name is not held against others", func(w *world) {
			w.up.follow(func(a *asked) {
				if a.is("www.example.") {
					fails(dns.RcodeServerFailure)(a)
					return
				}
				helpful(a)
			})
			w.ask("www.example.", dns.TypeA)
			same(w, "rcode of another", rcode(w.ask("mail.example.", dns.TypeA)), "NOERROR")
			same(w, "rcode below", rcode(w.ask("a.www.example.", dns.TypeA)), "NOERROR")
		}, ""},
		{must, "RFC 9520 3.1", "nobody is asked the same thing more than three times for one question", func(w *world) {
			w.up.follow(silent)
			same(w, "rcode", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL")
			plain, stream := 0, 0
			for _, a := range w.up.questions() {
				if a.TCP {
					stream++
				} else {
					plain++
				}
			}
			if plain > 3 || stream > 3 {
				w.failf("questions upstream\ngot  %d over UDP and %d over TCP\nwant at most 3 each", plain, stream)
			}
		}, ""},
		{should, "RFC 8767 5", "an old answer is better than none, with a TTL of 30 s", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.pass(301 * time.Second)
			w.up.follow(silent)
			reply := w.ask("www.example.", dns.TypeA, withEDNS(1232))
			same(w, "records", lines(reply.Answer), "www.example. A 192.0.2.1")
			same(w, "TTL", reply.Answer[0].Header().Ttl, 30)
		}, ""},
		{should, "RFC 8914 4.4", "an old answer says that it is one (EDE 3)", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.pass(301 * time.Second)
			w.up.close()
			reply := w.ask("www.example.", dns.TypeA, withEDNS(1232))
			if codes := ede(reply); len(codes) != 1 || codes[0] != dns.ExtendedErrorCodeStaleAnswer {
				w.failf("extended errors\ngot  %v\nwant 3", codes)
			}
		}, ""},
		{must, "RFC 8767 5", "a fresh answer goes before an old one", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.pass(301 * time.Second)
			w.up.follow(says("@ 300 IN A 192.0.2.99"))
			same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.99")
		}, ""},
		{must, "RFC 8767 5", "when the upstream says that it no longer exists, the old answer is gone", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.pass(301 * time.Second)
			w.up.follow(denies(soa))
			same(w, "rcode", rcode(w.ask("www.example.", dns.TypeA)), "NXDOMAIN")
			w.up.close()
			w.pass(2 * time.Minute)
			if reply := w.ask("www.example.", dns.TypeA); len(reply.Answer) > 0 {
				w.failf("got  %v\nwant no records of before", reply.Answer)
			}
		}, ""},
		{should, "RFC 8767 5", "after a failed refresh the upstream is left alone for 30 s", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.pass(301 * time.Second)
			w.up.follow(fails(dns.RcodeServerFailure))
			w.ask("www.example.", dns.TypeA)
			asked := w.count("www.example.", dns.TypeA)
			w.pass(10 * time.Second)
			same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), asked)
		}, ""},
		{should, "RFC 8767 5", "the refresh goes on after the old answer was given", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.pass(301 * time.Second)
			answer, letGo := held(says("@ 300 IN A 192.0.2.99"))
			w.up.follow(answer)
			same(w, "records meanwhile", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
			letGo()
			becomes(w, "records then", func() string { return lines(w.ask("www.example.", dns.TypeA).Answer) }, "www.example. A 192.0.2.99")
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 2)
		}, ""},
		{must, "RFC 8767 5", "old answers have an end", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.pass(8 * 24 * time.Hour)
			w.up.close()
			same(w, "rcode a week later", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL")
		}, ""},
	}
}
