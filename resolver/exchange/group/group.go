// Package group asks several name servers: the one that was best so far, and others only if that one is late or fails. It
// finds servers that lead back to us ([Group.Probe]), and names by which systems look for a sign-in page ([PortalCheck]), which
// only the network's own server answers.
//
//	upstreams := &group.Group{Upstreams: []exchange.Exchanger{near, far}, Fallback: network}
//	defer upstreams.Close()
//	upstreams.Probe(ctx)
//	reply, err := upstreams.Exchange(ctx, q)
package group

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
)

const (
	// exploreOne in this many questions also goes to a random other upstream, so that figures stay fresh.
	exploreOne = 50
	// clearly is by how much of its cost another upstream must be better to take the place of the present best: a fifth,
	// and clearlyLeast at the least. Without it two equal ones change places all the time.
	clearly, clearlyLeast = 5, 5 * time.Millisecond
	// fallbackAfter is when the fallback is asked if none of the upstreams has replied.
	fallbackAfter = 1500 * time.Millisecond
	// reprobe is how often mute upstreams are asked again while the fallback answers for them.
	reprobe = 5 * time.Second
)

// Group asks the upstream that was best so far, the next one too when that is late by its own measure, then the third, and
// then once more from the start: hedged, not all at once, so that names are shown to few. The first NOERROR or NXDOMAIN
// wins. Another rcode (SERVFAIL, REFUSED …) is the answer only if nobody has a better one; if nobody replies at all, the
// error joins those of all. The whole takes at most 2.5 s.
//
// Fields are set before first use; then it may be used from many goroutines. Close ends what was started.
type Group struct {
	Upstreams []exchange.Exchanger
	// Fallback is asked when none of Upstreams replies, as behind a captive portal or where encrypted DNS is blocked, and
	// until one does again. nil: nobody is.
	Fallback exchange.Exchanger
	// Strict keeps everything from the fallback but the names by which systems find out about captive portals.
	Strict bool
	Log    *slog.Logger // nil: nobody is told

	dice func(n int) int // tests; nil: rand.IntN

	mu        sync.Mutex
	figures   []figures // one an upstream
	incumbent int
	mute      bool      // no upstream replied when last asked
	probed    time.Time // when mute ones were last asked
	exploring bool
	retired   bool // nobody is looked at beside questions any more
	running   sync.WaitGroup

	fallbackLoops bool
	probes        map[string]int // loop probes under way: name to upstream
}

// Exchange implements [exchange.Exchanger]. It returns after those it asked have returned.
func (g *Group) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	if len(g.Upstreams) == 0 && g.Fallback == nil {
		return nil, errors.New("there is no name server to ask; name one in the setting dns-upstream")
	}
	ctx, cancel := exchange.Within(exchange.WithAllowance(ctx), exchange.Patience)
	defer cancel()
	if len(g.Upstreams) == 0 || g.standIn(ctx, q) {
		return g.Fallback.Exchange(ctx, q)
	}
	order := g.order()
	if len(order) == 0 {
		return nil, errors.New("each name server sends our questions back to us; name another one in the setting dns-upstream")
	}
	g.explore(ctx, q, order)
	return g.race(ctx, q, order)
}

// order lists the upstreams that may be asked, best first.
func (g *Group) order() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepareLocked()
	var order []int
	var best time.Duration
	for i, f := range g.figures {
		if !f.looping {
			order = append(order, i)
		}
		if f.rtt > 0 && !f.looping && (best == 0 || f.rtt < best) {
			best = f.rtt
		}
	}
	cost := func(i int) time.Duration { return g.figures[i].cost(best) }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cost(a), cost(b)) })
	if at := slices.Index(order, g.incumbent); at > 0 {
		mine := cost(g.incumbent)
		if mine-cost(order[0]) <= max(mine/clearly, clearlyLeast) {
			order = slices.Insert(slices.Delete(order, at, at+1), 0, g.incumbent)
		}
	}
	if len(order) > 0 {
		g.incumbent = order[0]
	}
	return order
}

func (g *Group) prepareLocked() {
	if g.figures == nil {
		g.figures = make([]figures, len(g.Upstreams))
	}
}

// explore sends one question in fifty to another one than the best, beside the race, to learn how it does.
func (g *Group) explore(ctx context.Context, q *dns.Msg, order []int) {
	roll := rand.IntN
	if g.dice != nil {
		roll = g.dice
	}
	if len(order) < 2 || roll(exploreOne) != 0 {
		return
	}
	g.look(ctx, q, order[1+roll(len(order)-1)])
}

// look asks one upstream for its figures' sake, one at a time.
func (g *Group) look(ctx context.Context, q *dns.Msg, which int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.exploring || g.retired {
		return
	}
	g.exploring = true
	q = q.Copy() // the caller may change it when we are gone
	ctx = exchange.WithResend(context.WithoutCancel(ctx), nil)
	g.running.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, exchange.Patience)
		defer cancel()
		begin := time.Now()
		_, err := g.Upstreams[which].Exchange(ctx, q)
		took := time.Since(begin)
		g.note(which, func(f *figures) {
			if err != nil {
				f.failed()
			} else {
				f.answered(took)
			}
		})
		if err == nil {
			g.heard()
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.exploring = false
	})
}

func (g *Group) note(which int, what func(*figures)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepareLocked() // forgotten meanwhile
	what(&g.figures[which])
}

func (g *Group) waitFor(which int) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepareLocked()
	return g.figures[which].wait()
}

// standIn says whether the fallback answers for upstreams that are mute. Now and then one of them is asked beside.
func (g *Group) standIn(ctx context.Context, q *dns.Msg) bool {
	if !g.mayFall(q) {
		return false
	}
	g.mu.Lock()
	mute, due := g.mute, time.Since(g.probed) >= reprobe
	if mute && due {
		g.probed = time.Now()
	}
	g.mu.Unlock()
	if mute && due {
		if order := g.order(); len(order) > 0 {
			g.look(ctx, q, order[rand.IntN(len(order))])
		}
	}
	return mute
}

// mayFall says whether the fallback may see q.
func (g *Group) mayFall(q *dns.Msg) bool {
	g.mu.Lock()
	loops := g.fallbackLoops
	g.mu.Unlock()
	return g.Fallback != nil && !loops && (!g.Strict || len(q.Question) == 1 && PortalCheck(q.Question[0].Name))
}

func (g *Group) heard() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mute && g.Log != nil {
		g.Log.Info("the DNS upstreams answer again")
	}
	g.mute = false
}

func (g *Group) silent() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.mute && g.Log != nil {
		g.Log.Warn("no DNS upstream answers, so the network's own servers are asked until one does", "upstreams", fmt.Sprint(g.Upstreams))
	}
	g.mute = true
}

// Forget drops all connections and all that was measured: the network is another one now, or the machine slept.
func (g *Group) Forget() {
	g.mu.Lock()
	g.figures, g.incumbent, g.mute, g.probed, g.fallbackLoops = nil, 0, false, time.Time{}, false
	g.mu.Unlock()
	for _, e := range g.all() {
		if f, ok := e.(interface{ Forget() }); ok {
			f.Forget()
		}
	}
}

// Close ends what runs beside the questions, and closes the upstreams.
func (g *Group) Close() error {
	var errs []error
	for _, e := range g.all() {
		errs = append(errs, exchange.Close(e))
	}
	g.Retire()
	return errors.Join(errs...)
}

// Retire waits for what runs beside the questions, and has nothing more begin there: some may still be asked. Unlike Close it leaves
// the upstreams open, for who asks them otherwise from now on.
func (g *Group) Retire() {
	g.mu.Lock()
	g.retired = true
	g.mu.Unlock()
	g.running.Wait()
}

func (g *Group) all() []exchange.Exchanger {
	if g.Fallback == nil {
		return g.Upstreams
	}
	return append(slices.Clip(g.Upstreams), g.Fallback)
}
