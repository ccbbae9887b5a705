package resolver_test

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	signature = "@ 300 IN RRSIG A 8 2 300 20400101000000 20200101000000 1 example. AAAA"
	forgedA   = "@ 300 IN A 203.0.113.66"
	rightA    = "@ 300 IN A 192.0.2.1"
)

// signed answers with a signature to who asks for one, and says that it was checked.
func signed(a *asked) {
	reply := a.answer(rightA)
	if opt := a.IsEdns0(); opt != nil && opt.Do() {
		reply.Answer = append(reply.Answer, a.records(signature)...)
	}
	reply.AuthenticatedData = !a.CheckingDisabled
	a.reply(reply)
}

// securityRows are about DNSSEC, which we pass on and do not do.
func securityRows() []row {
	return []row{
		{must, "RFC 3225 3", "DO goes to the upstream, and comes back", func(w *world) {
			w.up.follow(signed)
			for range 2 {
				same(w, "DO of the answer", w.ask("www.example.", dns.TypeA, withDO).IsEdns0().Do(), true)
			}
			opt := w.up.questions()[0].IsEdns0()
			same(w, "DO upstream", opt != nil && opt.Do(), true)
		}, ""},
		{must, "RFC 4035 3.2.1", "signatures come to who asks for them, and to nobody else", func(w *world) {
			w.up.follow(signed)
			for range 2 {
				same(w, "records with DO", len(w.ask("www.example.", dns.TypeA, withDO).Answer), 2)
				same(w, "records without", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
			}
		}, ""},
		{must, "RFC 4035 3.2.2", "CD goes to the upstream, and comes back", func(w *world) {
			w.up.follow(signed)
			for range 2 {
				same(w, "CD of the answer", w.ask("www.example.", dns.TypeA, withCD).CheckingDisabled, true)
				same(w, "CD of another", w.ask("www.example.", dns.TypeA).CheckingDisabled, false)
			}
			same(w, "CD upstream", w.up.questions()[0].CheckingDisabled, true)
		}, ""},
		{must, "RFC 4035 4.7", "what came unchecked is not given to who wants it checked", func(w *world) {
			w.up.follow(func(a *asked) {
				if a.CheckingDisabled {
					a.reply(a.answer("@ 300 IN A 203.0.113.66"))
					return
				}
				fails(dns.RcodeServerFailure)(a)
			})
			same(w, "rcode with CD", rcode(w.ask("www.example.", dns.TypeA, withCD)), "NOERROR")
			same(w, "rcode without", rcode(w.ask("www.example.", dns.TypeA)), "SERVFAIL")
		}, ""},
		{should, "RFC 6840 5.7", "AD comes to who understands it", func(w *world) {
			w.up.follow(signed)
			for range 2 {
				same(w, "AD with DO", w.ask("www.example.", dns.TypeA, withDO).AuthenticatedData, true)
				same(w, "AD with AD", w.ask("www.example.", dns.TypeA, withAD).AuthenticatedData, true)
			}
		}, ""},
		{should, "RFC 6840 5.8", "AD does not come to who asked neither for it nor for signatures", func(w *world) {
			w.up.follow(signed)
			for range 2 {
				same(w, "AD", w.ask("www.example.", dns.TypeA).AuthenticatedData, false)
			}
		}, ""},
		{must, "RFC 4035 3.2.3", "AD is not made up", func(w *world) {
			same(w, "AD", w.ask("www.example.", dns.TypeA, withDO, withAD).AuthenticatedData, false)
			same(w, "AD of localhost", w.ask("localhost.", dns.TypeA, withDO, withAD).AuthenticatedData, false)
		}, ""},
		{must, "RFC 4035 3.1.4", "DS, DNSKEY, RRSIG and NSEC can be asked for by name", func(w *world) {
			for kind, data := range map[uint16]string{
				dns.TypeDS: "DS 1 8 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", dns.TypeDNSKEY: "DNSKEY 257 3 8 AwEAAQ==",
				dns.TypeNSEC: "NSEC a.example. A RRSIG NSEC",
			} {
				w.up.follow(says("@ 300 IN " + data))
				same(w, "record", lines(w.ask("example.", kind).Answer), "example. "+data)
			}
			w.up.follow(says(signature))
			same(w, "signatures", len(w.ask("example.", dns.TypeRRSIG).Answer), 1)
		}, ""},
		{must, "RFC 4035 3.1.3", "the proof that a name does not exist comes whole, and from memory, too", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.negative(dns.RcodeNameError, soa)
				reply.Ns = append(reply.Ns, a.records("example. 60 IN NSEC z.example. NS SOA RRSIG NSEC", "example. 60 IN RRSIG NSEC 8 1 60 20400101000000 20200101000000 1 example. AAAA")...)
				a.reply(reply)
			})
			for range 2 {
				same(w, "authority", len(w.ask("www.example.", dns.TypeA, withDO).Ns), 3)
			}
		}, ""},
		{must, "RFC 6672 5.3.1", "the signature of a DNAME comes with it", func(w *world) {
			w.up.follow(says("example. 300 IN DNAME other.", "example. 300 IN RRSIG DNAME 8 1 300 20400101000000 20200101000000 1 example. AAAA",
				"@ 300 IN CNAME www.other.", "www.other. 300 IN A 192.0.2.9"))
			same(w, "records", len(w.ask("www.example.", dns.TypeA, withDO).Answer), 4)
		}, ""},
	}
}

// forgeryRows are about packets of others (RFC 5452). A forged one comes first, the right one a little later.
func forgeryRows() []row {
	spoiled := func(change func(*dns.Msg)) func(*world) {
		return func(w *world) {
			w.up.follow(func(a *asked) {
				forged := a.answer(forgedA)
				change(forged)
				a.send(pack(forged))
				if a.wait(30 * time.Millisecond) {
					a.reply(a.answer(rightA))
				}
			})
			same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
			same(w, "records from memory", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
		}
	}
	return []row{
		{must, "RFC 5452 9.1", "an answer under another id is passed over, and the right one awaited", spoiled(func(m *dns.Msg) { m.Id++ }), ""},
		{must, "RFC 5452 9.1", "an answer about another name is passed over", spoiled(func(m *dns.Msg) { m.Question[0].Name = "evil.example." }), ""},
		{must, "RFC 5452 9.1", "an answer about another type is passed over", spoiled(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA }), ""},
		{must, "RFC 5452 9.1", "an answer in another class is passed over", spoiled(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), ""},
		{must, "RFC 5452 9.1", "an answer to two questions is passed over", spoiled(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), ""},
		{must, "RFC 5452 9.1", "an answer without a question is passed over", spoiled(func(m *dns.Msg) { m.Question = nil }), ""},
		{must, "RFC 5452 9.1", "a question is no answer", spoiled(func(m *dns.Msg) { m.Response = false }), ""},
		{should, "RFC 5452 9.1", "an answer in another letter case is passed over", spoiled(func(m *dns.Msg) { m.Question[0].Name = "WWW.example." }), ""},
		{must, "RFC 5452 9.1", "a failure without the question is passed over, for anybody can send it", spoiled(func(m *dns.Msg) {
			m.Question, m.Answer, m.Rcode = nil, nil, dns.RcodeServerFailure
		}), ""},
		{must, "RFC 5452 9.1", "an answer from another port is passed over", func(w *world) {
			stranger := w.another()
			defer stranger.close()
			w.up.follow(func(a *asked) {
				if !a.TCP {
					stranger.udp.WriteToUDPAddrPort(pack(a.answer(forgedA)), a.From)
				}
				if a.wait(30 * time.Millisecond) {
					a.reply(a.answer(rightA))
				}
			})
			same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
		}, ""},
		{must, "RFC 5452 9.1", "a flood of wrong answers does not stop the right one", func(w *world) {
			w.up.follow(func(a *asked) {
				if !a.TCP {
					for range 50 {
						forged := a.answer(forgedA)
						forged.Id += 7
						a.send(pack(forged))
					}
				}
				a.reply(a.answer(rightA))
			})
			same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
		}, ""},
		{must, "RFC 5452 9.2", "each question upstream has an id and a port of its own, and not the client's id", func(w *world) {
			w.up.follow(func(a *asked) {
				if a.TCP {
					return
				}
				helpful(a)
			})
			ids, ports := map[uint16]bool{}, map[uint16]bool{}
			const times = 20
			for i := range times {
				q := question(fmt.Sprintf("n%d.example.", i), dns.TypeA)
				q.Id = 4711
				w.askMsg(q)
			}
			ascending := true
			asked := w.up.questions()
			for i, a := range asked {
				ids[a.Id], ports[a.From.Port()] = true, true
				ascending = ascending && (i == 0 || a.Id == asked[i-1].Id+1)
			}
			if len(ids) < times-2 || len(ports) < times-2 || ascending {
				w.failf("got  %d ids and %d ports in %d questions\nwant new ones", len(ids), len(ports), len(asked))
			}
		}, ""},
		{must, "RFC 2181 5.4.1", "records that nobody asked for are not believed", func(w *world) {
			w.up.follow(func(a *asked) {
				if !a.is("www.example.") {
					helpful(a)
					return
				}
				reply := a.answer(rightA, "bank.example. 300 IN A 203.0.113.66")
				reply.Ns = a.records("example. 300 IN NS ns.example.")
				reply.Extra = append(reply.Extra, a.records("ns.example. 300 IN A 203.0.113.66")...)
				a.reply(reply)
			})
			same(w, "records", lines(w.ask("www.example.", dns.TypeA).Answer), "www.example. A 192.0.2.1")
			for _, name := range []string{"bank.example.", "ns.example."} {
				same(w, "records of "+name, lines(w.ask(name, dns.TypeA).Answer), name+" A 192.0.2.1")
			}
		}, ""},
		{must, "RFC 5452 5", "equal questions at the same time are asked upstream once", func(w *world) {
			w.up.follow(after(20*time.Millisecond, helpful))
			w.together(20, func(int) { w.ask("www.example.", dns.TypeA) })
			same(w, "questions upstream", w.count("www.example.", dns.TypeA), 1)
		}, ""},
		{must, "RFC 5452 5", "merged questions each get an answer of their own: id, letter case, EDNS", func(w *world) {
			w.up.follow(after(100*time.Millisecond, helpful))
			w.together(12, func(i int) {
				name := []string{"www.example.", "WWW.example.", "wwW.Example."}[i%3]
				var change []func(*dns.Msg)
				if i%2 == 0 {
					change = append(change, withEDNS(1232))
				}
				reply := w.ask(name, dns.TypeA, change...)
				same(w, "records", lines(reply.Answer), name+" A 192.0.2.1")
				same(w, "has an OPT", reply.IsEdns0() != nil, i%2 == 0)
			})
		}, ""},
		{must, "RFC 1035 7.3", "what an upstream claims to have, and has not, is not passed on", func(w *world) {
			w.up.follow(func(a *asked) {
				packet := pack(a.answer(rightA))
				a.send(packet[:len(packet)-20])
				loop := bytes.Clone(packet)
				copy(loop[len(loop)-40:], []byte{0xc0, byte(len(loop) - 40)})
				a.send(loop)
			})
			reply := w.ask("www.example.", dns.TypeA)
			if reply.Rcode != dns.RcodeServerFailure && lines(reply.Answer) != "www.example. A 192.0.2.1" {
				w.failf("got  %v\nwant SERVFAIL", reply)
			}
			w.alive()
		}, ""},
	}
}

// together does a thing many times at once. The first that was wrong ends the row.
func (w *world) together(times int, do func(i int)) {
	var running sync.WaitGroup
	for i := range times {
		running.Go(func() { do(i) })
	}
	running.Wait()
	if w.wrong != "" {
		runtime.Goexit()
	}
}

// truthRows are about who asks for signatures and may validate: our own address would be forged to him where there are some.
func truthRows() []row {
	const sig = "registry.npmjs.org. 300 IN RRSIG A 8 3 300 20400101000000 20200101000000 1 npmjs.org. AAAA"
	return []row{
		{must, "RFC 4035 5.3", "who asks for signatures gets our host as it is, if it is signed", func(w *world) {
			w.up.follow(says("@ 300 IN A 192.0.2.9", sig))
			for range 2 {
				same(w, "records with DO", len(w.ask(ours, dns.TypeA, withDO).Answer), 2)
				same(w, "records without", lines(w.ask(ours, dns.TypeA).Answer), ours+" A "+ourAddr.String())
			}
			same(w, "questions upstream", w.count(ours, dns.TypeA), 1)
			w.pass(301 * time.Second)
			w.up.follow(fails(dns.RcodeServerFailure))
			same(w, "records when nobody can be asked", len(w.ask(ours, dns.TypeA, withDO).Answer), 2)
			w.pass(2 * time.Hour)
			same(w, "rcode two hours later", rcode(w.ask(ours, dns.TypeA, withDO)), "SERVFAIL")
			same(w, "records without", lines(w.ask(ours, dns.TypeA).Answer), ours+" A "+ourAddr.String())
		}, ""},
		{must, "RFC 4035 5.4", "and the proof that it has none of a kind, or does not exist", func(w *world) {
			const name = "npmjs.org. 60 IN SOA ns.npmjs.org. admin.npmjs.org. 1 3600 600 86400 60"
			for _, row := range []struct {
				kind uint16
				code int
			}{{dns.TypeAAAA, dns.RcodeSuccess}, {dns.TypeHTTPS, dns.RcodeNameError}} {
				w.up.follow(func(a *asked) {
					reply := a.negative(row.code, name)
					reply.Ns = append(reply.Ns, a.records("npmjs.org. 60 IN RRSIG SOA 8 2 60 20400101000000 20200101000000 1 npmjs.org. AAAA")...)
					a.reply(reply)
				})
				reply := w.ask(ours, row.kind, withDO)
				same(w, "rcode", reply.Rcode, row.code)
				same(w, "authority", len(reply.Ns), 2)
			}
		}, ""},
		{must, "Hither: signatures", "who asks for signatures gets our address if there are none, from one question for as long as that holds", func(w *world) {
			for range 3 {
				same(w, "records", lines(w.ask(ours, dns.TypeA, withDO).Answer), ours+" A "+ourAddr.String())
			}
			same(w, "questions upstream", w.count(ours, dns.TypeA), 1)
			w.up.follow(says("@ 300 IN CNAME cdn.example.", "cdn.example. 300 IN A 192.0.2.9", "cdn.example. 300 IN RRSIG A 8 2 300 20400101000000 20200101000000 1 example. AAAA"))
			same(w, "records of an alias to what is signed", lines(w.ask("proxy.golang.example.", dns.TypeA, withDO).Answer), "proxy.golang.example. A "+ourAddr.String())
		}, ""},
		{must, "Hither: signatures", "who asks for signatures of what had none waits for nobody, and hears when it has some", func(w *world) {
			w.ask(ours, dns.TypeA, withDO)
			w.pass(3 * time.Hour)
			answer, letGo := held(says("@ 300 IN A 192.0.2.9", sig))
			w.up.follow(answer)
			took := answerPatience
			for range 5 { // the machine may be busy in some of them
				begin := time.Now()
				same(w, "records", lines(w.ask(ours, dns.TypeA, withDO).Answer), ours+" A "+ourAddr.String())
				took = min(took, time.Since(begin))
			}
			if took > 200*time.Millisecond {
				w.failf("got  an answer after %v\nwant one at once", took)
			}
			letGo()
			becomes(w, "records when there are some", func() int { return len(w.ask(ours, dns.TypeA, withDO).Answer) }, 2)
			same(w, "questions upstream", w.count(ours, dns.TypeA), 2)
		}, ""},
		{must, "Hither: signatures", "and if it is signed no more, though that is not to be kept", func(w *world) {
			w.up.follow(says("@ 300 IN A 192.0.2.9", sig))
			w.ask(ours, dns.TypeA, withDO)
			w.pass(301 * time.Second)
			w.up.follow(says("@ 0 IN A 192.0.2.9"))
			same(w, "records", lines(w.ask(ours, dns.TypeA, withDO).Answer), ours+" A "+ourAddr.String())
		}, ""},
		{must, "Hither: signatures", "where the name server is not recursive, a signed referral is no proof", func(w *world) {
			w.up.follow(func(a *asked) {
				reply := a.answer()
				reply.Ns = a.records("npmjs.org. 300 IN NS ns.npmjs.org.", "npmjs.org. 300 IN DS 1 8 2 00", "npmjs.org. 300 IN RRSIG DS 8 2 300 20400101000000 20200101000000 1 org. AAAA")
				a.reply(reply)
			})
			same(w, "records", lines(w.ask(ours, dns.TypeA, withDO).Answer), ours+" A "+ourAddr.String())
		}, ""},
		{must, "Hither: signatures", "who asks for signatures gets our address while nobody can be asked", func(w *world) {
			w.up.follow(fails(dns.RcodeServerFailure))
			same(w, "records", lines(w.ask(ours, dns.TypeA, withDO).Answer), ours+" A "+ourAddr.String())
			w.up.close()
			same(w, "records", lines(w.ask("proxy.golang.example.", dns.TypeA, withDO).Answer), "proxy.golang.example. A "+ourAddr.String())
		}, ""},
		{must, "RFC 8482 4.2", "who asks for signatures gets no HINFO without one where there are some", func(w *world) {
			w.up.follow(signed)
			same(w, "records", len(w.ask("www.example.", dns.TypeANY, withDO).Answer), 2)
			w.up.follow(helpful)
			same(w, "records of our host", lines(w.ask(ours, dns.TypeANY, withDO).Answer), ours+` HINFO "RFC8482" ""`)
			w.up.follow(says("@ 300 IN A 192.0.2.9", sig))
			same(w, "records of our host if it is signed", len(w.ask(ours, dns.TypeANY, withDO).Answer), 2)
		}, ""},
		{must, "RFC 4035 5.3", "a signed alias beside what is asked for is given to who asks for signatures", func(w *world) {
			w.up.follow(says("@ 300 IN CNAME cdn.example.", "registry.npmjs.org. 300 IN RRSIG CNAME 8 3 300 20400101000000 20200101000000 1 npmjs.org. AAAA", "cdn.example. 300 IN MX 1 mail.example."))
			same(w, "records with DO", len(w.ask(ours, dns.TypeMX, withDO).Answer), 3)
			same(w, "records without", len(w.ask(ours, dns.TypeMX).Answer), 0)
		}, ""},
	}
}
