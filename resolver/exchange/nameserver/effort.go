package nameserver

import (
	"cmp"
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/letter"
)

// effort is one question to one server by all ways. Only running, results and hints are shared.
type effort struct {
	Plain
	q       *dns.Msg
	as      letter.Envelope
	lower   bool // in lower case over UDP
	begin   time.Time
	results chan outcome // has room for all that are started
	hints   chan error   // has room for all that may be wrong
	running sync.WaitGroup
	letters int
	waiting int
	called  bool             // over TCP
	short   *dns.Msg         // cut, but better than none
	enough  <-chan time.Time // then short has to do; nil: there is none
	whole   *dns.Msg
	errs    []error
}

// post sends a letter over UDP, with an id and a port of its own. A nil inbox: this server has been sent enough.
func (e *effort) post(ctx context.Context) (letter.Letter, *inbox, error) {
	l, err := letter.Write(e.q, e.as)
	if err != nil || !exchange.MaySend(ctx, "udp", e.Server) {
		return l, nil, err
	}
	if e.lower {
		l.Lower()
	}
	if e.strips() && exchange.WasLast(ctx, "udp", e.Server) {
		l = l.Strip()
	}
	e.letters++
	box, err := e.past.inbox(e.Server)
	if err != nil {
		return l, nil, err
	}
	if _, err := box.conn.Write(l.Wire); err != nil {
		box.conn.Close()
		return l, nil, err
	}
	if e.as == letter.Either && exchange.MaySend(ctx, "udp", e.Server) {
		l = l.Strip()
		_, _ = box.conn.Write(l.Wire) // one of both is enough
	}
	return l, box, nil
}

// strips says whether what is sent after silence goes without EDNS: of a server that has not been seen to use it, nobody
// knows whether that is what it is silent to.
func (e *effort) strips() bool {
	return e.as == letter.Either || e.as == letter.Open && !validates(e.q) && !e.past.knowsEDNS()
}

// await waits for the reply to l, and takes in what it tells of the server. A validator's question that went without EDNS beside
// one with may be answered from a cache before the other, which is waited for a little longer.
func (e *effort) await(ctx context.Context, l letter.Letter, box *inbox, until time.Time) (*dns.Msg, error) {
	reply, err := box.await(ctx, l, until)
	if err != nil || e.as == letter.Bare {
		return reply, err
	}
	e.past.learn(reply, l.ToEDNS(reply))
	if e.as != letter.Either || !validates(e.q) || l.ToEDNS(reply) {
		return reply, nil
	}
	signed, err := box.await(ctx, l, time.Now().Add(prompt))
	if err != nil || signed.IsEdns0() == nil || !l.ToEDNS(signed) {
		return reply, nil
	}
	e.past.learn(signed, true)
	return signed, nil
}

// persist goes on after o became of the first letter, until there is an answer or ctx ends.
func (e *effort) persist(ctx context.Context, l letter.Letter, box *inbox, o outcome) (*dns.Msg, error) {
	ctx, cancel := context.WithCancel(ctx)
	e.results, e.hints = make(chan outcome, maxLetters+1), make(chan error, maxLetters*maxWrong)
	defer e.running.Wait()
	defer cancel()
	switch {
	case box == nil: // TCP may be tried yet, and what was sent before may still be answered to whoever sent it
		e.start(func() (*dns.Msg, error) { <-ctx.Done(); return nil, late(ctx, ctx.Err()) })
	case errors.Is(o.err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
		e.correspond(ctx, l, box, nil)
	case hint(o.err):
		e.correspond(ctx, l, box, o.err)
	default:
		box.conn.Close()
		e.start(func() (*dns.Msg, error) { return o.reply, late(ctx, o.err) })
	}
	quiet := time.NewTimer(silence - time.Since(e.begin))
	defer quiet.Stop()
	again := exchange.Resends(ctx)
	for {
		select {
		case o := <-e.results:
			if e.settle(ctx, o) {
				return e.best(ctx)
			}
		case hinted := <-e.hints:
			e.heed(ctx, hinted)
		case <-quiet.C:
			e.call(ctx)
		case <-e.enough:
			return e.best(ctx)
		case _, ok := <-again:
			if !ok {
				again = nil
			} else if err := e.send(ctx); err != nil {
				return nil, late(ctx, err)
			}
		}
	}
}

func (e *effort) start(run func() (*dns.Msg, error)) {
	e.waiting++
	e.running.Go(func() {
		reply, err := run()
		e.results <- outcome{reply, err}
	})
}

// send starts another letter.
func (e *effort) send(ctx context.Context) error {
	if e.letters == maxLetters {
		return nil
	}
	l, box, err := e.post(ctx)
	if err == nil && box != nil {
		e.correspond(ctx, l, box, nil)
	}
	return err
}

// correspond waits for the reply to a letter that was posted, and sends it again while nobody answers, until ctx ends. Behind a
// hint, which it hands on, it waits only a little longer.
func (e *effort) correspond(ctx context.Context, l letter.Letter, box *inbox, hinted error) {
	until := time.Now().Add(resend)
	if e.letters == 1 {
		until = e.begin.Add(resend)
	}
	e.start(func() (*dns.Msg, error) {
		defer box.conn.Close()
		for gap := 2 * resend; ; gap *= 2 {
			if hinted != nil {
				e.hints <- hinted
				until = time.Now().Add(prompt)
			}
			reply, err := e.await(ctx, l, box, until)
			switch {
			case hint(err):
				hinted = err
				continue
			case err == nil || ctx.Err() != nil || !errors.Is(err, os.ErrDeadlineExceeded):
				return reply, late(ctx, err)
			case hinted != nil:
				return nil, hinted
			}
			until = time.Now().Add(gap)
			if e.strips() {
				l = l.Strip()
			}
			if !exchange.MaySend(ctx, "udp", e.Server) {
				until = time.Now().Add(exchange.Patience) // what was sent before may still be answered
			} else if _, err := box.conn.Write(l.Wire); err != nil {
				return nil, late(ctx, err)
			}
		}
	})
}

// call asks over TCP, once.
func (e *effort) call(ctx context.Context) {
	if !e.called {
		e.called = true
		e.start(func() (*dns.Msg, error) { return e.overTCP(ctx, e.q, e.as) })
	}
}

// heed asks in the way that a hint suggests, once. What was asked before may still be answered.
func (e *effort) heed(ctx context.Context, hinted error) {
	switch {
	case errors.Is(hinted, letter.ErrGarbled):
		e.call(ctx)
	case !e.lower:
		e.lower = true
		before := e.waiting
		if err := e.send(ctx); err != nil {
			e.errs = append(e.errs, err)
		}
		if e.waiting == before { // it may not be sent any more
			e.call(ctx)
		}
	}
}

// settle takes one outcome in and says whether that was all.
func (e *effort) settle(ctx context.Context, o outcome) bool {
	e.waiting--
	switch {
	case o.err == nil && !o.reply.Truncated:
		e.whole = o.reply
		return true
	case o.err == nil:
		if e.short == nil {
			e.enough = time.After(min(forWhole, max(left(ctx)-prompt, left(ctx)/2)))
		}
		e.short = o.reply
		e.call(ctx)
	case errors.Is(o.err, errForged):
		e.errs = append(e.errs, o.err)
		e.call(ctx)
	case hint(o.err):
		e.errs = append(e.errs, o.err)
		e.heed(ctx, o.err)
	default:
		e.errs = append(e.errs, o.err)
	}
	return e.waiting == 0
}

func (e *effort) best(ctx context.Context) (*dns.Msg, error) {
	if reply := cmp.Or(e.whole, e.short); reply != nil {
		return reply, nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, late(ctx, ctx.Err())
	}
	return nil, errors.Join(e.errs...)
}
