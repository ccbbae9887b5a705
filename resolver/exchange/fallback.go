package exchange

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// headStart is what each server has before the next one is asked too. Asking all at once would show every name to every
// server and load them for nothing.
const headStart = 250 * time.Millisecond

// Fallback asks the first, the next one too when that is late or fails, and so on. The first NOERROR or NXDOMAIN wins.
// Another rcode (SERVFAIL, REFUSED …) is the answer only if nobody has a better one; if nobody replies at all, the error
// joins those of all. Empty: an error.
type Fallback []Exchanger

type outcome struct {
	reply *dns.Msg
	err   error
}

// Exchange implements [Exchanger]. It returns after those it asked have returned.
func (f Fallback) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	if len(f) == 0 {
		return nil, errors.New("there is no name server to ask; name one in the setting dns")
	}
	race := race{results: make(chan outcome, len(f)), ask: f}
	defer race.running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	race.start(ctx, q)
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			race.start(ctx, q)
			timer.Reset(headStart)
		case o := <-race.results:
			if o.err == nil && settled(o.reply) {
				return o.reply, nil
			}
			if race.lost(o); race.over() {
				return race.best()
			}
			race.start(ctx, q)
		case <-ctx.Done():
			return nil, errors.Join(append(race.errs, ctx.Err())...)
		}
	}
}

// settled says whether a reply speaks of the name and not of the server's trouble.
func settled(reply *dns.Msg) bool {
	return reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError
}

// race is one exchange of a Fallback. Only running and results are shared.
type race struct {
	ask     []Exchanger // not asked yet
	running sync.WaitGroup
	results chan outcome // one for each started; never blocks its sender
	waiting int
	second  *dns.Msg // a reply that is better than none
	errs    []error
}

func (r *race) start(ctx context.Context, q *dns.Msg) {
	if len(r.ask) == 0 {
		return
	}
	next := r.ask[0]
	r.ask = r.ask[1:]
	r.waiting++
	r.running.Go(func() {
		reply, err := next.Exchange(ctx, q)
		r.results <- outcome{reply, err}
	})
}

func (r *race) lost(o outcome) {
	r.waiting--
	if o.err != nil {
		r.errs = append(r.errs, o.err)
	} else if r.second == nil {
		r.second = o.reply
	}
}

func (r *race) over() bool { return r.waiting == 0 && len(r.ask) == 0 }

func (r *race) best() (*dns.Msg, error) {
	if r.second != nil {
		return r.second, nil
	}
	return nil, errors.Join(r.errs...)
}
