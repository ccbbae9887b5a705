package prefetch

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"sort"
	"sync"
	"time"

	"hither/cache/digest"
	"hither/forward/fetch"
	"hither/rules"
)

// Why no walk is told of a body.
var (
	errLarge   = errors.New("it is too large to be read")
	errCrowded = errors.New("there is no room for it beside what is read now")
)

// class keeps metadata and packages apart: small things that wait behind large ones were 3 to 5 times slower.
type class int

const (
	metadata class = iota
	bulk
)

func classOf(m rules.Match) class {
	if m.Path.Bulk {
		return bulk
	}
	return metadata
}

// object is one thing that is asked for ahead, or waits for it.
type object struct {
	match rules.Match
	claim digest.Digest
	why   string
	class class
	depth int
	guess bool // it follows from an answer
	doubt bool // there may be no such thing
	sure  bool // the project names it, and the client does not have it; of bulk: and will ask for it
	reads bool // the walk wants its body

	line   *line
	order  int // among the wants of the run
	place  int // in its line: how many were begun before it was, or before the client asked for it
	state  state
	tried  bool // although its reason is often wrong
	used   bool
	wasted bool
	cached bool      // it cost nothing
	unpaid bool      // the client has it, and its size was not known then
	bytes  int64     // of its body, as far as is known
	flying int64     // of these, or of what its kind usually has, those that are still to come
	ended  time.Time // its fetch
}

type state int

const (
	queued state = iota
	held         // waits until its reason is right more often
	taken        // the client asked for it before it was its turn
	fetching
	done
	failed
)

// begun says that it is here, or under way.
func (s state) begun() bool { return s == fetching || s == done }

// line is the wants of one reason in one run, in their order.
type line struct {
	why     string
	class   class
	guess   bool
	sure    bool
	account *account
	queue   []*object // queued; what is taken stays until its turn
	late    []*object // queued before at; begun behind all of queue, and that of other lines
	at      int       // the order of what the client last asked for before its turn
	held    []*object // before all of queue
	started []*object
	used    int
	taken   int // that the client asked for before it was their turn
	wasted  int
	unused  int   // of guesses: begun, not used, and not for nothing in the cache
	swept   int   // of started: used, or wasted
	latest  []int // places of those asked for, the highest few, ascending
}

// wait is a package that a client waits for.
type wait struct {
	r      *run
	since  time.Time
	unpaid bool // its size is not known
}

// lane is what is under way at one registry.
type lane struct {
	ahead    [2]int
	flying   int64           // bytes of packages ahead that are still to come, as far as is known
	usual    int64           // bytes of a package
	demands  map[string]wait // packages that clients wait for, and that are not ahead, by name
	failures int             // in a row
	rest     time.Time       // until then nothing is asked ahead
}

const (
	maxUnder     = 200             // under way at all registries: fetch runs 320 transfers at once, and those of clients must not wait
	mostBulk     = 90              // packages ahead under way at one registry, however small they are
	usualWindow  = 8 << 20         // bytes of packages ahead that may be still to come: what 200 Mbit/s bring in 320 ms
	largeShare   = 8               // and a large one counts as the window divided by that: it comes on one connection of several
	unknownSize  = 512 << 10       // bytes of a package, as long as none has come, and its Walk does not tell
	maxLines     = 64              // of one run; a want with yet another reason is left out
	demandWithin = 2 * time.Minute // a package that a client waits for is taken to have come by then, if nobody tells
	maxFailures  = 5               // in a row, and the registry is left in peace
	restFor      = 30 * time.Second
)

func (p *Prefetcher) laneOf(rule string) *lane {
	l := p.lanes[rule]
	if l == nil {
		l = &lane{demands: make(map[string]wait), usual: unknownSize}
		p.lanes[rule] = l
	}
	return l
}

func (l *lane) expire(now time.Time) {
	for name, w := range l.demands {
		if now.Sub(w.since) > demandWithin {
			delete(l.demands, name)
		}
	}
}

// room says whether one more may be asked ahead. While clients wait for packages that are not ahead, those that are do not
// take more than half: of the number, or of what a fast line holds. Small ones are many without being much, and a client
// that asks for fifteen at a time would outrun eight.
func (p *Prefetcher) room(rule string, c class) bool {
	l := p.laneOf(rule)
	if p.under >= maxUnder || p.now().Before(l.rest) {
		return false
	}
	if c == metadata {
		return l.ahead[c] < or(p.Metadata, 90)
	}
	limit, demands := or(p.Bulk, 8), len(l.demands)
	if demands > 0 {
		limit = max(1, min(demands, limit-demands))
	}
	if l.ahead[c] < limit {
		return true
	}
	window := or(p.Window, usualWindow)
	if demands > 0 {
		window /= 2
	}
	return l.ahead[c] < mostBulk && l.flying+l.usual <= window
}

// fly corrects how many bytes of a package are still to come.
func (l *lane) fly(o *object, bytes int64) {
	if o.class == bulk {
		bytes = min(bytes, usualWindow/largeShare)
		l.flying += bytes - o.flying
		o.flying = bytes
	}
}

// or is the setting, or what stands for its zero.
func or[T int | int64](n, usual T) T {
	if n > 0 {
		return n
	}
	return usual
}

// admit queues what is new.
func (p *Prefetcher) admit(r *run, o *object) {
	_, asked := r.asked[o.match.Name]
	if asked || r.objects[o.match.Name] != nil || len(r.objects) >= maxNames || p.objects >= maxObjects {
		return
	}
	i := slices.IndexFunc(r.lines, func(l *line) bool {
		return l.why == o.why && l.class == o.class && l.guess == o.guess && l.sure == o.sure
	})
	if i < 0 {
		if len(r.lines) >= maxLines {
			return
		}
		i = len(r.lines)
		r.lines = append(r.lines, &line{why: o.why, class: o.class, guess: o.guess, sure: o.sure, account: p.accountOf(r.rule.Name, o)})
	}
	r.wants++
	o.order, o.line = r.wants, r.lines[i]
	r.objects[o.match.Name] = o
	p.objects++
	o.line.queue = append(o.line.queue, o)
}

// scheduleLocked starts what may be started, a thing of each run in turn.
func (p *Prefetcher) scheduleLocked() {
	for more := p.alive(); more; {
		more = false
		for _, r := range p.order {
			for r.far && p.reading < maxReading && p.bodies < cmp.Or(p.Bodies, MaxBodies)/2 && len(r.reads) > 0 {
				e := r.reads[0]
				r.reads = r.reads[1:]
				p.reading++
				p.spawn(func() { p.readAnswer(r, e) })
			}
			for _, c := range [...]class{metadata, bulk} {
				if o := p.next(r, c); o != nil {
					p.start(r, o)
					more = true
				}
			}
		}
	}
}

// next takes the first thing of a class that may be asked for; nil if there is none.
func (p *Prefetcher) next(r *run, c class) *object {
	var first *object
	for _, l := range r.lines {
		if l.class != c || !r.permits(l, p.budget()) {
			continue
		}
		if head := l.head(); head != nil && p.room(head.match.Rule.Name, c) && (first == nil || head.before(first)) {
			first = head
		}
	}
	if first != nil {
		first.line.pop()
	}
	return first
}

// before says that an object's turn comes before that of another line's.
func (o *object) before(other *object) bool {
	if o.late() != other.late() {
		return other.late()
	}
	return o.order < other.order
}

// late says that the client went past an object without asking for it.
func (o *object) late() bool { return o.order < o.line.at }

// head is the next thing of a line; nil if there is none. What has to wait because its reason is often wrong, does.
func (l *line) head() *object {
	low := l.account.low()
	if !low && len(l.held) > 0 {
		for _, o := range l.held {
			if o.state == held {
				o.state = queued
			}
		}
		l.queue, l.held = append(l.held, l.queue...), nil
		l.goOn(l.at)
	}
	for o := l.first(); o != nil; o = l.first() {
		if o.state == queued && (!low || o.tried || l.account.tries()) {
			o.tried = true
			return o
		}
		if o.state == queued {
			o.state = held
			l.held = append(l.held, o)
		}
		l.pop()
	}
	return nil
}

// goOn has a line go on behind a place in the order of all wants.
func (l *line) goOn(at int) {
	all := slices.Concat(l.late, l.queue)
	slices.SortFunc(all, func(a, b *object) int { return a.order - b.order }) // sorted already, unless some were held
	i := sort.Search(len(all), func(i int) bool { return all[i].order >= at })
	l.at, l.late, l.queue = at, all[:i], all[i:]
}

// first is whose turn it is, if it may be begun; nil if there is none.
func (l *line) first() *object {
	switch {
	case len(l.queue) > 0:
		return l.queue[0]
	case len(l.late) > 0 && l.unused < lineSlack:
		return l.late[0]
	}
	return nil
}

// pop takes the first away.
func (l *line) pop() {
	if len(l.queue) > 0 {
		l.queue = l.queue[1:]
	} else {
		l.late = l.late[1:]
	}
}

// start asks for a thing.
func (p *Prefetcher) start(r *run, o *object) {
	o.state, o.place = fetching, len(o.line.started)
	o.line.started = append(o.line.started, o)
	o.line.account.Ahead++
	r.tally[o.class].open++
	if o.guess {
		o.line.unused++
		r.tally[o.class].guesses++
	}
	l := p.laneOf(o.match.Rule.Name)
	l.ahead[o.class]++
	l.fly(o, l.usual)
	p.under++
	p.spawn(func() { p.bringAhead(r, o) })
}

// bringAhead fetches a thing ahead. Its bytes are read to the end, since a guess that nobody listens to is given up; but
// what the walk cannot be told of comes without us, as long as the run goes on.
func (p *Prefetcher) bringAhead(r *run, o *object) {
	arrived := sync.OnceFunc(func() { p.arrived(o) })
	defer arrived()
	a, err := p.Fetch(r.ctx, fetch.Request{Match: o.match, Claim: o.claim, Ahead: true, Arrived: arrived})
	var body []byte
	var size int64
	var unread error
	if err == nil {
		cached := slices.Contains([]fetch.State{fetch.Hit, fetch.Refreshing, fetch.Stale, fetch.Local}, a.Report.State)
		p.begun(r, o, a.Size, cached, asksFar(a.Report.State))
		switch size = a.Size; {
		case o.reads:
			if body, err = p.read(a); err == nil {
				size = int64(len(body))
			}
			if errors.Is(err, errLarge) || errors.Is(err, errCrowded) {
				unread, err = err, nil
			}
		case cached:
			a.Body.Close()
		default:
			size, err = io.Copy(io.Discard, a.Body)
			a.Body.Close()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.under--
	if l := p.laneOf(o.match.Rule.Name); o.class == bulk && err == nil && !o.cached {
		l.usual += (size - l.usual) / 4
	}
	p.ended(r, o, size, err)
	switch {
	case !o.reads:
	case err != nil:
		p.lose(r, o.match)
	case !p.readLater(r, event{match: o.match, claim: o.claim, depth: o.depth}, unread):
		p.bring(r, o.match, body, o.depth)
	}
	p.scheduleLocked()
}

// arrived lets the next one be asked for: the line is free, although an authority may still have to name what came.
func (p *Prefetcher) arrived(o *object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.laneOf(o.match.Rule.Name)
	l.ahead[o.class]--
	l.fly(o, 0)
	p.scheduleLocked()
}
