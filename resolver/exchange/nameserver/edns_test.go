package nameserver

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/exchangetest"
	"hither/resolver/exchange/group"
)

// withoutEDNS is a router that drops what has EDNS, and speaks no TCP. unasked: its replies have EDNS all the same.
func withoutEDNS(t *testing.T, q *dns.Msg, unasked bool) [][]byte {
	if q.IsEdns0() != nil {
		return nil
	}
	reply := exchangetest.Reply(t, q, right)
	if unasked {
		reply.SetEdns0(1232, false)
	}
	return [][]byte{exchangetest.Wire(t, reply)}
}

// knowingEDNS answers with EDNS what has it.
func knowingEDNS(t *testing.T, q *dns.Msg) [][]byte {
	reply := exchangetest.Reply(t, q, right)
	if opt := q.IsEdns0(); opt != nil {
		reply.SetEdns0(1232, opt.Do())
	}
	return [][]byte{exchangetest.Wire(t, reply)}
}

// validators is the question of one that asks for signatures, too.
func validators() *dns.Msg { return ask().SetEdns0(1232, true) }

// groupOfOne is asked as the binary asks the network's server. What it is asked next is answered, within limit.
func groupOfOne(t *testing.T, server *liar) (answers func(q *dns.Msg, limit time.Duration) *dns.Msg, g *group.Group) {
	t.Helper()
	g = &group.Group{Upstreams: []exchange.Exchanger{NewPlain(server.start(t))}}
	t.Cleanup(func() { g.Close() })
	return func(q *dns.Msg, limit time.Duration) *dns.Msg {
		t.Helper()
		begin := time.Now()
		got, err := g.Exchange(t.Context(), q)
		if took := time.Since(begin); err != nil || len(got.Answer) != 1 || took > limit {
			t.Fatalf("got  %v, %v after %v\nwant the answer within %v", got, err, took, limit)
		}
		return got
	}, g
}

func TestRouterThatDropsEDNSIsAskedWithout(t *testing.T) {
	t.Parallel()
	var unasked atomic.Bool
	server := &liar{udp: func(q *dns.Msg) [][]byte { return withoutEDNS(t, q, unasked.Load()) }}
	answers, g := groupOfOne(t, server)
	answers(ask(), 1500*ms)
	if n := len(server.questions()); n > 3 { // RFC 9520, 3.1
		t.Errorf("got  %d packets for one question\nwant %d", n, 3)
	}
	before := len(server.questions())
	answers(ask(), resend)
	if n := len(server.questions()) - before; n != 1 {
		t.Errorf("got  %d packets for the second question\nwant 1", n)
	}
	unasked.Store(true)
	answers(ask(), resend)
	unasked.Store(false)
	answers(ask(), resend)
	answers(validators(), resend) // after a short wait for signatures
	p := g.Upstreams[0].(Plain)
	p.past.mu.Lock()
	p.past.bare = time.Now() // bareAge later
	p.past.mu.Unlock()
	answers(ask(), resend)
	if last := server.questions(); last[len(last)-2].msg.IsEdns0() == nil {
		t.Error("got  no EDNS after a while\nwant it tried again")
	}
	before = len(server.questions())
	answers(ask(), resend)
	answers(ask(), resend)
	if n := len(server.questions()) - before; n != 2 {
		t.Errorf("got  %d packets then\nwant one for each question", n)
	}
	g.Forget()
	before = len(server.questions())
	answers(ask(), 1500*ms)
	if server.questions()[before].msg.IsEdns0() == nil {
		t.Error("got  no EDNS on another network\nwant it tried again")
	}
}

// Packets get lost, of servers that know EDNS, too, and most of all just after the network came up.
func TestLossTakesNoSignaturesFromValidators(t *testing.T) {
	t.Parallel()
	var lost atomic.Int32
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		if lost.Add(-1) >= 0 {
			return nil
		}
		return knowingEDNS(t, q)
	}}
	answers, g := groupOfOne(t, server)
	without := func() (n int) {
		for _, s := range server.questions() {
			if s.msg.IsEdns0() == nil {
				n++
			}
		}
		return n
	}
	wantWithout := func(want int) {
		t.Helper()
		for end := time.Now().Add(time.Second); without() < want && time.Now().Before(end); { // the second of two may be on its way
			time.Sleep(ms)
		}
		if got := without(); got != want {
			t.Errorf("got  %d questions without EDNS\nwant %d", got, want)
		}
	}
	lost.Store(2)
	if !answers(validators(), exchange.Patience).IsEdns0().Do() {
		t.Error("got  a validator answered without EDNS\nwant it asked with, of a server that nobody knows yet")
	}
	lost.Store(2)
	answers(ask(), exchange.Patience)
	wantWithout(0) // it has shown that it knows it

	g.Forget()
	lost.Store(2)
	answers(ask(), exchange.Patience)
	wantWithout(1) // nobody could know
	if !answers(validators(), prompt).IsEdns0().Do() {
		t.Error("got  a validator answered without EDNS\nwant both sent")
	}
	wantWithout(2)
	answers(ask(), resend)
	wantWithout(2) // known again
}

// A firewall that drops TCP leaves what fits, as one that refuses it does.
func TestShortAnswerIsTakenWhereTCPIsSilent(t *testing.T) {
	t.Parallel()
	var slow atomic.Int64
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		time.Sleep(time.Duration(slow.Load()))
		reply := exchangetest.Reply(t, q, right)
		reply.Truncated = true
		if q.IsEdns0() != nil {
			reply.SetEdns0(1232, false)
		}
		return [][]byte{exchangetest.Wire(t, reply)}
	}}
	answers, g := groupOfOne(t, server)
	mute, err := net.Listen("tcp", g.Upstreams[0].(Plain).String())
	if err != nil {
		t.Skipf("the TCP port beside the UDP one is taken: %v", err)
	}
	defer mute.Close()
	if !answers(ask(), 2*time.Second).Truncated {
		t.Error("got  an answer that says it is whole\nwant it marked")
	}
	for _, s := range server.questions() {
		if s.msg.IsEdns0() == nil {
			t.Error("got  a question without EDNS\nwant none: the short answer has it")
		}
	}
	slow.Store(int64(silence + 200*ms))
	answers(ask(), exchange.Patience)
}

// The wait for TCP ends before the question does, but not before it began.
func TestTheWholeAnswerIsAskedForAlsoWhereLittleTimeIsLeft(t *testing.T) {
	t.Parallel()
	server := &liar{
		udp: func(q *dns.Msg) [][]byte {
			reply := exchangetest.Reply(t, q)
			reply.Truncated = true
			return [][]byte{exchangetest.Wire(t, reply)}
		},
		tcp: func(q *dns.Msg) []byte { return exchangetest.Wire(t, exchangetest.Reply(t, q, right)) },
	}
	ctx, cancel := context.WithTimeout(t.Context(), prompt-10*ms)
	defer cancel()
	if got, err := NewPlain(server.start(t)).Exchange(ctx, ask()); err != nil || got.Truncated || len(got.Answer) != 1 {
		t.Errorf("got  %v, %v\nwant the whole answer, which TCP has at once", got, err)
	}
}

// What a router adds to each reply says nothing of whether it takes questions that have it.
func TestRouterThatAddsEDNSUnaskedIsNotTakenToKnowIt(t *testing.T) {
	t.Parallel()
	answers, g := groupOfOne(t, &liar{udp: func(q *dns.Msg) [][]byte { return withoutEDNS(t, q, true) }})
	answers(ask(), 1500*ms)
	answers(ask(), resend)
	p := g.Upstreams[0].(Plain)
	p.past.mu.Lock()
	p.past.bare = time.Now() // bareAge later
	p.past.mu.Unlock()
	answers(ask(), resend)
	answers(ask(), resend)
}

// A forwarder has the plain answer in its cache and asks for signatures (dnsmasq).
func TestValidatorsWaitForSignaturesBehindAnAnswerWithout(t *testing.T) {
	t.Parallel()
	var pending *dns.Msg
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		if q.IsEdns0() != nil {
			pending = q
			return nil
		}
		replies := knowingEDNS(t, q)
		if pending != nil {
			replies = append(replies, knowingEDNS(t, pending)...)
		}
		return replies
	}}
	answers, g := groupOfOne(t, server)
	p := g.Upstreams[0].(Plain)
	p.past.learn(exchangetest.Reply(t, ask(), right), false) // its first packet was lost
	if opt := answers(validators(), prompt).IsEdns0(); opt == nil || !opt.Do() {
		t.Error("got  a validator answered without EDNS\nwant the answer with it, right behind")
	}
	if !p.past.knowsEDNS() {
		t.Error("got  a server whose answer had EDNS taken for one that is silent to it\nwant it known")
	}
}
