package resolver_test

import (
	"bytes"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// failureRows are about upstreams that lose, cut, lie, are slow or gone.
func failureRows() []row {
	return []row{
		{must, "RFC 1035 4.2.1", "one lost packet is not the end of a question", func(w *world) {
			w.up.follow(func(a *asked) {
				if a.Nth > 1 {
					helpful(a)
				}
			})
			same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
		}, ""},
		{must, "RFC 1123 6.1.3.2", "an upstream that answers only over TCP is reached", func(w *world) {
			w.up.follow(func(a *asked) {
				if a.TCP {
					helpful(a)
				}
			})
			same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
		}, ""},
		{must, "Hither: 2.5 s", "a silent upstream is SERVFAIL before the client gives up", func(w *world) {
			w.up.follow(silent)
			same(w, "rcode", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL")
		}, ""},
		{must, "Hither: 2.5 s", "an upstream that answers after 5 s is SERVFAIL before the client gives up", func(w *world) {
			w.up.follow(after(5*time.Second, helpful))
			same(w, "rcode", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL")
		}, ""},
		{must, "RFC 1034 5.3.1", "an upstream that is slow is waited for", func(w *world) {
			w.up.follow(after(time.Second, helpful))
			same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
		}, ""},
		{must, "RFC 8906 7", "an upstream that is gone is SERVFAIL, not silence", func(w *world) {
			w.up.close()
			same(w, "rcode", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL")
			same(w, "rcode with EDNS", rcode(w.ask("mail.example.", dns.TypeA, withEDNS(1232))), "SERVFAIL")
		}, ""},
		{must, "RFC 8767 5", "what is in memory is answered without an upstream", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.up.close()
			same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
			same(w, "records of our host", len(w.ask(ours, dns.TypeA).Answer), 1)
		}, ""},
		{must, "RFC 1035 4.1.1", "a refusal of the upstream is a failure, and never an empty answer", func(w *world) {
			for name, code := range map[string]int{"a.example.": dns.RcodeRefused, "b.example.": dns.RcodeNotImplemented, "c.example.": dns.RcodeFormatError, "d.example.": 11} {
				w.up.follow(fails(code))
				switch got := rcode(w.ask(name, dns.TypeA)); got {
				case "NOERROR", "NXDOMAIN":
					w.failf("rcode for an upstream's %d\ngot  %s\nwant a failure", code, got)
				}
			}
		}, ""},
		{must, "RFC 7766 5", "an upstream that cuts over UDP and hangs up over TCP is no success", func(w *world) {
			w.up.follow(func(a *asked) {
				if a.TCP {
					a.hang()
					return
				}
				reply := a.answer()
				reply.Truncated = true
				a.reply(reply)
			})
			reply := w.ask("www.example.", dns.TypeA)
			if reply.Rcode == dns.RcodeSuccess && !reply.Truncated {
				w.failf("got  %v\nwant SERVFAIL, or TC", reply)
			}
		}, ""},
		{must, "RFC 2181 9", "an upstream that cuts over TCP, too, is no loop and no success", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.answer()
				reply.Truncated = true
				a.reply(reply)
			})
			reply := w.ask("www.example.", dns.TypeA)
			if reply.Rcode == dns.RcodeSuccess && !reply.Truncated {
				w.failf("got  %v\nwant SERVFAIL, or TC", reply)
			}
			if n := len(w.up.questions()); n > 6 {
				w.failf("got  %d questions upstream\nwant a few", n)
			}
		}, ""},
		{must, "RFC 1035 4.1.4", "a name of the upstream's that points to itself harms nobody", func(w *world) {
			w.up.follow(func(a *asked) {
				packet := pack(a.answer("@ 300 IN CNAME a.example."))
				at := bytes.LastIndex(packet[:len(packet)-11], []byte{0, 5, 0, 1})
				packet = append(packet[:max(at, 12)], 0, 5, 0, 1, 0, 0, 1, 44, 0, 2)
				a.send(append(packet, 0xc0, byte(len(packet))))
			})
			w.ask("www.example.", dns.TypeA)
			w.alive()
		}, ""},
		{must, "RFC 1034 3.6.2", "aliases in a circle harm nobody", func(w *world) {
			w.up.follow(says("@ 300 IN CNAME a.example.", "a.example. 300 IN CNAME www.example."))
			for range 2 {
				w.ask("www.example.", dns.TypeA)
			}
			w.alive()
		}, ""},
		{must, "RFC 1035 4.2.2", "64 KiB of an upstream harm nobody", func(w *world) {
			w.up.follow(func(a *asked) {
				if a.TCP {
					a.send(append(pack(a.answer(rightA)), make([]byte, 65000)...))
					return
				}
				reply := a.answer()
				reply.Truncated = true
				a.reply(reply)
			})
			w.ask("www.example.", dns.TypeA)
			w.alive()
		}, ""},
		{must, "RFC 5625 4.1", "flags that the upstream makes up do not reach the client", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.answer(rightA)
				reply.Zero, reply.CheckingDisabled, reply.RecursionDesired = true, true, false
				a.reply(reply)
			})
			reply := w.ask("www.example.", dns.TypeA)
			same(w, "Z", reply.Zero, false)
			same(w, "CD", reply.CheckingDisabled, false)
			same(w, "RD", reply.RecursionDesired, true)
		}, ""},
		{must, "Hither: retries", "a client that asks again is not swallowed", func(w *world) {
			w.up.follow(func(a *asked) {
				if a.Nth > 2 || a.TCP {
					helpful(a)
				}
			})
			w.together(2, func(i int) {
				if i == 1 {
					w.rest(350 * time.Millisecond)
				}
				same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
			})
		}, ""},
		{must, "RFC 9520 3.1", "many clients of a dead name cost its upstream no more than one", func(w *world) {
			w.up.follow(silent)
			w.together(10, func(int) { same(w, "rcode", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL") })
			plain := 0
			for _, a := range w.up.questions() {
				if !a.TCP {
					plain++
				}
			}
			if plain > 4 {
				w.failf("got  %d questions upstream over UDP\nwant those of one client", plain)
			}
		}, ""},
		{must, "RFC 5625 4.2", "what fits only compressed is passed on compressed", func(w *world) {
			var records []string
			for range 20 {
				records = append(records, "@ 300 IN MX 10 "+strings.Repeat("m", len(records)+1)+".mail.a-rather-long-name-of-a-host.example.")
			}
			w.up.follow(func(a *asked) {
				reply := a.answer(records...)
				reply.Compress = true
				a.send(pack(reply))
			})
			for range 2 {
				reply := w.ask("www.example.", dns.TypeMX, withEDNS(1232))
				same(w, "records", len(reply.Answer), 20)
			}
		}, ""},
	}
}
