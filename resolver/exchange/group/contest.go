package group

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

// maxAsked bounds how often one question of a Group goes out.
const maxAsked = 8

// contest is one question to the upstreams of a Group. Only running and results are shared; the rest is for who decides:
// at first whoever asked, and run as soon as there is more to wait for than one reply.
type contest struct {
	group   *Group
	q       *dns.Msg
	order   []int // best first, as many as may be asked
	asked   []entrant
	turns   int
	waiting int
	running sync.WaitGroup
	results chan finish // has room for all
	fell    bool        // the fallback has been asked
	second  *dns.Msg    // a reply that is better than none
	errs    []error
}

// entrant is one question to one upstream.
type entrant struct {
	which  int // fallback: -1
	begin  time.Time
	again  chan struct{} // its resends; nil: it is asked anew instead
	rcode  int           // if over without an error
	over   bool
	failed bool
}

type finish struct {
	entrant int
	outcome
}

type outcome struct {
	reply *dns.Msg
	err   error
}

const fallback = -1

// race asks the best upstream. Others are asked only if that one is late, by a timer, or fails.
func (g *Group) race(ctx context.Context, q *dns.Msg, order []int) (*dns.Msg, error) {
	again := exchange.Resends(ctx)
	if again != nil {
		ctx = exchange.WithResend(ctx, nil)
	}
	ctx, cancel := context.WithCancel(ctx)
	c := contest{group: g, q: q, order: order[:min(len(order), maxAsked)], results: make(chan finish, maxAsked+1)}
	defer c.running.Wait()
	defer cancel()
	best, wait := order[0], g.waitFor(order[0])
	c.turns = 1
	number, mine := c.enter(ctx, best, g.Upstreams[best])
	begin := c.asked[number].begin
	var decision outcome
	decided := make(chan struct{})
	hedge := time.AfterFunc(wait, func() {
		defer close(decided)
		defer cancel() // also if it is the first that lost
		decision.reply, decision.err = c.run(ctx, again, begin, 0)
	})
	reply, err := g.Upstreams[best].Exchange(mine, q)
	first := finish{number, outcome{reply, err}}
	if !hedge.Stop() {
		c.results <- first
		<-decided
		return decision.reply, decision.err
	}
	if reply := c.take(first); reply != nil {
		return reply, nil
	}
	if c.over(ctx) {
		return c.best(ctx)
	}
	if wait -= time.Since(begin); c.lost(number) {
		wait = 0
	}
	return c.run(ctx, again, begin, wait)
}

// run asks another one after wait, and so on, until the question is settled.
func (c *contest) run(ctx context.Context, again <-chan struct{}, begin time.Time, wait time.Duration) (*dns.Msg, error) {
	next := time.NewTimer(wait)
	defer next.Stop()
	desperate := time.NewTimer(fallbackAfter - time.Since(begin))
	defer desperate.Stop()
	for {
		select {
		case <-next.C:
			next.Reset(c.ask(ctx, false))
		case _, ok := <-again:
			if !ok {
				again = nil
			} else {
				next.Reset(c.ask(ctx, true))
			}
		case <-desperate.C:
			c.fall(ctx)
		case f := <-c.results:
			if reply := c.take(f); reply != nil {
				return reply, nil
			}
			if c.over(ctx) {
				return c.best(ctx)
			}
			if c.lost(f.entrant) {
				next.Reset(c.ask(ctx, false))
			}
		case <-ctx.Done():
			return c.best(ctx)
		}
	}
}

// ask puts the question to the next upstream, or again to the best one when all have it, and returns how long to wait
// before the next. One that is made of others asks them again by itself, and at once if a client has repeated itself.
func (c *contest) ask(ctx context.Context, repeated bool) time.Duration {
	if len(c.asked) >= maxAsked {
		return exchange.Patience
	}
	round, which := c.turns/len(c.order), c.order[c.turns%len(c.order)]
	c.turns++
	wait := c.group.waitFor(which)
	if round > 0 { // each has twice the patience of the last: a loss that lasts must not take all that may be sent
		wait = max(wait, maxWait) << min(round, maxAsked)
	}
	if i := slices.IndexFunc(c.asked, func(e entrant) bool { return e.which == which && e.again != nil && !e.over }); i >= 0 {
		if repeated {
			select {
			case c.asked[i].again <- struct{}{}:
			default:
			}
		}
		return wait
	}
	c.start(ctx, which, c.group.Upstreams[which])
	return wait
}

func (c *contest) start(ctx context.Context, which int, upstream exchange.Exchanger) {
	number, ctx := c.enter(ctx, which, upstream)
	c.running.Go(func() {
		reply, err := upstream.Exchange(ctx, c.q)
		c.results <- finish{number, outcome{reply, err}}
	})
}

// enter notes that upstream is asked, and returns the context in which it is to be.
func (c *contest) enter(ctx context.Context, which int, upstream exchange.Exchanger) (int, context.Context) {
	e := entrant{which: which, begin: time.Now()}
	if _, ok := upstream.(looper); ok {
		e.again = make(chan struct{}, 1)
		ctx = exchange.WithResend(ctx, e.again)
	}
	c.asked = append(c.asked, e)
	c.waiting++
	return len(c.asked) - 1, ctx
}

// settled says whether a reply speaks of the name and not of the server's trouble.
func settled(reply *dns.Msg) bool {
	return reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError
}

// fall asks the fallback if nobody has replied.
func (c *contest) fall(ctx context.Context) {
	if !c.fell && c.second == nil && c.group.mayFall(c.q) {
		c.fell = true
		c.start(ctx, fallback, c.group.Fallback)
	}
}

// take notes how an entrant ended, and returns its reply if that settles the question.
func (c *contest) take(f finish) *dns.Msg {
	e := &c.asked[f.entrant]
	e.over = true
	c.waiting--
	if f.err != nil {
		e.failed = true
		if text := f.err.Error(); !slices.ContainsFunc(c.errs, func(err error) bool { return err.Error() == text }) {
			c.errs = append(c.errs, f.err)
		}
		if e.which != fallback && !errors.Is(f.err, context.Canceled) { // who asked has left, which is no fault of the server
			c.group.note(e.which, (*figures).failed)
		}
		return nil
	}
	e.rcode = f.reply.Rcode
	if e.which != fallback {
		c.group.heard()
	}
	if !settled(f.reply) {
		if c.second == nil {
			c.second = f.reply
		}
		return nil
	}
	c.won(f.entrant)
	return f.reply
}

// won measures the winner and those it beat.
func (c *contest) won(winner int) {
	now, took := time.Now(), time.Duration(0)
	which := c.asked[winner].which
	if took = now.Sub(c.asked[winner].begin); which == fallback && c.second == nil {
		c.group.silent()
	} else if which != fallback {
		c.group.note(which, func(f *figures) { f.answered(took) })
	}
	for _, e := range c.asked {
		if e.which == which || e.which == fallback || e.failed {
			continue
		}
		waited := now.Sub(e.begin)
		c.group.note(e.which, func(f *figures) {
			if e.over { // SERVFAIL and the like, where another one knew better
				f.failed()
			} else if waited > f.wait() {
				f.overtaken(waited)
			}
		})
	}
}

// lost says whether the entrant that just ended leaves a place for the next one at once: it failed, and not everybody has
// been asked yet.
func (c *contest) lost(number int) bool {
	e := c.asked[number]
	return e.which != fallback && len(c.asked) < len(c.order) && e.over
}

// over says whether nobody is left to wait for. Before that is so, the fallback is asked.
func (c *contest) over(ctx context.Context) bool {
	if c.waiting > 0 || len(c.asked) < len(c.order) {
		return false
	}
	if ctx.Err() == nil {
		c.fall(ctx)
	}
	return c.waiting == 0
}

func (c *contest) best(ctx context.Context) (*dns.Msg, error) {
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	for _, e := range c.asked {
		if late && !e.over && e.which != fallback {
			c.group.note(e.which, (*figures).failed)
		}
	}
	if c.second != nil {
		return c.second, nil
	}
	if err := ctx.Err(); err != nil {
		c.errs = append(c.errs, err)
	}
	return nil, fmt.Errorf("no name server answers: %w", errors.Join(c.errs...))
}
