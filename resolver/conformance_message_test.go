package resolver_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// messageRows are about the header and the question.
func messageRows() []row {
	return []row{
		{must, "RFC 1035 4.1.1", "an answer has its question's id and opcode, and says that it is one", func(w *world) {
			reply := w.ask("www.example.", dns.TypeA)
			same(w, "QR", reply.Response, true)
			same(w, "opcode", reply.Opcode, dns.OpcodeQuery)
		}, ""},
		{must, "RFC 1035 4.1.1", "RD is copied from the question", func(w *world) {
			same(w, "RD", w.ask("www.example.", dns.TypeA).RecursionDesired, true)
			without := question("www.example.", dns.TypeA)
			without.RecursionDesired = false
			same(w, "RD of a question without", w.askMsg(without).RecursionDesired, false)
		}, ""},
		{must, "RFC 1035 4.1.1", "RA says that recursion is to be had, whatever the upstream says", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.answer("@ 300 IN A 192.0.2.1")
				reply.RecursionAvailable = false
				a.reply(reply)
			})
			same(w, "RA", w.ask("www.example.", dns.TypeA).RecursionAvailable, true)
			same(w, "RA from memory", w.ask("www.example.", dns.TypeA).RecursionAvailable, true)
		}, ""},
		{must, "RFC 1034 6.2.1", "AA is not claimed for what others said", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.answer("@ 300 IN A 192.0.2.1")
				reply.Authoritative = true
				a.reply(reply)
			})
			w.ask("www.example.", dns.TypeA)
			same(w, "AA from memory", w.ask("www.example.", dns.TypeA).Authoritative, false)
		}, ""},
		{must, "RFC 1035 4.1.1", "the reserved bit is zero in answers, and no reason to refuse a question", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.answer("@ 300 IN A 192.0.2.1")
				reply.Zero = true
				a.reply(reply)
			})
			reply := w.ask("www.example.", dns.TypeA, func(q *dns.Msg) { q.Zero = true })
			same(w, "Z", reply.Zero, false)
			same(w, "records", lines(reply.Answer), "www.example. A 192.0.2.1")
		}, ""},
		{must, "RFC 8906 3.1.3", "flags that mean nothing in a question are no reason to fail, and do not come back", func(w *world) {
			reply := w.ask("www.example.", dns.TypeA, func(q *dns.Msg) { q.Authoritative, q.RecursionAvailable, q.Rcode = true, true, 5 })
			same(w, "rcode", rcode(reply), "NOERROR")
			same(w, "AA", reply.Authoritative, false)
			same(w, "records", lines(reply.Answer), "www.example. A 192.0.2.1")
		}, ""},
		{must, "RFC 2181 4.1", "an answer comes from the address and port that were asked", func(w *world) {
			conn, err := net.ListenUDP("udp4", nil)
			if err != nil {
				w.failf("%v", err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(answerPatience))
			conn.WriteToUDPAddrPort(pack(question("www.example.", dns.TypeA)), netip.MustParseAddrPort(w.addr))
			_, from, err := conn.ReadFromUDPAddrPort(make([]byte, 512))
			if err != nil {
				w.failf("got  %v\nwant an answer", err)
			}
			same(w, "from", from.String(), w.addr)
		}, "udp"},
		{must, "RFC 1035 4.1", "what stands behind a message, or before its questions, harms nobody", func(w *world) {
			whole := pack(question("www.example.", dns.TypeA))
			w.try(append(bytes.Clone(whole), make([]byte, 40)...), time.Second/4)
			q := question("www.example.", dns.TypeA)
			q.Answer = (&asked{Msg: q}).records("@ 300 IN A 203.0.113.66")
			if packet, err := w.try(pack(q), time.Second); err == nil && strings.Contains(w.read(packet).String(), "203.0.113.66") {
				w.failf("got  %x\nwant nothing of the client's own records", packet)
			}
			same(w, "records for the next one", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
		}, ""},
		{must, "RFC 1035 4.1.2", "an answer repeats the question, also when it is a failure", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.up.follow(fails(dns.RcodeServerFailure))
			w.ask("broken.example.", dns.TypeA)
		}, ""},
		{must, "RFC 5452 9.1", "what says to be an answer is never answered, or two servers would talk for ever", func(w *world) {
			q := question("www.example.", dns.TypeA)
			q.Response = true
			w.mute(pack(q))
		}, ""},
		{must, "RFC 1035 4.1.1", "what is shorter than a header is no question, and harms nobody", func(w *world) {
			for size := range 12 {
				w.try(header(0)[:size], 1)
			}
			w.alive()
		}, ""},
		{must, "RFC 1035 4.1.1", "a question that is cut off is FORMERR", func(w *world) {
			whole := pack(question("www.example.", dns.TypeA))
			for _, size := range []int{12, 13, 20, len(whole) - 4, len(whole) - 1} {
				formErr(w, whole[:size])
			}
		}, ""},
		{must, "RFC 1035 4.1.1", "counts that promise more records than there are is FORMERR", func(w *world) {
			whole := pack(question("www.example.", dns.TypeA))
			for _, count := range []int{7, 9, 11} {
				lying := bytes.Clone(whole)
				lying[count] = 1
				formErr(w, lying)
			}
		}, ""},
		{must, "RFC 9619 4", "two questions are FORMERR, and none is asked", func(w *world) {
			q := question("one.example.", dns.TypeA)
			q.Question = append(q.Question, dns.Question{Name: "two.example.", Qtype: dns.TypeA, Qclass: dns.ClassINET})
			formErr(w, pack(q))
			same(w, "questions upstream", w.total(), 0)
		}, ""},
		{must, "RFC 9619 4", "no question at all is FORMERR", func(w *world) { formErr(w, header(0)) }, ""},
		{must, "RFC 3425 3", "IQUERY is NOTIMP", notImplemented(dns.OpcodeIQuery), ""},
		{must, "RFC 8906 8.1.4", "STATUS and opcodes that nobody knows are NOTIMP", func(w *world) {
			for _, opcode := range []int{dns.OpcodeStatus, 3, 7, 15} {
				notImplemented(opcode)(w)
			}
		}, ""},
		{must, "RFC 2136 3.1", "UPDATE is NOTIMP (or REFUSED), and never passed on", notImplemented(dns.OpcodeUpdate), ""},
		{must, "RFC 1996 3.11", "NOTIFY is NOTIMP (or REFUSED), and never passed on", notImplemented(dns.OpcodeNotify), ""},
		{must, "RFC 8490 5.1.1", "DSO is NOTIMP for who does not do it", func(w *world) {
			packet := header(0)
			packet[2] = 6 << 3
			reply := new(dns.Msg)
			if err := reply.Unpack(w.raw(packet)); err != nil {
				w.failf("got  %v\nwant a header", err)
			}
			same(w, "rcode", rcode(reply), "NOTIMP")
		}, ""},
		{should, "RFC 6891 6.1.1", "NOTIMP has an OPT if the question had one", func(w *world) {
			q := question("www.example.", dns.TypeSOA, withEDNS(1232))
			q.Opcode = 15
			reply := w.read(w.raw(pack(q)))
			same(w, "rcode", rcode(reply), "NOTIMP")
			same(w, "has an OPT", reply.IsEdns0() != nil, true)
		}, ""},
		{must, "RFC 1035 3.2.4", "other classes than IN are not mixed up with it", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			for _, class := range []uint16{dns.ClassCHAOS, dns.ClassHESIOD, dns.ClassNONE, dns.ClassANY, 4711} {
				q := question("www.example.", dns.TypeA)
				q.Question[0].Qclass = class
				same(w, fmt.Sprint("rcode in class ", class), rcode(w.askMsg(q)), "REFUSED")
			}
		}, ""},
		{should, "RFC 4892 2.1", "version.bind tells strangers nothing", func(w *world) {
			q := question("version.bind.", dns.TypeTXT)
			q.Question[0].Qclass = dns.ClassCHAOS
			same(w, "rcode", rcode(w.askMsg(q)), "REFUSED")
			same(w, "questions upstream", w.total(), 0)
		}, ""},
		{must, "RFC 1035 2.3.4", "a name may have 255 octets", func(w *world) {
			name := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("b", 61) + "."
			same(w, "records", lines(w.ask(name, dns.TypeA).Answer), name+" A 192.0.2.1")
		}, ""},
		{must, "RFC 1035 2.3.4", "a name may have 127 labels", func(w *world) {
			name := strings.Repeat("a.", 127)
			same(w, "records", lines(w.ask(name, dns.TypeA).Answer), name+" A 192.0.2.1")
		}, ""},
		{must, "RFC 1035 2.3.4", "a name of 256 octets is FORMERR", func(w *world) {
			packet := header(1)
			for _, size := range []int{63, 63, 63, 62} {
				packet = append(append(packet, byte(size)), bytes.Repeat([]byte{'a'}, size)...)
			}
			formErr(w, append(packet, 0, 0, 1, 0, 1))
		}, ""},
		{must, "RFC 6891 5", "labels of other kinds (0x40, 0x80) are FORMERR", func(w *world) {
			for _, kind := range []byte{0x41, 0x80} {
				formErr(w, append(header(1), kind, 'a', 0, 0, 1, 0, 1))
			}
		}, ""},
		{must, "RFC 1035 4.1.4", "a question whose name points to itself, or ahead, is FORMERR", func(w *world) {
			formErr(w, append(header(1), 0xc0, 12, 0, 1, 0, 1))
			formErr(w, append(header(1), 1, 'a', 0xc0, 12, 0, 1, 0, 1))
			formErr(w, append(header(1), 0xc0, 20, 0, 1, 0, 1))
			formErr(w, append(header(1), 0xff, 0xff, 0, 1, 0, 1))
		}, ""},
		{must, "RFC 4343 4.1", "the letter case of the question comes back, also from memory", func(w *world) {
			for range 2 {
				same(w, "records", lines(w.ask("wWw.ExAmPlE.", dns.TypeA).Answer), "wWw.ExAmPlE. A 192.0.2.1")
			}
			same(w, "records", lines(w.ask("WWW.example.", dns.TypeA).Answer), "WWW.example. A 192.0.2.1")
		}, ""},
		{should, "RFC 4343 3", "who answers in lower case whatever he is asked is understood, and the letter case of the question comes back", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.answer("@ 300 IN A 192.0.2.1")
				reply.Question[0].Name = strings.ToLower(reply.Question[0].Name)
				reply.Answer[0].Header().Name = reply.Question[0].Name
				a.send(pack(reply))
			})
			for _, name := range []string{"wWw.ExAmPlE.", "WWW.example.", "www.example.", "Other.example."} {
				same(w, "records", lines(w.ask(name, dns.TypeA).Answer), name+" A 192.0.2.1")
			}
		}, ""},
		{must, "RFC 4343 3", "names that differ in letter case are one name", func(w *world) {
			w.ask("www.example.", dns.TypeA)
			w.ask("WWW.eXample.", dns.TypeA)
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 1)
		}, ""},
		{must, "RFC 2181 11", "names may hold any octet", func(w *world) {
			for _, name := range []string{`a\.b.example.`, `\000\255\032.example.`, `*.example.`, `_dmarc.example.`, `a\092b.example.`} {
				reply := w.ask(name, dns.TypeA)
				same(w, "rcode of "+name, rcode(reply), "NOERROR")
				same(w, "records of "+name, len(reply.Answer), 1)
			}
			same(w, "rcode of two labels for one with a dot", rcode(w.ask("a.b.example.", dns.TypeA)), "NOERROR")
			same(w, "questions upstream", w.count("a.b.example.", dns.TypeA), 1)
		}, ""},
		{must, "RFC 1034 3.1", "the root is a name like others", func(w *world) {
			w.up.follow(says(". 300 IN NS a.root-servers.net."))
			same(w, "records", lines(w.ask(".", dns.TypeNS).Answer), ". NS a.root-servers.net.")
		}, ""},
		{must, "RFC 5936 2.2", "zone transfers are not passed on", func(w *world) {
			for _, kind := range []uint16{dns.TypeAXFR, dns.TypeIXFR} {
				q := question("example.", kind)
				if kind == dns.TypeIXFR {
					q.Ns = (&asked{Msg: q}).records(soa)
				}
				same(w, "rcode of "+dns.TypeToString[kind], rcode(w.read(w.raw(pack(q)))), "REFUSED")
			}
			same(w, "questions upstream", w.total(), 0)
		}, ""},
		{must, "RFC 2930 4", "TKEY, MAILA and MAILB are not passed on", func(w *world) {
			for _, kind := range []uint16{dns.TypeTKEY, 253, 254} {
				reply := w.ask("example.", kind)
				same(w, fmt.Sprint("answers to type ", kind), len(reply.Answer), 0)
				same(w, fmt.Sprint("is NOERROR for type ", kind), reply.Rcode == dns.RcodeSuccess, false)
			}
			same(w, "questions upstream", w.total(), 0)
		}, ""},
		{must, "RFC 9824 3.5", "NXNAME and OPT are no types to ask for: FORMERR, and not passed on", func(w *world) {
			for _, kind := range []uint16{128, dns.TypeOPT} {
				same(w, fmt.Sprint("rcode of type ", kind), rcode(w.ask("www.example.", kind)), "FORMERR")
			}
			same(w, "questions upstream", w.total(), 0)
		}, ""},
		{should, "RFC 8482 4.2", "ANY gets little: one HINFO, and nobody is asked", func(w *world) {
			reply := w.ask("www.example.", dns.TypeANY)
			same(w, "records", lines(reply.Answer), `www.example. HINFO "RFC8482" ""`)
			same(w, "questions upstream", w.total(), 0)
		}, ""},
	}
}

// formErr wants that for some bytes, and that a whole header comes back under their id.
func formErr(w *world, packet []byte) {
	reply := w.raw(packet)
	switch {
	case len(reply) < 12:
		w.failf("for %x\ngot  %x\nwant a header", packet, reply)
	case !bytes.Equal(reply[:2], packet[:2]), reply[2]&0x80 == 0, reply[3]&15 != dns.RcodeFormatError:
		w.failf("for %x\ngot  %x\nwant FORMERR under the same id", packet, reply)
	}
	w.read(reply)
}

func notImplemented(opcode int) func(*world) {
	return func(w *world) {
		q := question("www.example.", dns.TypeSOA)
		q.Opcode = opcode
		reply := w.read(w.raw(pack(q)))
		same(w, "opcode", reply.Opcode, opcode)
		if got := rcode(reply); got != "NOTIMP" && (got != "REFUSED" || opcode < dns.OpcodeNotify) {
			w.failf("rcode of opcode %d\ngot  %s\nwant NOTIMP", opcode, got)
		}
		same(w, "questions upstream", w.total(), 0)
	}
}
