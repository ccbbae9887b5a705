package split

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// tick is how often silence is looked for. Everything else happens when bytes arrive or are written.
const tick = 100 * time.Millisecond

// plan is a job under way: who brings what. All of it is guarded by mu.
type plan struct {
	job    Job
	ctx    context.Context // of all that runs
	memory *Memory
	runs   sync.WaitGroup

	mu      sync.Mutex
	news    sync.Cond // bytes came or went, or something ended
	sources []*source
	lanes   []*lane  // that are on, the fastest first; as of the last tick
	chunks  []*chunk // cover [written, next), but for what was written of the first
	next    int64    // first byte that belongs to no chunk
	written int64    // first byte that was not written
	arrived int64    // bytes that came and were of use
	meter   meter    // of these
	held    int64    // of memory
	parts   []Part
	growth  growth
	stats   Stats
	over    bool
}

func newPlan(ctx context.Context, j *Job) *plan {
	p := &plan{job: *j, ctx: ctx, memory: j.Memory, next: j.From, written: j.From}
	if p.memory == nil {
		p.memory = &Memory{}
	}
	p.job.LeadTo = cmp.Or(p.job.LeadTo, p.job.Size)
	p.news.L = &p.mu
	for _, s := range j.Sources {
		p.sources = append(p.sources, newSource(s))
	}
	return p
}

// start begins with what is likely to be right: some connections to the best source, one to each of the next two.
func (p *plan) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.growth.begin(time.Now())
	p.meter.resume(time.Now())
	if p.job.Lead != nil {
		p.leadLocked()
	}
	p.occupyLocked()
	p.dispatchLocked()
	p.runs.Go(p.watch)
}

// occupyLocked opens the first connections, and others when a source is lost.
func (p *plan) occupyLocked() {
	best := true
	for i, n := 0, 0; i < len(p.sources) && n < 3; i++ {
		s := p.sources[i]
		if s.err != nil {
			continue
		}
		want := 1
		if best {
			want = p.firstLanes(s)
		}
		for s.on() < want && p.activeLocked() < allMost && s.addLane() != nil {
		}
		best = false
		n++
	}
	p.sortLocked()
}

const (
	// thin is a rate below which a connection is likely to be held up by losses, in bytes a second. Lines are faster.
	thin = 1e6
	// tedious is for how long the rest of an object must be on its way before that is worth more connections at once. Those
	// that do not pay are taken back soon.
	tedious = 4 * time.Second
)

// shared says that lanes are no connections: whoever knows those says when one more range pays, so all lanes may ask.
func (p *plan) shared() bool { return p.job.Pool != nil && len(p.sources) == 1 }

// apart is a round trip for which one connection more is opened at the beginning.
const apart = 40 * time.Millisecond

// firstLanes is how many connections the best source begins with.
func (p *plan) firstLanes(s *source) int {
	if p.shared() {
		return s.Most
	}
	if far := int(s.Trip / apart); far > 2 && len(p.sources) == 1 && p.job.Size-p.job.From >= 2*int64(far)*minChunk {
		return min(far, 8)
	}
	if rest := float64(p.job.Size - p.job.From); s.Rate > 0 && s.Rate < thin && rest/s.Rate > tedious.Seconds() {
		return 4
	}
	if len(p.sources) > 1 && p.job.LeadTo < p.job.Size { // it is known to send ranges
		return 1 // a second one would get little of what the first fills, and be waited for
	}
	return 2
}

// sortLocked lists the lanes that are on, the fastest first: it gets the earliest chunk.
func (p *plan) sortLocked() {
	p.lanes = p.lanes[:0]
	for _, s := range p.sources {
		for _, l := range s.lanes {
			if !l.off {
				p.lanes = append(p.lanes, l)
			}
		}
	}
	slices.SortStableFunc(p.lanes, func(a, b *lane) int { return cmp.Compare(p.rateLocked(b), p.rateLocked(a)) })
	p.stats.Conns = max(p.stats.Conns, len(p.lanes))
}

// dispatchLocked gives every free lane something to do.
func (p *plan) dispatchLocked() {
	if p.over || p.ctx.Err() != nil {
		return
	}
	now := time.Now()
	for _, s := range p.sources {
		s.sated = false
	}
	for _, l := range p.lanes {
		if l.source.sated || !p.readyLocked(l, now) {
			continue
		}
		seat := p.seatLocked(l)
		if seat == nil && p.job.Pool != nil {
			continue
		}
		if c := p.pickLocked(l, p.portionLocked(l, seat), now); c != nil {
			p.runLocked(l, c, seat, now)
			continue
		}
		if seat != nil {
			seat.Leave()
		}
		if len(l.runs) == 0 && l.source.strikes == 0 {
			p.growth.idle = true
			l.source.sated = p.job.Pool != nil && !p.tooLateLocked(l) // what is nothing for this lane is nothing for the others
		}
	}
}

// seatLocked is a place for what a lane should bring next; nil if there is no Pool, or its connections have enough.
func (p *plan) seatLocked(l *lane) Seat {
	if p.job.Pool == nil {
		return nil
	}
	must := l.source.active == 0
	seat := p.job.Pool.Take(l.source.Source, p.sizeLocked(l), must)
	if f, ok := seat.(Forecast); ok && !must && p.lastLocked(f.Left()) {
		seat.Leave()
		seat = nil
	}
	l.source.sated = seat == nil
	return seat
}

// lastLocked says that what comes in so long would be waited for at the end: the connections that are busy now will have
// brought all before.
func (p *plan) lastLocked(in time.Duration) bool {
	rate := p.meter.mean()
	if rate == 0 {
		return false
	}
	const margin = 1.2 // rates vary
	return in.Seconds() > margin*float64(p.job.Size-p.job.From-p.arrived)/rate+2*hesitation.Seconds()
}

// soonLocked is in how many seconds a lane would have brought n bytes; 0: nobody knows.
func (p *plan) soonLocked(l *lane, n int64) float64 {
	if p.job.Pool != nil {
		return p.job.Pool.Soon(l.source.Source, n).Seconds()
	}
	rate := p.rateLocked(l)
	if rate == 0 {
		rate = p.usualLocked()
	}
	if rate == 0 {
		return 0
	}
	return l.source.trip.Seconds() + float64(n)/rate
}

// readyLocked says that a lane has nothing to do, or soon will have.
func (p *plan) readyLocked(l *lane, now time.Time) bool {
	s := l.source
	switch {
	case l.off || now.Before(s.rest):
		return false
	case s.strikes > 0 && s.active > 0:
		return false // one trial at a time
	case len(l.runs) == 0:
		return true
	}
	return len(l.runs) < ahead && s.Most > 1 && p.endingLocked(l)
}

// ahead is how many ranges a lane may have under way. Where they are short and the source is far, one after the other would
// leave the line empty for a round trip each.
const ahead = 3

// endingLocked says that what a lane was asked for will have come within a round trip, so that more should be asked for.
func (p *plan) endingLocked(l *lane) bool {
	const margin = 1.5 // round trips vary
	left := int64(0)
	for _, r := range l.runs {
		if r.lead && r.end > r.chunk.to && r.chunk.to == p.next {
			return false
		}
		left += max(r.chunk.to-r.at, 0)
	}
	trip := l.source.trip.Seconds()
	if len(l.runs) == 1 && l.runs[0].got > 0 {
		rate := p.rateLocked(l)
		return rate == 0 || float64(left) <= rate*trip*margin
	}
	return float64(left) < l.meter.mean()*trip // they are shorter than what is on its way
}

// portionLocked is how many bytes a lane should bring next.
func (p *plan) portionLocked(l *lane, seat Seat) int64 {
	if seat == nil {
		return p.sizeLocked(l)
	}
	return max(min(p.sizeLocked(l), seat.Most())/crumb*crumb, crumb)
}

// pickLocked is what a lane should bring next, about size bytes; nil: nothing.
func (p *plan) pickLocked(l *lane, size int64, now time.Time) *chunk {
	if p.tooLateLocked(l) {
		return nil
	}
	if l.source.strikes > 0 && p.othersLocked(l.source) {
		return p.freshLocked(minChunk) // nobody waits for that one
	}
	if c := p.blockedLocked(l, now); c != nil {
		return c
	}
	if p.lastsLocked(l, size, now) {
		return nil
	}
	if c := p.orphanLocked(size); c != nil {
		return c
	}
	if c := p.freshLocked(size); c != nil {
		return c
	}
	if c := p.tailLocked(l, size); c != nil {
		return c
	}
	return p.slowLocked(l, now)
}

// opening is in how many round trips a connection that is not open yet brings about as much as one that is.
const opening = 5

// tooLateLocked says that a connection which was not used yet would hold up the end: the others will have brought all that
// is missing before it comes to speed.
func (p *plan) tooLateLocked(l *lane) bool {
	return !l.used && l.number > 0 && p.arrived > 0 && p.endsWithinLocked(opening*l.source.trip)
}

// lastsLocked says that what a lane would be asked for now would be waited for at the end: of several sources, others will
// have brought all before. The fastest is busy, and gets it next, unless it is silent: nobody knows for how long.
func (p *plan) lastsLocked(l *lane, size int64, now time.Time) bool {
	own, best := l.meter.mean(), p.lanes[0]
	if len(p.sources) == 1 || own == 0 || l == best || best.source.strikes > 0 || !best.bringsLocked(now) {
		return false
	}
	owed := int64(0)
	for _, r := range l.runs {
		owed += max(r.chunk.to-r.at, 0)
	}
	const margin = 1.3 // rates vary
	in := max(l.source.trip.Seconds(), float64(owed)/own) + float64(size)/own
	return p.endsWithinLocked(time.Duration((in/margin - 2*hesitation.Seconds()) * float64(time.Second)))
}

// bringsLocked says that bytes came to a lane just now, or will when its source has had the time to answer.
func (l *lane) bringsLocked(now time.Time) bool {
	patience := 2*l.source.trip + hesitation
	return slices.ContainsFunc(l.runs, func(r *run) bool { return now.Sub(r.last) < patience })
}

// endsWithinLocked says that the lanes that bring bytes now will have brought all within d.
func (p *plan) endsWithinLocked(d time.Duration) bool {
	sum := 0.0
	for _, l := range p.lanes {
		if l.used {
			sum += l.meter.mean()
		}
	}
	return sum > 0 && float64(p.job.Size-p.job.From-p.arrived)/sum < d.Seconds()
}

// watch looks for silence and tries other numbers of connections until the job is over.
func (p *plan) watch() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-ticker.C:
			p.look(now)
		}
	}
}

func (p *plan) look(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	for _, s := range p.sources {
		for _, l := range s.lanes {
			for _, r := range l.runs {
				if r.waiting && now.Sub(r.sign) >= p.patienceLocked(s) {
					r.cancel(ErrStalled)
				}
			}
		}
	}
	p.growLocked(now)
	if p.activeLocked() == 0 {
		p.occupyLocked() // one trial was undone while another cost the last connection
	}
	p.sortLocked()
	p.dispatchLocked()
	p.news.Broadcast()
}

// patienceLocked is how long a connection may be silent.
func (p *plan) patienceLocked(s *source) time.Duration {
	switch {
	case p.job.Stall > 0:
		return p.job.Stall
	case p.job.Others, slices.ContainsFunc(p.sources, func(o *source) bool { return o != s && o.err == nil }):
		return 3 * time.Second
	}
	return 10 * time.Second
}

// wake makes all who wait look at ctx.
func (p *plan) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.news.Broadcast()
}

// end stops what still runs and waits for it.
func (p *plan) end(cancel context.CancelFunc) {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	cancel()
	p.wake()
	p.runs.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.chunks {
		p.releaseLocked(c, c.held)
		recycle(c.take())
	}
}
