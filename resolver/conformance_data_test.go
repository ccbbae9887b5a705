package resolver_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// dataRows are about what is passed on and kept.
func dataRows() []row {
	return []row{
		{must, "RFC 1034 5.3.3", "what was answered is answered from memory", func(w *world) {
			for range 3 {
				same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
			}
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 1)
		}, ""},
		{must, "RFC 1035 3.2.1", "the TTL counts down, and at its end the name is asked again", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.pass(100 * time.Second)
			if ttl := w.ask("www.example.", dns.TypeA).Answer[0].Header().Ttl; ttl < 199 || ttl > 200 {
				w.failf("TTL after 100 s of 300\ngot  %d\nwant 200", ttl)
			}
			w.pass(201 * time.Second)
			w.ask("www.example.", dns.TypeA)
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 2)
		}, ""},
		{must, "RFC 1035 3.2.1", "TTL 0 is for one use, and shown as 0", func(w *world) {
			w.up.follow(says("@ 0 IN A 192.0.2.1"))
			for range 2 {
				same(w, "TTL", w.ask("www.example.", dns.TypeA).Answer[0].Header().Ttl, 0)
			}
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 2)
		}, ""},
		{must, "RFC 2181 8", "a TTL of 2^31 or more is none", func(w *world) {
			w.up.follow(says("@ 2147483648 IN A 192.0.2.1"))
			for range 2 {
				same(w, "TTL", w.ask("www.example.", dns.TypeA).Answer[0].Header().Ttl, 0)
			}
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 2)
		}, ""},
		{should, "RFC 8767 4", "no TTL is believed for longer than a week", func(w *world) {
			w.up.follow(says("@ 2147483647 IN A 192.0.2.1"))
			w.ask("www.example.", dns.TypeA)
			w.pass(8 * 24 * time.Hour)
			w.ask("www.example.", dns.TypeA)
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 2)
		}, ""},
		{should, "RFC 2181 5.2", "records of one set have one TTL, the least", func(w *world) {
			w.up.follow(says("@ 300 IN A 192.0.2.1", "@ 10 IN A 192.0.2.2", "@ 200 IN A 192.0.2.3"))
			w.ask("www.example.", dns.TypeA)
			for _, rr := range w.ask("www.example.", dns.TypeA).Answer {
				if rr.Header().Ttl > 10 {
					w.failf("got  %v\nwant at most 10 s", rr)
				}
			}
			w.pass(11 * time.Second)
			w.ask("www.example.", dns.TypeA)
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 2)
		}, ""},
		{must, "RFC 2181 5", "a set of records comes whole", func(w *world) {
			var records, want []string
			for i := range 20 {
				records = append(records, fmt.Sprintf("@ 300 IN A 192.0.2.%d", i+1))
				want = append(want, fmt.Sprintf("www.example. A 192.0.2.%d", i+1))
			}
			slices.Sort(want)
			w.up.follow(says(records...))
			for range 2 {
				same(w, "records", lines(w.ask("www.example.", dns.TypeA, withEDNS(1232)).Answer), strings.Join(want, "; "))
			}
		}, ""},
		{must, "RFC 2181 9", "what does not fit into the client's datagram has TC and can be had over TCP", func(w *world) {
			w.up.follow(large(2000))
			reply := w.ask("www.example.", dns.TypeTXT)
			same(w, "TC", reply.Truncated, w.network == "udp")
			same(w, "is whole", len(reply.Answer) > 0, w.network == "tcp")
			same(w, "from memory, TC", w.ask("www.example.", dns.TypeTXT).Truncated, w.network == "udp")
		}, ""},
		{must, "RFC 1035 4.2.1", "without EDNS no datagram is larger than 512 bytes", func(w *world) {
			for size := 440; size < 530; size += 7 {
				w.up.follow(large(size))
				if reply := w.raw(pack(question(fmt.Sprintf("n%d.example.", size), dns.TypeTXT))); len(reply) > 512 {
					w.failf("got  %d bytes\nwant at most 512", len(reply))
				}
			}
		}, "udp"},
		{must, "RFC 2181 9", "what the upstream cut is asked for over TCP, not kept cut", func(w *world) {
			w.up.follow(large(3000))
			same(w, "rcode", rcode(w.ask("www.example.", dns.TypeTXT)), "NOERROR")
			overTCP := slices.ContainsFunc(w.up.questions(), func(a *asked) bool { return a.TCP })
			same(w, "the upstream was asked over TCP", overTCP, true)
		}, ""},
		{must, "RFC 1035 4.2.2", "an answer of nearly 64 KiB comes whole", func(w *world) {
			w.up.follow(large(65000))
			reply := w.ask("www.example.", dns.TypeTXT, withEDNS(1232))
			same(w, "TC", reply.Truncated, false)
			if size := reply.Len(); size < 60000 {
				w.failf("got  %d bytes\nwant 65000", size)
			}
		}, "tcp"},
		{must, "RFC 3597 3", "types that nobody knows are passed on and kept", func(w *world) {
			w.up.follow(says(`@ 300 IN TYPE65280 \# 5 c00c010203`))
			for range 2 {
				same(w, "records", lines(w.ask("www.example.", 65280).Answer), `www.example. TYPE65280 \# 5 c00c010203`)
			}
			same(w, "questions upstream", w.count("www.example.", 65280), 1)
		}, ""},
		{must, "RFC 3597 4", "data of unknown types is not taken for compressed names", func(w *world) {
			w.up.follow(says(`@ 300 IN TYPE65281 \# 6 c00cc00cffff`))
			w.ask("www.example.", 65281)
			packet := w.raw(pack(question("WWW.example.", 65281)))
			if !bytes.Contains(packet, []byte{0, 6, 0xc0, 12, 0xc0, 12, 0xff, 0xff}) {
				w.failf("got  %x\nwant the data as they are", packet)
			}
		}, ""},
		{must, "RFC 5625 4.3", "known types keep their data: MX, SRV, CAA, NAPTR, TLSA, SSHFP", func(w *world) {
			for kind, data := range map[uint16]string{
				dns.TypeMX: "MX 10 mail.example.", dns.TypeSRV: "SRV 1 2 443 www.example.", dns.TypeCAA: `CAA 0 issue "ca.example"`,
				dns.TypeNAPTR: `NAPTR 1 2 "u" "E2U+sip" "!^.*$!sip:x@example!" .`, dns.TypeTLSA: "TLSA 3 1 1 00ff", dns.TypeSSHFP: "SSHFP 1 1 AABB",
			} {
				w.up.follow(says("@ 300 IN " + data))
				for range 2 {
					same(w, "record", strings.ToLower(lines(w.ask("www.example.", kind).Answer)), strings.ToLower("www.example. "+data))
				}
			}
		}, ""},
		{must, "RFC 9460 4.2", "HTTPS and SVCB records of others keep their hints and unknown keys", func(w *world) {
			const data = `HTTPS 1 . alpn="h3,h2" ipv4hint="192.0.2.7" ipv6hint="2001:db8::7" key65400="x"`
			w.up.follow(says("@ 300 IN " + data))
			same(w, "record", lines(w.ask("www.example.", dns.TypeHTTPS).Answer), "www.example. "+data)
		}, ""},
		{must, "RFC 4343 4.1", "the letter case of data is kept", func(w *world) {
			w.up.follow(says("@ 300 IN MX 10 Mail.EXAMPLE."))
			for range 2 {
				same(w, "record", lines(w.ask("www.example.", dns.TypeMX).Answer), "www.example. MX 10 Mail.EXAMPLE.")
			}
		}, ""},
		{must, "RFC 1034 3.6.2", "a chain of CNAMEs comes whole and in order", func(w *world) {
			w.up.follow(says("@ 300 IN CNAME a.example.", "a.example. 300 IN CNAME b.other.", "b.other. 300 IN CNAME c.other.", "c.other. 300 IN A 192.0.2.9"))
			for range 2 {
				var chain []string
				for _, rr := range w.ask("www.example.", dns.TypeA).Answer {
					chain = append(chain, rr.Header().Name)
				}
				same(w, "chain", strings.Join(chain, " "), "www.example. a.example. b.other. c.other.")
			}
			same(w, "questions upstream", w.total(), 1)
		}, ""},
		{must, "RFC 2181 8", "a chain is kept no longer than its shortest link", func(w *world) {
			w.up.follow(says("@ 300 IN CNAME a.example.", "a.example. 5 IN A 192.0.2.9"))
			w.ask("www.example.", dns.TypeA)
			w.pass(6 * time.Second)
			w.ask("www.example.", dns.TypeA)
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 2)
		}, ""},
		{must, "RFC 6672 3.1", "a DNAME comes with the CNAME made of it", func(w *world) {
			w.up.follow(says("example. 300 IN DNAME other.", "@ 300 IN CNAME www.other.", "www.other. 300 IN A 192.0.2.9"))
			for range 2 {
				same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "example. DNAME other.; www.example. CNAME www.other.; www.other. A 192.0.2.9")
			}
		}, ""},
		{must, "RFC 6604 3", "the rcode is that of the end of the chain", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.negative(dns.RcodeNameError, soa)
				reply.Answer = a.records("@ 300 IN CNAME gone.example.")
				a.reply(reply)
			})
			for range 2 {
				reply := w.ask("www.example.", dns.TypeA)
				same(w, "rcode", rcode(reply), "NXDOMAIN")
				same(w, "records", lines(reply.Answer), "www.example. CNAME gone.example.")
			}
		}, ""},
		{must, "RFC 2308 2.2", "a chain whose end has no such records is no error", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.negative(dns.RcodeSuccess, soa)
				reply.Answer = a.records("@ 300 IN CNAME empty.example.")
				a.reply(reply)
			})
			for range 2 {
				reply := w.ask("www.example.", dns.TypeAAAA)
				same(w, "rcode", rcode(reply), "NOERROR")
				same(w, "records", lines(reply.Answer), "www.example. CNAME empty.example.")
				same(w, "authority", len(reply.Ns), 1)
			}
		}, ""},
		{should, "RFC 5625 3", "records that nobody expected in the authority section are passed on", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.answer("@ 300 IN A 192.0.2.1")
				reply.Ns = a.records("example. 300 IN NS ns.example.")
				a.reply(reply)
			})
			same(w, "authority", lines(w.ask("www.example.", dns.TypeA).Ns), "example. NS ns.example.")
		}, ""},
	}
}

// large answers with TXT records of about so many bytes in all, cut over UDP as the client asked.
func large(size int) script {
	return func(a *asked) {
		var records []string
		for left := size; left > 0; left -= 260 {
			records = append(records, fmt.Sprintf(`@ 300 IN TXT "%s"`, strings.Repeat("x", min(240, left))))
		}
		a.reply(a.answer(records...))
	}
}
