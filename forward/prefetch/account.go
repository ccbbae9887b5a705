package prefetch

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sort"
	"time"

	"hither/forward/fetch"
)

// reason is what accounts are kept by.
type reason struct {
	rule, why string
	class     class
}

// Line is the account of one reason for asking ahead.
type Line struct {
	Rule        string `json:"rule"`
	Why         string `json:"why"`
	Bulk        bool   `json:"bulk,omitempty"`
	Ahead       int    `json:"ahead"`  // asked for
	Used        int    `json:"used"`   // and asked for by a client later
	Wasted      int    `json:"wasted"` // and not
	Cached      int    `json:"cached"` // asked for, and found in the cache
	UsedBytes   int64  `json:"usedBytes"`
	WastedBytes int64  `json:"wastedBytes"`
	Waiting     int    `json:"waiting"`        // not asked for yet
	Held        bool   `json:"held,omitempty"` // so often wrong that only one in ten is tried
}

// account judges one reason. Prefetcher.mu guards it.
type account struct {
	Line
	right, wrong int // lately
	turn         int // of those that are held back
}

const (
	maxAccounts = 256              // reasons beyond share one
	enough      = 20               // verdicts, before a reason is held back
	lately      = 64               // verdicts; older ones count half, and half again
	slack       = 50               // metadata of a run, for guesses
	certain     = 90               // and for what its project or the last time names: so many are under way at once
	lineSlack   = 32               // metadata of a line of guesses
	bulkSlack   = 2                // packages of a line of guesses
	bulkAhead   = 8                // packages of a run
	unseen      = 1000             // things of each class of a run whose client has asked for nothing, however sure they are
	byteSlack   = 1 << 20          // bytes of packages that may be wasted before 5 % are more
	bytesAhead  = 16 << 20         // bytes of packages that may lie unused while the client got none
	passes      = 16               // metadata asked for that stood behind a thing in its line
	bulkPasses  = 8                // packages
	usualBudget = int64(512) << 20 // bytes
)

func (p *Prefetcher) accountOf(rule string, o *object) *account {
	key := reason{rule, o.why, o.class}
	a := p.accounts[key]
	if a == nil && len(p.accounts) >= maxAccounts {
		key = reason{rule, "other reasons", o.class}
		a = p.accounts[key]
	}
	if a == nil {
		a = &account{Line: Line{Rule: key.rule, Why: key.why, Bulk: key.class == bulk}}
		p.accounts[key] = a
	}
	return a
}

func (a *account) judge(right bool) {
	if right {
		a.right++
	} else {
		a.wrong++
	}
	if a.right+a.wrong > lately {
		a.right, a.wrong = a.right/2, a.wrong/2
	}
}

// low says that the reason is wrong so often that it is held back.
func (a *account) low() bool {
	all, percent := a.right+a.wrong, 33
	if a.Bulk {
		percent = 90
	}
	return all >= enough && a.right*100 < all*percent
}

// tries lets one in ten go.
func (a *account) tries() bool {
	a.turn++
	return a.turn%10 == 0
}

// permits says whether the balance of the run allows one more of a line; the package comment has the rules.
func (r *run) permits(l *line, budget int64) bool {
	if l.guess && !r.far {
		return false
	}
	t := &r.tally[l.class]
	sure := l.sure && (len(r.asked) > 0 || t.open < unseen)
	if l.class == metadata {
		if l.guess { // what is certain to be asked for leaves room for them
			return t.guesses < t.needed+slack && l.unused < l.used+l.taken+lineSlack
		}
		return sure || t.open-t.guesses < t.needed+certain
	}
	if r.waits && len(r.asked) == 0 {
		return false
	}
	confirmed := t.foretold // a client that has most of it already confirms little
	if !r.waits {
		confirmed += r.tally[metadata].foretold
	}
	return (sure || t.open < bulkAhead+confirmed) && t.unused < min(budget, bytesAhead+2*t.neededBytes) &&
		t.wastedBytes+l.doubtful(t.unused) <= max(t.neededBytes/20, byteSlack) && (!l.guess || l.unused < l.used+bulkSlack)
}

// doubtful is how much of what lies unused will be wasted, if the line goes on as it did.
func (l *line) doubtful(unused int64) int64 {
	if l.wasted == 0 {
		return 0
	}
	return unused * int64(l.wasted) / int64(l.wasted+l.used)
}

func (p *Prefetcher) budget() int64 {
	if p.Budget > 0 {
		return p.Budget
	}
	return usualBudget
}

// begun notes what the head of an answer tells.
func (p *Prefetcher) begun(r *run, o *object, size int64, cached, far bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if far && !r.far {
		r.far = true
		p.scheduleLocked()
	}
	r.resize(o, max(size, 0))
	if size >= 0 && o.flying > 0 {
		p.laneOf(o.match.Rule.Name).fly(o, size)
	}
	if cached && !o.cached {
		o.cached = true
		o.line.account.Cached++
		if !o.used {
			r.free(o)
		}
	}
}

// resize notes how large a thing is.
func (r *run) resize(o *object, size int64) {
	more := size - o.bytes
	o.bytes = size
	switch {
	case o.used:
		o.line.account.UsedBytes += more
		if o.unpaid {
			r.tally[o.class].neededBytes += more
		}
	case !o.cached:
		r.tally[o.class].unused += more
	}
	if o.wasted {
		r.tally[o.class].wastedBytes += more
		o.line.account.WastedBytes += more
	}
}

// free takes a thing out of what lies unused, when it is used, cost nothing, or was not asked of anybody.
func (r *run) free(o *object) {
	t := &r.tally[o.class]
	t.unused -= o.bytes
	t.open--
	if o.guess {
		o.line.unused--
		t.guesses--
	}
}

// ended notes how a fetch went.
func (p *Prefetcher) ended(r *run, o *object, size int64, err error) {
	o.ended = p.now()
	l := p.laneOf(o.match.Rule.Name)
	if err == nil {
		o.state, l.failures = done, 0
		r.resize(o, max(size, 0))
		if r.ended {
			r.waste(o)
		}
		return
	}
	o.state = failed
	if errors.Is(err, context.Canceled) || errors.Is(err, fetch.ErrPass) {
		if !o.used && !o.cached {
			r.free(o)
			o.cached = true
		}
		return
	}
	r.resize(o, 0) // its bytes, not its request: a registry that refuses many would else be asked for more
	p.log().Debug("what was asked for ahead did not come", "name", o.match.Name, "err", err)
	if o.doubt && refused(err) {
		return
	}
	if l.failures++; l.failures >= maxFailures {
		l.failures, l.rest = 0, p.now().Add(restFor)
	}
}

// refused says that the registry answered, and gives just this to nobody like us.
func refused(err error) bool {
	var f *fetch.Failure
	if !errors.As(err, &f) {
		return false
	}
	switch f.Status() {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusUnavailableForLegalReasons:
		return true
	}
	return false
}

// use notes that the client asks for a thing.
func (r *run) use(o *object) {
	a, t := o.line.account, &r.tally[o.class]
	switch o.state {
	case queued, held:
		o.state, o.place = taken, len(o.line.started)
		r.overtake(o)
		t.foretold++
		a.judge(true)
	case fetching, done:
		if o.wasted { // after all it was not
			o.wasted = false
			o.line.wasted--
			t.wastedBytes -= o.bytes
			a.Wasted--
			a.WastedBytes -= o.bytes
			a.wrong = max(0, a.wrong-1)
		}
		o.used = true
		o.line.used++
		t.foretold++
		a.Used++
		a.UsedBytes += o.bytes
		a.judge(true)
		if !o.cached {
			r.free(o)
		}
	case failed:
		t.foretold++
		if !o.cached {
			r.free(o)
		}
	}
	r.pass(o)
}

// overtake is told that the client asks for o, which is still queued. What stands behind o it asks for next, in whatever line
// of guesses; what stands before o can wait.
func (r *run) overtake(o *object) {
	o.line.taken++
	if !o.guess || o.class != metadata {
		return
	}
	for _, l := range r.lines {
		if l.guess && l.class == metadata {
			l.goOn(o.order)
		}
	}
}

// pass notes that the client is as far as o, and finds out what it went past.
func (r *run) pass(o *object) {
	l, most := o.line, passes
	if o.class == bulk {
		most = passesOf(r.walk)
	}
	i := sort.SearchInts(l.latest, o.place)
	l.latest = slices.Insert(l.latest, i, o.place)
	if len(l.latest) < most {
		return
	}
	l.latest = l.latest[len(l.latest)-most:]
	for ; l.swept < l.latest[0]; l.swept++ {
		r.waste(l.started[l.swept])
	}
}

// waste notes that a thing was asked for in vain, as it seems now.
func (r *run) waste(o *object) {
	if o.used || o.wasted || o.cached || !o.state.begun() {
		return
	}
	o.wasted = true
	t, a := &r.tally[o.class], o.line.account
	o.line.wasted++
	t.wastedBytes += o.bytes
	a.Wasted++
	a.WastedBytes += o.bytes
	if o.state == done || !r.ended { // what was under way when the client left says nothing of its reason
		a.judge(false)
	}
}

// expire gives up what has lain unused for too long.
func (r *run) expire(now time.Time) {
	for _, o := range r.objects {
		if o.state == done && now.Sub(o.ended) > unusedFor {
			r.waste(o)
		}
	}
}

// Report is the accounts of all reasons since the start, by rule and reason.
func (p *Prefetcher) Report() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := make(map[*account]int)
	for _, r := range p.order {
		for _, o := range r.objects {
			if o.state == queued || o.state == held {
				waiting[o.line.account]++
			}
		}
	}
	var lines []Line
	for _, a := range p.accounts {
		l := a.Line
		l.Waiting, l.Held = waiting[a], a.low()
		lines = append(lines, l)
	}
	slices.SortFunc(lines, compareLines)
	return lines
}

func compareLines(a, b Line) int {
	return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Why, b.Why), cmp.Compare(fmtBulk(a.Bulk), fmtBulk(b.Bulk)))
}

func fmtBulk(bulk bool) int {
	if bulk {
		return 1
	}
	return 0
}
