package prefetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"time"

	"hither/forward/fetch"
	"hither/forward/prefetch/recall"
	"hither/forward/project"
	"hither/rules"
)

const (
	idleAfter  = time.Minute            // a run from which nothing came for so long is over
	goneAfter  = 2 * time.Second        // and one whose connections are all closed: some clients open one for each request
	tick       = 500 * time.Millisecond // how often that is looked at, while there are runs
	unusedFor  = 10 * time.Minute       // what was fetched ahead and not used for so long is wasted
	tellWithin = 250 * time.Millisecond // for Project: then the client's address must do
)

// connection tells connections apart.
type connection struct {
	from, to netip.AddrPort
	gone     <-chan struct{}
}

// conn is one connection of a client, and for whom it works.
type conn struct {
	key     connection
	who     *client       // nil: Project has not answered yet
	known   chan struct{} // closed when who is set
	pending []waiting
	seen    time.Time
}

// waiting is what came over a connection before it was known whose it is.
type waiting struct {
	rule *rules.Rule
	event
}

// client is a process, or an address behind which there may be several.
type client struct {
	key     string // the same for the same process
	pid     int    // 0: not known
	parents []int
	dir     string // empty: not known
	args    []string
	private []string                     // patterns of names that it does not ask the registry for
	wants   func(*rules.Rule, time.Time) // notes what it wants of registries of that walk; nil: nobody has looked
	walk    string
	has     func(project.Want) bool
}

// mark is a name for the directory and the arguments of a client that does not give them away; empty if they are not known.
func (c *client) mark() string {
	if c.dir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(c.key))
	return hex.EncodeToString(sum[:8])
}

// run is one run of one client of one registry. Prefetcher.mu guards it; walk belongs to pump alone.
type run struct {
	key    string
	rule   *rules.Rule
	who    *client
	heard  int             // the process whose command was noted last
	ctx    context.Context //nolint:containedctx // of all its fetches
	cancel context.CancelFunc

	walk    Walk
	inbox   []event
	pumping bool
	ended   bool

	conns map[*conn]bool // open, as far as is known
	alone time.Time      // since when there is none; zero: there is one, or there never was
	last  time.Time      // the client asked, or was answered

	asked    map[string]bool // names; true: answered
	absent   map[string]bool // names that the registry does not have
	sequence []recall.Step
	names    []string       // of the sequence
	waits    bool           // for what the client asks first, before packages are wanted for it
	recalled bool           // the last time was looked for, and found or given up
	later    []project.Want // packages of last time, until the client asks for one

	far bool // somebody out there had to be asked, for the client or for what is certain

	objects map[string]*object // asked for ahead, or waiting for it
	lines   []*line
	reads   []event // answers whose bodies the walk wants, once far
	wants   int     // so far
	tally   [2]tally
}

// tally is what one run cost and brought, of metadata or of bulk.
type tally struct {
	needed      int   // requests of the client
	neededBytes int64 // that it got
	foretold    int   // of needed, those that a walk had wanted before
	open        int   // things that came or are under way, that were not used, and not for nothing in the cache
	guesses     int   // of open, those that are guesses
	unused      int64 // their bytes
	wastedBytes int64 // of those of them that the client has passed by
}

// runOf finds the run that a request belongs to, or begins it. nil: it will be known later, and e is kept until then.
func (p *Prefetcher) runOf(req fetch.Request, e event) *run {
	c := req.Client
	if c == nil {
		return p.openRun(req.Rule, &client{})
	}
	by := &client{key: c.From.Addr().String()}
	key := connection{c.From, c.To, c.Gone}
	open := p.conns[key]
	switch {
	case open == nil && len(p.conns) >= maxConns:
		return p.openRun(req.Rule, by)
	case open == nil:
		open = &conn{key: key, known: make(chan struct{})}
		p.conns[key] = open
		if p.Project == nil {
			open.who = by
			close(open.known)
		} else {
			p.identify(req.Rule, *c, open, by)
		}
	}
	open.seen = p.now()
	if open.who == nil {
		if len(open.pending) < maxNames {
			open.pending = append(open.pending, waiting{req.Rule, e})
		}
		return nil
	}
	return p.openRun(req.Rule, open.who).join(open)
}

// join counts a connection among those that keep the run going.
func (r *run) join(c *conn) *run {
	r.conns[c] = true
	r.alone = time.Time{}
	return r
}

// identify asks Project beside the requests, for a while; otherwise by is who it is.
func (p *Prefetcher) identify(rule *rules.Rule, c fetch.Client, open *conn, by *client) {
	late := time.AfterFunc(tellWithin, func() { p.identified(open, by) })
	p.spawn(func() {
		who := by
		if at, ok := p.Project(c); ok && at.Dir != "" {
			late.Stop()
			bare := newClient(at)
			late = time.AfterFunc(tellWithin, func() { p.identified(open, bare) })
			if who = p.acquainted(rule, bare); !late.Stop() && who.wants != nil { // what is asked from now on may be that
				who.wants(rule, p.now())
			}
		}
		late.Stop()
		p.identified(open, who)
	})
}

// identified begins with what waited for it.
func (p *Prefetcher) identified(open *conn, who *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if open.who != nil || !p.alive() {
		return
	}
	who = p.recognise(who)
	open.who = who
	for _, w := range open.pending {
		p.deliver(p.openRun(w.rule, who).join(open), w.event)
	}
	open.pending = nil
	close(open.known)
}

// openRun finds or begins the run of a client.
func (p *Prefetcher) openRun(rule *rules.Rule, who *client) *run {
	key := rule.Name + "\x00" + who.key
	if r := p.runs[key]; r != nil {
		if !r.left() {
			p.hear(r, who)
			return r
		}
		p.endLocked(r)
	}
	if len(p.order) >= maxRuns {
		p.endLocked(p.order[0])
	}
	r := &run{
		key: key, rule: rule, who: who, last: p.now(), walk: p.Walks[rule.Walk]("https://" + rule.Hosts[0].Name),
		conns: make(map[*conn]bool), asked: make(map[string]bool), absent: make(map[string]bool), objects: make(map[string]*object),
	}
	_, r.recalled = r.walk.(metered)
	if s, ok := r.walk.(sized); ok && p.lanes[rule.Name] == nil {
		p.laneOf(rule.Name).usual = s.UsualSize()
	}
	r.ctx, r.cancel = context.WithCancel(p.ctx)
	p.runs[key] = r
	p.order = append(p.order, r)
	p.hear(r, who)
	if who.dir != "" {
		p.deliver(r, event{kind: projected})
	}
	if !p.ticking {
		p.ticking = true
		time.AfterFunc(tick, p.tick)
	}
	return r
}

// tick ends what is over. It comes again while there are runs or connections.
func (p *Prefetcher) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for key, c := range p.conns {
		if closed(key.gone) || now.Sub(c.seen) > 2*idleAfter {
			delete(p.conns, key)
		}
	}
	for _, r := range slices.Clone(p.order) {
		r.lookAround(now, p.conns)
		if now.Sub(r.last) > idleAfter || !r.alone.IsZero() && now.Sub(r.alone) >= goneAfter {
			p.endLocked(r)
			continue
		}
		r.expire(now)
	}
	for _, l := range p.lanes {
		l.expire(now)
	}
	p.ticking = p.alive() && len(p.order)+len(p.conns) > 0
	if p.ticking {
		p.scheduleLocked()
		time.AfterFunc(tick, p.tick)
	}
}

// lookAround forgets the connections that are closed, and notes when the last one was.
func (r *run) lookAround(now time.Time, open map[connection]*conn) {
	had := len(r.conns) > 0
	for c := range r.conns {
		if open[c.key] != c {
			delete(r.conns, c)
		}
	}
	if had && len(r.conns) == 0 {
		r.alone = now
	}
}

// left says that a client of which no more than the address is known has ended, although that was not noted yet.
func (r *run) left() bool {
	_, ok := r.walk.(steady)
	if !ok || r.who.pid != 0 || len(r.conns) == 0 && r.alone.IsZero() {
		return false
	}
	for c := range r.conns {
		if !closed(c.key.gone) {
			return false
		}
	}
	return true
}

// endLocked gives up what a run still wants, and draws the balance.
func (p *Prefetcher) endLocked(r *run) {
	r.ended = true
	r.cancel()
	delete(p.runs, r.key)
	p.order = slices.DeleteFunc(p.order, func(other *run) bool { return other == r })
	for _, e := range r.inbox {
		p.bodies -= int64(cap(e.body))
	}
	for _, o := range r.objects {
		r.waste(o)
		if o.state == held {
			o.line.account.judge(false)
		}
	}
	p.objects -= len(r.objects)
	p.log().Debug("a run of a client ended", "rule", r.rule.Name, "asked", len(r.asked), "ahead", len(r.objects))
	if p.Recall != nil && p.Recall.Remember(r.rule.Name, r.who.mark(), r.answers()) && p.ctx.Err() == nil {
		p.spawn(func() { p.Recall.Save(p.log()) })
	}
}

func closed(gone <-chan struct{}) bool {
	select {
	case <-gone: // a nil channel is never ready
		return true
	default:
		return false
	}
}
