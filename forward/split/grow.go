package split

import (
	"slices"
	"time"
)

// growth looks for the number of connections that pays: it tries one more, or one less, and compares what all of them
// together bring before and after. Without it a lossy line would be used to a tenth, and a shared one overflow.
type growth struct {
	trial   trial
	tried   []*lane       // that were switched on, or off
	before  float64       // bytes a second before the trial
	settled time.Time     // from then on a change shows
	from    time.Time     // since when bytes are counted; zero: they are not
	bytes   int64         // that had arrived by then
	last    float64       // bytes a second in the span before, while no trial was on
	next    time.Time     // of the next trial
	pause   time.Duration // before the one after a failure
	fewer   bool          // the next trial is one connection less
	idle    bool          // since from, a connection had nothing to do: the writer or Memory is the limit
}

type trial int

const (
	none trial = iota
	more
	less
)

const (
	settle     = 300 * time.Millisecond // until a change shows, at least; a new connection starts slowly
	settleTrip = 4                      // the same, in round trips
	span       = 500 * time.Millisecond // over which bytes are counted
	firstPause = time.Second            // after a trial that failed; doubled each time, since each costs a little
	lastPause  = 16 * time.Second
	gain       = 1.15 // one connection more must bring this
	bigGain    = 1.30 // and if it brings this, two more are tried at once
	loss       = 0.95 // one connection less may cost this
	alike      = 0.8  // rates that differ by less are thought equal
)

func (g *growth) begin(now time.Time) {
	*g = growth{settled: now.Add(settle), pause: firstPause}
}

// growLocked is called at every tick.
func (p *plan) growLocked(now time.Time) {
	g := &p.growth
	if p.shared() {
		p.regainLocked(now)
		return
	}
	if g.trial == less && len(g.tried[0].runs) > 0 {
		p.settleLocked(now) // it brings its last bytes
	}
	switch {
	case now.Before(g.settled):
	case g.from.IsZero():
		g.from, g.bytes, g.idle = now, p.arrived, false
		for _, s := range p.sources {
			s.counted = s.received
		}
	case now.Sub(g.from) >= span:
		elapsed := now.Sub(g.from).Seconds()
		rate := float64(p.arrived-g.bytes) / elapsed
		for _, s := range p.sources {
			s.rate = float64(s.received-s.counted) / elapsed
		}
		p.settleLocked(now)
		p.concludeLocked(rate, now)
	}
}

// regainLocked switches a lane on again that was one too many: once in a while, as long as that does not show anew.
func (p *plan) regainLocked(now time.Time) {
	if s := p.sources[0]; s.err == nil && s.strikes == 0 && !now.Before(s.full) && s.addLane() != nil {
		s.full = now.Add(firstPause)
	}
}

// settleLocked begins to measure anew, when the last change will show.
func (p *plan) settleLocked(now time.Time) {
	p.growth.from = time.Time{}
	p.growth.settled = now.Add(min(max(settle, settleTrip*p.farthestLocked()), time.Second))
}

// farthestLocked is the longest time that a source takes to answer.
func (p *plan) farthestLocked() time.Duration {
	trip := time.Duration(0)
	for _, l := range p.lanes {
		trip = max(trip, l.source.trip)
	}
	return trip
}

// concludeLocked ends a trial and begins the next.
func (p *plan) concludeLocked(rate float64, now time.Time) {
	g := &p.growth
	switch {
	case g.trial == more && rate < g.before*gain:
		for _, l := range g.tried {
			l.off, l.source.full = true, now.Add(g.pause)
			p.retractLocked(l, now)
		}
		p.pauseLocked(now, true)
		return
	case g.trial == more && !p.paidLocked(now):
		p.pauseLocked(now, true)
		return
	case g.trial == less && rate < g.before*loss:
		g.tried[0].off = g.tried[0].source.err != nil
		p.pauseLocked(now, false)
		return
	case g.trial == none && (now.Before(g.next) || p.tellsNothingLocked(rate, now)):
		return
	}
	n := 1
	if g.trial == more && rate >= g.before*bigGain || p.activeLocked() <= 2 {
		n = 2
	}
	g.before = rate
	for _, s := range p.sources {
		s.before = s.rate
	}
	p.tryLocked(n, now)
}

// tellsNothingLocked says that a trial between several sources would not be worth its cost now. While they are still starting,
// each becomes faster by itself, and whatever was tried would seem to have paid; but who was not asked yet may be the fastest of
// all. And shortly before the end there is no time left in which it could pay.
func (p *plan) tellsNothingLocked(rate float64, now time.Time) bool {
	g := &p.growth
	rising := rate > g.last*gain && !slices.ContainsFunc(p.sources, (*source).unused)
	g.last = rate
	if len(p.sources) == 1 || !rising && !p.endsWithinLocked(tedious+opening*p.farthestLocked()) {
		return false
	}
	g.settled = now // nothing was changed
	return true
}

// retractLocked takes back what a connection that is one too many was asked for, if it would be waited for at the end. Else it
// goes on, since what its server has sent already would come for nothing.
func (p *plan) retractLocked(l *lane, now time.Time) {
	if len(p.sources) == 1 {
		return // its connections are all as slow
	}
	for _, r := range slices.Clone(l.runs) {
		in := p.remainsLocked(r, r.chunk.to-r.at, 0, now)
		if !r.lead && in > impatience.Seconds() && p.endsWithinLocked(time.Duration(in*float64(time.Second))) {
			r.cancel(errNeedless)
		}
	}
}

// paidLocked switches those of the tried connections off whose own source did not become faster: what all bring may have
// grown meanwhile by others, which are still starting. It says whether any is left.
func (p *plan) paidLocked(now time.Time) (paid bool) {
	g := &p.growth
	for _, l := range g.tried {
		s := l.source
		if s.before > 0 && s.rate < s.before*gain {
			l.off, s.full = true, now.Add(g.pause)
			p.retractLocked(l, now)
			continue
		}
		paid = true
	}
	return paid
}

// pauseLocked waits before the next trial, which goes the other way.
func (p *plan) pauseLocked(now time.Time, fewer bool) {
	g := &p.growth
	g.trial, g.tried, g.fewer = none, nil, fewer
	g.next = now.Add(g.pause)
	g.pause = min(2*g.pause, lastPause)
	g.settled = g.next
}

// tryLocked switches n connections on, or one off.
func (p *plan) tryLocked(n int, now time.Time) {
	g := &p.growth
	if g.trial != none {
		g.pause = firstPause // it was a success
	}
	if g.fewer || g.idle {
		if l := p.leastLocked(); l != nil {
			l.off = true
			g.trial, g.tried = less, []*lane{l}
			return
		}
	}
	var added []*lane
	for range n {
		if g.idle {
			break // others would have nothing to do, either
		}
		if l := p.addLocked(now); l != nil {
			added = append(added, l)
		}
	}
	if len(added) == 0 {
		p.pauseLocked(now, !g.fewer)
		return
	}
	g.trial, g.tried, g.fewer = more, added, false
}

// addLocked opens a connection where it promises most: to a source that is not used yet, else to the one whose connections
// are the fastest. nil: nowhere.
func (p *plan) addLocked(now time.Time) *lane {
	if p.activeLocked() >= allMost {
		return nil
	}
	var best *source
	for _, s := range p.sources {
		if s.err != nil || s.strikes > 0 || now.Before(s.full) || s.on() >= s.Most {
			continue
		}
		if s.on() == 0 {
			return s.addLane()
		}
		if best == nil || p.eachLocked(s) > p.eachLocked(best) {
			best = s
		}
	}
	if best == nil {
		return nil
	}
	return best.addLane()
}

// leastLocked is the connection that will be missed least: of a source with several, if there is one; then the slowest;
// and among those that are about as slow, of the source that was thought the worst. nil: there is only one.
func (p *plan) leastLocked() *lane {
	if p.activeLocked() < 2 {
		return nil
	}
	var least *lane
	for _, s := range slices.Backward(p.sources) {
		for _, l := range slices.Backward(s.lanes) {
			if !l.off && !l.leads() && (least == nil || p.lesserLocked(l, least)) {
				least = l
			}
		}
	}
	return least
}

func (p *plan) lesserLocked(l, least *lane) bool {
	if several := l.source.on() > 1; several != (least.source.on() > 1) {
		return several
	}
	return p.rateLocked(l) < p.rateLocked(least)*alike
}

// leads says that a connection carries the body that was open already.
func (l *lane) leads() bool { return len(l.runs) > 0 && l.runs[0].lead }

// eachLocked is what each connection of a source brings.
func (p *plan) eachLocked(s *source) float64 {
	for _, l := range s.lanes {
		if !l.off {
			return p.rateLocked(l)
		}
	}
	return s.Rate
}

// upsetLocked forgets what was found out, and replaces what was lost: a source is not what it was.
func (p *plan) upsetLocked(now time.Time) {
	p.growth.begin(now)
	p.occupyLocked()
}
