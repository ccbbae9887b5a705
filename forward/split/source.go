package split

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

const (
	usualMost  = 8        // connections to one source
	allMost    = 16       // connections of a job
	strikesOut = 3        // failures in a row after which a source is given up
	proof      = 64 << 10 // bytes in one range that show that a source is alive
	pace       = 4 << 10  // bytes that must come within Job.Stall: one now and then would hold up everybody for ever
	firstRest  = 100 * time.Millisecond
)

// Why a source was given up, in Tally.Err.
var (
	ErrStalled = errors.New("it sent nothing for too long")
	ErrSlow    = errors.New("another connection was much faster")
	ErrShort   = errors.New("it ended the range too early")
	ErrLong    = errors.New("it sent more than the range")
)

var errNeedless = errors.New("another connection had brought it already")

// source is what a job knows of one of its sources.
type source struct {
	Source
	tally    Tally
	lanes    []*lane // by number; those that are off may be switched on again
	active   int     // ranges under way
	since    time.Time
	trip     time.Duration // from asking to the first byte, averaged; 0: not known
	floor    float64       // bytes a second over a range and its round trip, at best; for ranges too short to measure more
	received int64         // bytes, of any use or none
	counted  int64         // of these, those before the span in which growth counts
	rate     float64       // bytes a second in the last such span
	before   float64       // the same before the trial that is on
	used     int64         // bytes written
	strikes  int           // failures in a row
	struck   time.Time     // when it last failed
	rest     time.Time     // it is not asked before
	sated    bool          // it is asked for nothing in this dispatch
	full     time.Time     // another connection is not tried before
	err      error         // why it was given up
}

// lane is one connection.
type lane struct {
	source *source
	number int
	off    bool // gets no more ranges
	used   bool
	runs   []*run // the next is asked for shortly before the last one ends
	meter  meter
}

func newSource(s Source) *source {
	s.Most = cmp.Or(s.Most, usualMost)
	return &source{Source: s, tally: Tally{Base: s.Base}}
}

// addLane switches on a connection that is off, or a new one. nil: it has as many as it may.
func (s *source) addLane() *lane {
	for _, l := range s.lanes {
		if l.off && len(l.runs) == 0 {
			l.off = false
			return l
		}
	}
	if len(s.lanes) >= s.Most {
		return nil
	}
	l := &lane{source: s, number: len(s.lanes)}
	s.lanes = append(s.lanes, l)
	return l
}

func (s *source) on() int {
	n := 0
	for _, l := range s.lanes {
		if !l.off {
			n++
		}
	}
	return n
}

// unused says that a source could bring bytes, and was not yet asked for any.
func (s *source) unused() bool { return s.err == nil && len(s.lanes) == 0 }

// join counts a range that begins.
func (s *source) join(r *run) {
	if s.active++; s.active == 1 {
		s.since = r.began
	}
	if s.tally.Ranges++; !r.lane.used {
		r.lane.used = true
		s.tally.Conns++
	}
	r.lane.runs = append(r.lane.runs, r)
}

// leave counts a range that ended.
func (s *source) leave(r *run, now time.Time) {
	if s.active--; s.active == 0 {
		s.tally.Busy += now.Sub(s.since)
	}
	r.lane.runs = remove(r.lane.runs, r)
	if took := now.Sub(r.began).Seconds(); !r.lead && took > 0 {
		s.floor = max(s.floor, float64(r.got)/took)
	}
}

// answered notes the first byte of a range.
func (s *source) answered(r *run, now time.Time) {
	wait := now.Sub(r.began)
	if s.tally.Wait == 0 {
		s.tally.Wait = wait
	}
	if s.trip == 0 {
		s.trip = wait
		return
	}
	s.trip += (wait - s.trip) / 4
}

// judgeLocked draws the consequences of how a range ended.
func (p *plan) judgeLocked(r *run, err error, now time.Time) {
	s := r.lane.source
	switch {
	case err == nil:
		s.strikes = 0
	case p.ctx.Err() != nil, errors.Is(err, errNeedless):
	case errors.Is(err, ErrNoRange), errors.Is(err, ErrMissing), errors.Is(err, ErrLong):
		p.giveUpLocked(s, err, now)
	case errors.Is(err, ErrStalled) && p.job.Others && s.active == 0 && !p.othersLocked(s):
		p.giveUpLocked(s, err, now)
	case errors.Is(err, ErrSlow), errors.Is(err, ErrShort):
		p.strikeLocked(r, err, now)
	case s.bringsBeside(r):
		if r.got < proof && s.on() > 1 { // it is one connection too many
			r.lane.off, s.full = true, now.Add(firstPause)
		}
	case r.got >= proof && !errors.Is(err, ErrStalled):
		s.strikes = 0 // the connection broke; the source is fine
	default:
		p.strikeLocked(r, err, now)
	}
}

// bringsBeside says that a source brought bytes over another connection while r failed.
func (s *source) bringsBeside(r *run) bool {
	return slices.ContainsFunc(s.lanes, func(l *lane) bool {
		return slices.ContainsFunc(l.runs, func(o *run) bool { return o != r && o.got >= proof && o.last.After(r.began) && o.last.After(r.last) })
	})
}

// strikeLocked counts a failure. Ranges that were under way together fail together: that is one.
func (p *plan) strikeLocked(r *run, err error, now time.Time) {
	s := r.lane.source
	if s.strikes > 0 && r.began.Before(s.struck) {
		return
	}
	s.strikes++
	s.struck, s.rest = now, now.Add(firstRest<<s.strikes)
	switch s.strikes {
	case strikesOut:
		p.giveUpLocked(s, err, now)
	case 1:
		p.upsetLocked(now)
	}
}

// giveUpLocked ends all that a source does, but for a lead that can go on without ranges.
func (p *plan) giveUpLocked(s *source, err error, now time.Time) {
	if s.err != nil {
		return
	}
	s.err = err
	for _, l := range s.lanes {
		l.off = true
		for _, r := range l.runs {
			if !r.lead || !errors.Is(err, ErrNoRange) {
				r.cancel(err)
			}
		}
	}
	p.upsetLocked(now)
}

// othersLocked says that a source that was not given up and brings bytes is left beside s.
func (p *plan) othersLocked(s *source) bool {
	return slices.ContainsFunc(p.sources, func(o *source) bool { return o != s && o.err == nil && o.strikes == 0 && o.on() > 0 })
}

// aloneLocked says that nobody but one connection to s can bring anything.
func (p *plan) aloneLocked(s *source) bool {
	return s.Most == 1 && !slices.ContainsFunc(p.sources, func(o *source) bool { return o != s && o.err == nil })
}

// deadLocked says that no more bytes will come.
func (p *plan) deadLocked() bool {
	return !slices.ContainsFunc(p.sources, func(s *source) bool { return s.err == nil || s.active > 0 })
}

// rateLocked is how many bytes a second a lane brings, or would bring; 0: nobody knows.
func (p *plan) rateLocked(l *lane) float64 {
	if rate := l.meter.mean(); rate > 0 {
		return rate
	}
	sum, n := 0.0, 0.0
	for _, other := range l.source.lanes {
		if rate := other.meter.mean(); rate > 0 {
			sum, n = sum+rate, n+1
		}
	}
	if n > 0 {
		return sum / n
	}
	return cmp.Or(l.source.Rate, l.source.floor)
}

// activeLocked is how many lanes are on.
func (p *plan) activeLocked() int {
	n := 0
	for _, s := range p.sources {
		n += s.on()
	}
	return n
}

func remove[E comparable](list []E, e E) []E {
	if i := slices.Index(list, e); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
