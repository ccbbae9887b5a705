package resolver

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// sender takes one answer to a client. It may be called from any goroutine.
type sender interface{ send(wire []byte) }

// slowly answers in a goroutine of its own what is not in memory, if there is a place for it. packet is given away.
func (s *Server) slowly(ctx context.Context, packet []byte, a asker, to sender) {
	q := new(question)
	q.parse(packet, a.size) // it was good, and is so still
	if !a.host && !s.limit.allow(a.addr.Addr(), a.when) {
		s.counts.busy.Add(1)
		reply := appendFailure(nil, q, dns.RcodeRefused, dns.ExtendedErrorCodeProhibited, "too many questions")
		to.send(s.traced(reply, q, &a, "busy"))
		return
	}
	select {
	case s.slow <- struct{}{}:
	default:
		s.counts.busy.Add(1)
		to.send(s.overrun(q, &a))
		return
	}
	s.work.Go(func() {
		defer func() { <-s.slow }()
		makeRoom()
		s.answerOnce(ctx, q, &a, to)
	})
}

// makeRoom has the goroutine's stack grow while there is little on it. When it grows at the bottom of an exchange, all of
// it has to be copied, which was measured to be a twelfth of what a question costs.
//
//go:noinline
func makeRoom() {
	var room [5 << 10]byte
	runtime.KeepAlive(&room)
}

// answerOnce answers in time, even if there is a fault of ours, or an upstream does not know when its time is up.
func (s *Server) answerOnce(ctx context.Context, q *question, a *asker, to sender) {
	var once sync.Once
	late := time.AfterFunc(budget-s.now().Sub(a.when), func() {
		once.Do(func() { to.send(s.failed(q, a, tooLate())) })
	})
	defer late.Stop()
	send := func(wire []byte) { once.Do(func() { to.send(wire) }) }
	answered := false
	_ = s.guard(func() error {
		reply := s.answer(ctx, q, a)
		answered = true
		send(reply)
		return nil
	})
	if !answered {
		send(appendFailure(nil, q, dns.RcodeServerFailure, dns.ExtendedErrorCodeOther, "a fault of Hither"))
	}
}

// tooLate is what is said if nobody can be waited for any more.
func tooLate() result {
	return result{rcode: dns.RcodeServerFailure, code: dns.ExtendedErrorCodeNoReachableAuthority, text: "no upstream answered in time"}
}

// failed answers that there is no answer.
func (s *Server) failed(q *question, a *asker, r result) []byte {
	s.counts.failed.Add(1)
	return s.traced(appendFailure(nil, q, r.rcode, r.code, r.text), q, a, "failed")
}

// overrun answers when all places are taken.
func (s *Server) overrun(q *question, a *asker) []byte {
	e := s.memory.get(q.key)
	if here, ours := s.leads(q, a); ours && !e.isSigned() {
		return s.led(nil, q, a, here)
	}
	if e != nil && e.usable(a.when.UnixNano()) {
		s.counts.stale.Add(1)
		return s.traced(appendReply(nil, q, e, a.when.UnixNano(), true), q, a, "stale")
	}
	s.counts.failed.Add(1)
	reply := appendFailure(nil, q, dns.RcodeServerFailure, dns.ExtendedErrorCodeNetworkError, "too many questions wait for the upstreams")
	return s.traced(reply, q, a, "busy")
}

// answer is what rules, files, memory and upstreams say, in this order.
func (s *Server) answer(ctx context.Context, q *question, a *asker) []byte {
	name, _, err := dns.UnpackDomainName(q.asked, 0)
	if err != nil {
		s.counts.refused.Add(1)
		return s.traced(appendRejection(nil, q, formErr), q, a, "refused")
	}
	here, ours := s.leads(q, a)
	if m, how := s.byRule(name, q); m != nil {
		if ours {
			return s.led(nil, q, a, here)
		}
		if q.qtype == dns.TypeANY && m.Rcode == dns.RcodeSuccess {
			s.counts.special.Add(1)
			return s.traced(appendAny(nil, q), q, a, how)
		}
		if how == "special" {
			m = s.proven(ctx, q, m, a.when)
		}
		if e, err := newEntry(q, m, how, a.when, false); err == nil {
			s.counts.special.Add(1)
			return s.traced(appendReply(nil, q, e, a.when.UnixNano(), false), q, a, how)
		}
	}
	if e := s.memory.get(q.key); ours && e != nil && !e.signed { // most likely it still is not, so that nobody waits to hear it
		if !e.fresh(a.when.UnixNano()) && !lately(e.failed.Load(), a.when, giveUp) {
			s.renew(ctx, renewal{e.key, e.expires})
		}
		return s.led(nil, q, a, here)
	}
	found := s.resolve(ctx, name, q, a.when)
	if ours && !found.entry.isSigned() && !(found.failed() && s.memory.get(q.key).isSigned()) { // what was signed once is so while nobody can be asked
		return s.led(nil, q, a, here)
	}
	return s.given(found, q, a, ours)
}

// given is what was found as an answer.
func (s *Server) given(found result, q *question, a *asker, ours bool) []byte {
	now := s.now().UnixNano()
	switch {
	case found.entry == nil:
		return s.failed(q, a, found)
	case found.stale:
		s.counts.stale.Add(1)
		return s.traced(appendReply(nil, q, found.entry, now, true), q, a, "stale")
	case found.entry.rcode() == dns.RcodeServerFailure:
		s.counts.failed.Add(1)
	}
	how := found.entry.kind
	if ours {
		how = "signed"
	}
	return s.traced(appendReply(nil, q, found.entry, now, false), q, a, how)
}

// result is what became of a question: an answer, or why there is none.
type result struct {
	entry *entry
	stale bool
	rcode byte
	code  uint16 // of the extended error
	text  string
}

// failed says whether nobody could say anything of the name.
func (r result) failed() bool {
	return r.entry == nil || r.entry.rcode() != dns.RcodeSuccess && r.entry.rcode() != dns.RcodeNameError
}

const (
	// patience is how long an old answer is held back for a new one (RFC 8767, 5).
	patience = 400 * time.Millisecond
	// giveUp is how long an old answer is given at once after a new one could not be had (RFC 8767, 5).
	giveUp = 30 * time.Second
)

// resolve takes the answer from memory or the upstreams.
func (s *Server) resolve(ctx context.Context, name string, q *question, since time.Time) result {
	now := s.now()
	old := s.memory.get(q.key)
	switch {
	case old != nil && old.fresh(now.UnixNano()):
		s.counts.hits.Add(1)
		return result{entry: old} // it came in the meantime
	case old != nil && !old.usable(now.UnixNano()):
		old = nil
	case old != nil && lately(old.failed.Load(), now, giveUp):
		return result{entry: old, stale: true}
	}
	if e := s.knownMissing(q, now); e != nil && old == nil {
		s.counts.hits.Add(1)
		return result{entry: e}
	}
	if rcode, ok := s.failures.recent(q.key, now); ok && old == nil {
		return result{rcode: rcode, code: dns.ExtendedErrorCodeCachedError, text: "the upstreams failed a moment ago"}
	}
	f, fly := s.join(ctx, name, q, now)
	switch {
	case fly == nil:
	case old == nil:
		fly()
		return f.result
	default:
		s.work.Go(fly)
	}
	wait := budget - s.now().Sub(since)
	if old != nil {
		wait = min(wait, patience)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
		if old != nil {
			return result{entry: old, stale: true}
		}
		return tooLate()
	}
	if old != nil && f.failed() {
		return result{entry: old, stale: true}
	}
	return f.result
}
