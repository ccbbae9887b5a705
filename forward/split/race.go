package split

import "time"

const (
	slower     = 2.0                    // times: what is not so much slower is left alone, for each race costs bytes
	later      = 1.2                    // the same at the end of a job of several sources, where it is all that is waited for
	hesitation = 100 * time.Millisecond // less than this is not worth a request
	impatience = time.Second            // and less than this not while there is other work
	endurance  = 3 * time.Second        // who is silent for less is waited for where there is much other work
)

// blockedLocked is the chunk at the head, if it holds up all others although this lane could bring the rest of it much
// sooner. nil: it does not.
func (p *plan) blockedLocked(l *lane, now time.Time) *chunk {
	if len(p.chunks) == 0 {
		return nil
	}
	head := p.chunks[0]
	for _, r := range head.runs {
		if r.lane.source == l.source && now.Sub(r.last) < impatience {
			return nil // what they share may be all that there is
		}
	}
	if p.tooSlowLocked(head, l, slower, impatience, now) {
		return head
	}
	return nil
}

// slowLocked is the earliest chunk that this lane, which has nothing else to do, could bring much sooner. nil: there is
// none.
func (p *plan) slowLocked(l *lane, now time.Time) *chunk {
	times := slower
	if len(p.sources) > 1 {
		times = later
	}
	for _, c := range p.chunks {
		if p.tooSlowLocked(c, l, times, hesitation, now) {
			return c
		}
	}
	return nil
}

// rivals is how many may bring the same chunk at once. The second may turn out to be as slow as the first.
const rivals = 3

// tooSlowLocked says that the rest of a chunk takes so many times as long as this lane would need for it, and margin longer.
func (p *plan) tooSlowLocked(c *chunk, l *lane, times float64, margin time.Duration, now time.Time) bool {
	if c.whole() || len(c.runs) == 0 || len(c.runs) >= rivals {
		return false
	}
	left, here := c.to-c.at, p.soonLocked(l, c.to-c.at)
	if here == 0 {
		return false
	}
	for i, r := range c.runs {
		fresh := i > 0 && now.Sub(r.began) < impatience || r.got == 0 && now.Sub(r.began).Seconds() < slower*r.expect
		soon := p.remainsLocked(r, left, here, now) <= times*here+margin.Seconds()
		if fresh || soon || !p.mayRaceLocked(l, r) || p.spareLocked(r, now) {
			return false
		}
	}
	return true
}

// spareLocked says that what a run brings is better left to it: so many others share its line that somebody else would bring
// it at their cost, and what is under way to the run would come for nothing. One that is silent is not spared.
func (p *plan) spareLocked(r *run, now time.Time) bool {
	return p.shared() && now.Sub(r.last) < endurance && p.job.Pool.Crowded(r.lane.source.Source)
}

// mayRaceLocked says that a lane may bring what another is bringing. Two lanes to one source share what it gives: there the
// one must have shown that it gets more, and nobody else be there.
func (p *plan) mayRaceLocked(l *lane, r *run) bool {
	switch {
	case r.lane == l || !r.waiting:
		return false
	case r.lane.source == l.source:
		return (p.job.Pool != nil || l.meter.mean() > 0) && !p.othersLocked(l.source)
	}
	return true
}

// remainsLocked is in how many seconds a run will have brought what is left. One that was silent is thought to stay so for
// as long again. usual is for a run of which nothing is known.
func (p *plan) remainsLocked(r *run, left int64, usual float64, now time.Time) float64 {
	silent, rate := now.Sub(r.last).Seconds(), p.rateLocked(r.lane)
	if r.got > 0 {
		if f, ok := r.body.(Forecast); ok {
			in := f.Left().Seconds()
			if silent >= impatience.Seconds() { // perhaps its connection brings what is another's
				in = max(in, silent)
			}
			return in
		}
		if own := r.lane.meter.rate(now); own > 0 {
			rate = own
		}
	}
	if rate == 0 {
		return silent + usual
	}
	return silent + float64(left)/rate
}

// usualLocked is the mean rate of all lanes that were measured; 0: none was.
func (p *plan) usualLocked() float64 {
	sum, n := 0.0, 0.0
	for _, l := range p.lanes {
		if rate := l.meter.mean(); rate > 0 {
			sum, n = sum+rate, n+1
		}
	}
	return sum / max(n, 1)
}

// overtaker is a helper that has come further than the run it was to help; nil: there is none.
func (r *run) overtaker() *run {
	for _, o := range r.chunk.runs {
		if o != r && o.helper && !r.helper && o.at > r.at {
			return o
		}
	}
	return nil
}

// won ends the race for a chunk that is whole now.
func (r *run) won() {
	for _, o := range r.chunk.runs {
		if o != r && o.at < o.chunk.to {
			o.cancel(o.beaten(r))
		}
	}
}

// beaten is why a run ends. To need help from another source is a fault; to have helped in vain is none, nor to be slower
// in another's place.
func (r *run) beaten(winner *run) error {
	switch {
	case r.helper || r.guest || r.lane.source == winner.lane.source:
		return errNeedless
	case r.waiting && (r.got == 0 || time.Since(r.sign) >= impatience):
		return ErrStalled
	}
	return ErrSlow
}
