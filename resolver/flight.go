package resolver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
)

const (
	// margin is what of the budget is left to write the answer when the upstreams' time is up.
	margin = 100 * time.Millisecond
	// again is how long after a question was sent its repetition sends it again. Sooner ones are other clients.
	again = 300 * time.Millisecond
)

// flight is one question on its way to the upstreams. result may be read when done is closed.
type flight struct {
	done   chan struct{}
	resend chan struct{} // holds one
	start  time.Time
	sent   time.Time // guarded by flights.mu
	result
}

// flights are those under way, by key. The zero value has none.
type flights struct {
	mu    sync.Mutex
	by    map[string]*flight
	epoch int // counts what is forgotten; what was asked before is not kept
}

// join returns the flight of those who ask the same, or a new one and how to begin it: fly must be called then, and returns
// when done is closed. It is nil for a flight under way. A client that repeats itself did not get its answer, perhaps
// because a packet was lost: merged silently, it would wait for nothing, so the upstream is asked again.
func (s *Server) join(ctx context.Context, name string, q *question, now time.Time) (f *flight, fly func()) {
	key := string(q.key)
	if !q.recursive() {
		key += "-" // what the upstream happens to know is another question
	}
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	if f := s.flights.by[key]; f != nil && now.Sub(f.start) < budget {
		s.counts.merged.Add(1)
		if now.Sub(f.sent) >= again {
			f.sent = now
			s.counts.resent.Add(1)
			select {
			case f.resend <- struct{}{}:
			default:
			}
		}
		return f, nil
	}
	f = &flight{done: make(chan struct{}), resend: make(chan struct{}, 1), start: now, sent: now}
	if s.flights.by == nil {
		s.flights.by = map[string]*flight{}
	}
	s.flights.by[key] = f
	epoch := s.flights.epoch
	s.counts.upstream.Add(1)
	return f, func() { s.fly(ctx, name, q, f, key, epoch) }
}

// fly asks and tells those who wait, come what may.
func (s *Server) fly(ctx context.Context, name string, q *question, f *flight, key string, epoch int) {
	got := result{rcode: dns.RcodeServerFailure, code: dns.ExtendedErrorCodeOther, text: "a fault of Hither"}
	_ = s.guard(func() error {
		got = s.ask(ctx, name, q, f)
		return nil
	})
	s.flights.mu.Lock()
	if s.flights.by[key] == f {
		delete(s.flights.by, key)
	}
	current := s.flights.epoch == epoch
	f.result = got
	if current && ctx.Err() == nil && q.recursive() {
		s.learn(q, f)
	}
	s.flights.mu.Unlock()
	close(f.done)
}

// learn keeps what came, good or bad.
func (s *Server) learn(q *question, f *flight) {
	now := s.now()
	if !f.failed() {
		s.failures.forget(q.key)
		if f.entry.expires > f.entry.stored {
			s.memory.put(f.entry)
			s.learnMissing(q, f.entry)
		}
		return
	}
	rcode := f.rcode
	if f.entry != nil {
		rcode = byte(f.entry.rcode())
	}
	s.failures.add(q.key, rcode, now)
	if old := s.memory.get(q.key); old != nil {
		old.failed.Store(now.UnixNano())
	}
}

// ask puts the question to the upstreams once; f carries its repetitions.
func (s *Server) ask(ctx context.Context, name string, q *question, f *flight) result {
	if s.Exchange == nil {
		return result{rcode: dns.RcodeServerFailure, code: dns.ExtendedErrorCodeNoReachableAuthority, text: "there is no upstream"}
	}
	ctx, cancel := context.WithTimeout(ctx, budget-margin)
	defer cancel()
	reply, err := s.Exchange.Exchange(exchange.WithResend(ctx, f.resend), message(name, q))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return tooLate()
	case err != nil:
		s.Log.Debug("no upstream answered", "error", err)
		return result{rcode: dns.RcodeServerFailure, code: dns.ExtendedErrorCodeNetworkError, text: "no upstream could be asked"}
	}
	if err := check(reply, name, q); err != nil {
		s.Log.Debug("an upstream's reply is of no use", "error", err)
		return result{rcode: dns.RcodeServerFailure, code: dns.ExtendedErrorCodeInvalidData, text: err.Error()}
	}
	private := s.Private != nil && s.Private(canonical(name))
	if s.Rebinding && !private && s.rebinds(name, reply) {
		s.counts.withheld.Add(1)
		reply = withhold(name, q)
	}
	if s.aliasesOurs(name, q, reply) {
		reply = none(name, oursTTL)
	}
	e, err := newEntry(q, reply, "upstream", s.now(), q.recursive())
	if err != nil {
		return result{rcode: dns.RcodeServerFailure, code: dns.ExtendedErrorCodeInvalidData, text: "an upstream's reply cannot be written"}
	}
	e.private = private
	return result{entry: e}
}

// aliasesOurs says whether reply has an alias of a host of ours, beside what it was asked for: who remembers it would look for
// the address there the next time, and find another than ours. Who gets it with signatures gets the true address, too.
func (s *Server) aliasesOurs(name string, q *question, reply *dns.Msg) bool {
	return passedOn(q.qtype) && s.Names != nil && s.Names().has(q.name()) && !(q.do && isSigned(reply, name)) &&
		slices.ContainsFunc(reply.Answer, func(r dns.RR) bool { return r.Header().Rrtype == dns.TypeCNAME })
}

// message is the question as it is passed on: with the client's letter case and bits, but nothing of its options, which
// are between the client and us.
func message(name string, q *question) *dns.Msg {
	m := new(dns.Msg)
	m.Id = dns.Id()
	m.Question = []dns.Question{{Name: name, Qtype: q.qtype, Qclass: dns.ClassINET}}
	m.RecursionDesired = q.recursive()
	m.CheckingDisabled = q.wants()&wantsCD != 0
	m.AuthenticatedData = q.wants()&wantsAD != 0
	return m.SetEdns0(ednsSize, q.do)
}

// check says whether reply is one to the question. Upstreams have looked at that; this is the last gate before memory.
func check(reply *dns.Msg, name string, q *question) error {
	switch {
	case reply == nil || !reply.Response || len(reply.Question) != 1:
		return errors.New("an upstream's reply is none")
	case !equalFold(reply.Question[0].Name, name) || reply.Question[0].Qtype != q.qtype || reply.Question[0].Qclass != dns.ClassINET:
		return fmt.Errorf("an upstream's reply is to another question")
	}
	return nil
}
