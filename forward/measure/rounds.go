package measure

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// inUse is for how long a rule counts as used after a request: an idle machine sends nothing.
	inUse = 10 * time.Minute
	// lookEvery and lookSpread are how often the upstreams of a used rule are looked at: 5 minutes ± 20 %, so that many
	// machines that were switched on at nine do not ask all at once. A look asks only whom the board names.
	lookEvery, lookSpread = 4 * time.Minute, 2 * time.Minute
	// freshEvery is how often the newest entries are compared where nobody was to be asked anything else.
	freshEvery = time.Hour
	// startSpread is how far the questions of one look are spread, so that they do not slow each other down.
	startSpread = 300 * time.Millisecond
	// atOnce bounds the questions under way, of all rules.
	atOnce = 4
	// maxUsed bounds the upstreams whose use is remembered.
	maxUsed = 1024
)

// Rounds asks the upstreams of the rules in use, politely: few small questions, when the board cannot tell from traffic how
// an upstream does, within a budget, and none at all for rules that nobody uses. The origin is asked as the mirrors are.
// Fields are set before first use. The methods may be called from many goroutines; Run runs once.
type Rounds struct {
	Prober *Prober
	// Board is told what came, and tells who should be asked. Behind is told only where the origin named its newest entry.
	Board interface {
		Due(bases []string) []string
		Add(s Sample)
		Behind(base string, behind bool)
	}
	Targets func() [][]Target                 // of the rules in force, one list a rule; an upstream is in it once
	Budget  int64                             // bytes of body a day from one upstream; 0: 256 KiB; below: nobody is asked
	Now     func() time.Time                  // nil: time.Now
	Jitter  func(time.Duration) time.Duration // a random part of a duration; nil: evenly spread
	Log     func(Result)                      // hears each result, from many goroutines at once; nil: nobody does

	mu       sync.Mutex
	used     map[string]time.Time // when an upstream's rule was last asked, by base
	plans    map[string]*plan     // by the bases of a rule
	spent    map[string]Spending  // by base
	bell     chan struct{}        // tells Run that something changed; it holds one ring
	slots    chan struct{}        // holds as many as are asking
	underway sync.WaitGroup
}

// plan is when a rule's upstreams are looked at.
type plan struct {
	next  time.Time // the next look; zero: at once
	fresh time.Time // the last comparison of all newest entries; zero: none yet
	busy  bool      // a look is under way
	again bool      // and another one is wanted behind it
}

// Used says that traffic asks this upstream's rule now. It is cheap, and meant to be called for every request.
func (r *Rounds) Used(base string) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	last, known := r.used[base]
	if age := now.Sub(last); !known || age < 0 || age >= inUse {
		r.forgetLocked(now)
		r.ringLocked()
	}
	if r.used == nil {
		r.used = map[string]time.Time{}
	}
	r.used[base] = now
}

// inUseLocked says whether traffic asked lately. A time that has not come yet is from before the clock was set back.
func (r *Rounds) inUseLocked(base string, now time.Time) bool {
	last, known := r.used[base]
	if last.After(now) {
		last = now
		r.used[base] = now
	}
	return known && now.Sub(last) < inUse
}

// forgetLocked makes room for one more: what is not in use goes, and if that is not enough, anything.
func (r *Rounds) forgetLocked(now time.Time) {
	if len(r.used) < maxUsed {
		return
	}
	for base := range r.used {
		if !r.inUseLocked(base, now) {
			delete(r.used, base)
		}
	}
	for base := range r.used {
		if len(r.used) < maxUsed {
			return
		}
		delete(r.used, base)
	}
}

// Wake looks at once at the upstreams of all rules in use: the network changed. The board is told first (Doubt), for only
// whom it names is asked.
func (r *Rounds) Wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.plans {
		if p.busy {
			p.again = true
		} else {
			p.next = time.Time{}
		}
	}
	r.ringLocked()
}

// Run asks until ctx ends, and returns ctx's error when nothing is under way any more.
func (r *Rounds) Run(ctx context.Context) error {
	defer r.underway.Wait()
	r.mu.Lock()
	bell := r.bellLocked()
	r.slots = make(chan struct{}, atOnce)
	r.mu.Unlock()
	for ctx.Err() == nil {
		var timer <-chan time.Time // of nobody in use there is none: then only a ring counts
		if wait, some := r.begin(ctx); some {
			timer = time.After(wait)
		}
		select {
		case <-ctx.Done():
		case <-bell:
		case <-timer:
		}
	}
	return ctx.Err()
}

// begin starts the looks that are due, and tells in how long the next one is; some: if a rule is in use at all.
func (r *Rounds) begin(ctx context.Context) (wait time.Duration, some bool) {
	rules, now := r.Targets(), r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	plans := make(map[string]*plan, len(rules))
	for _, rule := range rules {
		key := strings.Join(basesOf(rule), "\n")
		p := r.plans[key]
		if p == nil {
			p = &plan{}
		}
		if plans[key] != nil || len(rule) == 0 {
			continue
		}
		plans[key] = p
		if !slices.ContainsFunc(rule, func(t Target) bool { return r.inUseLocked(t.Base, now) }) {
			p.next = time.Time{} // its next use will be a first one
			continue
		}
		until := r.planLocked(ctx, rule, p, now)
		if !some || until < wait {
			wait, some = until, true
		}
	}
	r.plans = plans
	return wait, some
}

// planLocked starts a look if it is time, and tells how long the next one is off.
func (r *Rounds) planLocked(ctx context.Context, rule []Target, p *plan, now time.Time) time.Duration {
	if p.busy {
		return lookEvery // its end rings
	}
	if p.next.After(now.Add(lookEvery + lookSpread)) { // the clock was set back
		p.next = time.Time{}
	}
	if !now.Before(p.next) {
		p.busy, p.next = true, now.Add(lookEvery+r.jitter(lookSpread))
		r.underway.Go(func() {
			r.look(ctx, rule, p)
			r.end(p)
		})
	}
	return p.next.Sub(now)
}

func (r *Rounds) end(p *plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.again {
		p.next = time.Time{}
	}
	p.busy, p.again = false, false
	r.ringLocked()
}

func (r *Rounds) bellLocked() chan struct{} {
	if r.bell == nil {
		r.bell = make(chan struct{}, 1)
	}
	return r.bell
}

func (r *Rounds) ringLocked() {
	select {
	case r.bellLocked() <- struct{}{}:
	default:
	}
}

func (r *Rounds) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *Rounds) jitter(most time.Duration) time.Duration {
	if r.Jitter == nil {
		return rand.N(most)
	}
	return min(max(r.Jitter(most), 0), most)
}

func basesOf(rule []Target) []string {
	bases := make([]string, 0, len(rule))
	for _, t := range rule {
		bases = append(bases, t.Base)
	}
	return bases
}
