package resolver_test

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// ednsRows are about the OPT record and what it carries.
func ednsRows() []row {
	return []row{
		{must, "RFC 6891 6.1.1", "an answer has an OPT if the question has one, and else none", func(w *world) {
			for _, name := range []string{"www.example.", "www.none.example.", "localhost.", ours} {
				for range 2 {
					same(w, "OPT for "+name, w.ask(name, dns.TypeA, withEDNS(1232)).IsEdns0() != nil, true)
					same(w, "OPT for "+name+" without", w.ask(name, dns.TypeA).IsEdns0() != nil, false)
				}
			}
		}, ""},
		{must, "RFC 6891 7", "failures have an OPT, too", func(w *world) {
			w.up.follow(fails(dns.RcodeServerFailure))
			reply := w.ask("www.example.", dns.TypeA, withEDNS(1232))
			same(w, "rcode", rcode(reply), "SERVFAIL")
			same(w, "has an OPT", reply.IsEdns0() != nil, true)
		}, ""},
		{must, "RFC 6891 6.1.1", "two OPTs are FORMERR", func(w *world) {
			q := question("www.example.", dns.TypeA, withEDNS(1232))
			q.Extra = append(q.Extra, q.Extra[0])
			formErr(w, pack(q))
		}, ""},
		{must, "RFC 6891 6.1.2", "an OPT whose name is not the root is FORMERR", func(w *world) {
			packet := pack(question("www.example.", dns.TypeA))
			packet[11] = 1
			formErr(w, append(packet, 1, 'x', 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0))
		}, ""},
		{must, "RFC 6891 6.1.2", "options that are longer than their record are FORMERR", func(w *world) {
			packet := pack(question("www.example.", dns.TypeA))
			packet[11] = 1
			formErr(w, append(packet, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 5, 0, 10, 0, 200, 1))
		}, ""},
		{must, "RFC 6891 6.1.3", "a version that does not exist yet is BADVERS, and version 0 is named", func(w *world) {
			badVersion(w, func(*dns.OPT) {})
			same(w, "questions upstream", w.total(), 0)
		}, ""},
		{must, "RFC 8906 8.2.5", "BADVERS also with flags that nobody knows", func(w *world) {
			badVersion(w, func(opt *dns.OPT) { opt.SetZ(0x40) })
		}, ""},
		{must, "RFC 8906 8.2.6", "BADVERS also with options that nobody knows", func(w *world) {
			badVersion(w, func(opt *dns.OPT) {
				opt.Option = append(opt.Option, &dns.EDNS0_LOCAL{Code: 65100, Data: []byte{1}})
			})
		}, ""},
		{should, "RFC 8906 8.2.9", "BADVERS repeats DO", func(w *world) {
			same(w, "DO", badVersion(w, func(opt *dns.OPT) { opt.SetDo() }).Do(), true)
		}, ""},
		{must, "RFC 6891 6.1.2", "options that nobody knows are no reason to fail, and do not come back", func(w *world) {
			for _, code := range []uint16{100, 65001, 65535} {
				reply := w.ask("www.example.", dns.TypeA, withOption(&dns.EDNS0_LOCAL{Code: code, Data: []byte("xyz")}))
				same(w, "rcode", rcode(reply), "NOERROR")
				same(w, "options", len(reply.IsEdns0().Option), 0)
			}
		}, ""},
		{must, "RFC 6891 6.1.4", "flags that nobody knows are no reason to fail, and do not come back", func(w *world) {
			reply := w.ask("www.example.", dns.TypeA, withEDNS(1232), func(q *dns.Msg) { q.IsEdns0().SetZ(0x1234) })
			same(w, "rcode", rcode(reply), "NOERROR")
			same(w, "flags", reply.IsEdns0().Z(), 0)
		}, ""},
		{must, "RFC 6891 6.1.3", "an upstream's extended rcode does not become a success for who cannot see it", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.answer()
				if reply.IsEdns0() == nil {
					reply.SetEdns0(1232, false)
				}
				reply.Rcode = dns.RcodeBadVers
				a.reply(reply)
			})
			for range 2 {
				same(w, "rcode", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL")
			}
		}, ""},
		{must, "RFC 6891 6.2.3", "a size below 512 counts as 512", func(w *world) {
			w.up.follow(large(400))
			for _, size := range []uint16{0, 1, 100, 511} {
				reply := w.ask("www.example.", dns.TypeTXT, withEDNS(size))
				same(w, fmt.Sprintf("TC with size %d", size), reply.Truncated, false)
				same(w, "has the records", len(reply.Answer) > 0, true)
			}
		}, "udp"},
		{must, "RFC 6891 6.2.3", "no datagram is larger than the client said", func(w *world) {
			for _, size := range []int{512, 600, 700, 900, 1100, 1232} {
				w.up.follow(large(size))
				reply := w.raw(pack(question(fmt.Sprintf("n%d.example.", size), dns.TypeTXT, withEDNS(uint16(size)))))
				if len(reply) > size {
					w.failf("got  %d bytes\nwant at most %d", len(reply), size)
				}
			}
		}, "udp"},
		{should, "RFC 9715 3.1", "no datagram is larger than what surely passes in one piece", func(w *world) {
			w.up.follow(large(3000))
			if reply := w.raw(pack(question("www.example.", dns.TypeTXT, withEDNS(65535)))); len(reply) > 1400 {
				w.failf("got  %d bytes\nwant at most 1400", len(reply))
			}
		}, "udp"},
		{should, "RFC 9715 3.1", "the size that we offer, and that we ask upstreams with, passes in one piece", func(w *world) {
			if size := w.ask("www.example.", dns.TypeA, withEDNS(4096)).IsEdns0().UDPSize(); size < 512 || size > 1400 {
				w.failf("offered\ngot  %d\nwant 512 to 1400", size)
			}
			for _, a := range w.up.questions() {
				if opt := a.IsEdns0(); opt == nil || opt.UDPSize() > 1400 {
					w.failf("asked upstream with\ngot  %v\nwant at most 1400", opt)
				}
			}
		}, ""},
		{must, "RFC 8906 8.2.7", "an answer that is cut has its OPT", func(w *world) {
			w.up.follow(large(3000))
			reply := w.ask("www.example.", dns.TypeTXT, withEDNS(512))
			same(w, "TC", reply.Truncated, true)
			same(w, "has an OPT", reply.IsEdns0() != nil, true)
		}, "udp"},
		{must, "RFC 6891 6.1.1", "the client's options stay on this hop: cookies, subnets, NSID", func(w *world) {
			w.ask("www.example.", dns.TypeA, withOption(&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}),
				withOption(&dns.EDNS0_NSID{Code: dns.EDNS0NSID}), withOption(&dns.EDNS0_LOCAL{Code: 65001, Data: []byte{1}}))
			for _, a := range w.up.questions() {
				if opt := a.IsEdns0(); opt != nil && slices.ContainsFunc(opt.Option, func(o dns.EDNS0) bool { return o.Option() != dns.EDNS0PADDING }) {
					w.failf("options upstream\ngot  %v\nwant none of the client's", opt.Option)
				}
			}
		}, ""},
		{must, "RFC 6891 6.1.1", "the upstream's options are neither kept nor passed on", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.answer("@ 300 IN A 192.0.2.1")
				if reply.IsEdns0() == nil {
					reply.SetEdns0(1232, false)
				}
				reply.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: "beef"}}
				a.reply(reply)
			})
			for range 2 {
				same(w, "options", len(w.ask("www.example.", dns.TypeA, withEDNS(1232)).IsEdns0().Option), 0)
			}
		}, ""},
		{should, "RFC 6891 6.2.2", "an upstream that does not know EDNS is asked without", func(w *world) {
			w.up.follow(func(a *asked) {
				if a.IsEdns0() != nil {
					reply := new(dns.Msg).SetRcode(a.Msg, dns.RcodeFormatError)
					a.reply(reply)
					return
				}
				helpful(a)
			})
			same(w, "records", lines(w.ask("www.example.", dns.TypeA, withEDNS(1232)).Answer), "www.example. A 192.0.2.1")
		}, ""},
		{should, "RFC 7830 6", "nothing is padded in clear text", func(w *world) {
			reply := w.ask("www.example.", dns.TypeA, withOption(&dns.EDNS0_PADDING{Padding: make([]byte, 64)}))
			same(w, "options", len(reply.IsEdns0().Option), 0)
		}, ""},
		{must, "RFC 7828 3.3.1", "keepalive is not spoken of over UDP", func(w *world) {
			packet := w.raw(pack(question("www.example.", dns.TypeA, withOption(&dns.EDNS0_LOCAL{Code: dns.EDNS0TCPKEEPALIVE}))))
			if bytes.Contains(packet, []byte{0, dns.EDNS0TCPKEEPALIVE, 0}) {
				w.failf("got  %x\nwant no keepalive", packet)
			}
			same(w, "rcode", rcode(w.read(packet)), "NOERROR")
		}, "udp"},
		{must, "RFC 8906 8.1.3", "AD and CD are no reason to fail, without EDNS either", func(w *world) {
			for _, change := range []func(*dns.Msg){withAD, withCD} {
				same(w, "records", lines(w.ask("www.example.", dns.TypeA, change).Answer), "www.example. A 192.0.2.1")
			}
		}, ""},
		{should, "RFC 8914 3", "a failure says why (EDE 22 or 23), to who speaks EDNS", func(w *world) {
			w.up.close()
			codes := ede(w.ask("www.example.", dns.TypeA, withEDNS(1232)))
			if len(codes) == 0 || codes[0] != dns.ExtendedErrorCodeNoReachableAuthority && codes[0] != dns.ExtendedErrorCodeNetworkError {
				w.failf("extended errors\ngot  %v\nwant 22 or 23", codes)
			}
		}, ""},
	}
}

// badVersion asks with EDNS version 1.
func badVersion(w *world, change func(*dns.OPT)) *dns.OPT {
	reply := w.ask("www.example.", dns.TypeA, withEDNS(1232), func(q *dns.Msg) {
		q.IsEdns0().SetVersion(1)
		change(q.IsEdns0())
	})
	opt := reply.IsEdns0()
	if opt == nil {
		w.failf("got  %v\nwant an OPT", reply)
	}
	same(w, "rcode", reply.Rcode, dns.RcodeBadVers)
	same(w, "version", opt.Version(), 0)
	same(w, "options", len(opt.Option), 0)
	same(w, "records", len(reply.Answer), 0)
	opt.SetDo(opt.Do())
	if opt.Z() != 0 {
		w.failf("flags\ngot  %x\nwant none", opt.Z())
	}
	return opt
}
