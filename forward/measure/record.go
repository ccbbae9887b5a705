package measure

import (
	"maps"
	"time"
)

const (
	// patience is after how many failures in a row an upstream is left alone.
	patience = 3
	// Each ejection without a success between lasts one timeOut longer, up to maxTimeOut.
	timeOut    = 30 * time.Second
	maxTimeOut = 10 * time.Minute
	// longestRest is the longest that an upstream can ask to be left alone for. Some send a day by mistake.
	longestRest = time.Hour
	// trial is how long a half-open upstream has to prove itself before another caller tries it. It is longer than a
	// source may take to begin its answer.
	trial = 10 * time.Second
	// quarantine is for how long wrong bytes are remembered the first time; each further time doubles it, up to
	// maxQuarantine. A mirror that mixes up files does it again.
	quarantine    = 3 * 24 * time.Hour
	maxQuarantine = 30 * 24 * time.Hour
	// hushed is for how long no client is made to try one that never sent anything, after it failed a probe. Probes look
	// more often than that.
	hushed = 10 * time.Minute
	// lagging is for how long an upstream counts as behind the origin, unless that is seen again or denied.
	lagging = 6 * time.Hour
)

// State tells how an upstream stands.
type State string

const (
	Good        State = "good"        // measured, and nothing against it
	Untried     State = "untried"     // no answer of it was measured yet
	Ejected     State = "ejected"     // failed three times in a row, or asked for it: left alone for a while
	HalfOpen    State = "half-open"   // was ejected, the while is over: the next transfer decides
	Quarantined State = "quarantined" // sent wrong bytes within the last days
)

// record is what is known of one upstream. A nil record is one nothing is known of. Its fields are exported for Save.
type record struct {
	Last     time.Time       `json:"last"`               // when the last sample ended
	Outcomes map[Outcome]int `json:"outcomes,omitempty"` // how many transfers ended so, probes among them

	Failures  int           `json:"failures,omitempty"`  // in a row
	Ejections int           `json:"ejections,omitempty"` // without a success of traffic between
	Cause     Outcome       `json:"cause"`               // of the last failure; OK: none
	Open      bool          `json:"open,omitempty"`      // ejected, and nothing right came since
	Ejected   time.Time     `json:"ejected,omitzero"`    // until when; zero: not ejected
	Rest      time.Duration `json:"rest,omitempty"`      // how long that was meant to be

	Quarantined time.Time     `json:"quarantined,omitzero"` // until when; zero: never sent wrong bytes
	Sentence    time.Duration `json:"sentence,omitempty"`   // how long that was meant to be
	Lies        int           `json:"lies,omitempty"`       // quarantines so far

	Silent time.Time `json:"silent,omitzero"` // when it last failed a probe and had never sent anything; zero: it did not

	Behind  time.Time        `json:"behind,omitzero"` // when it was last seen behind the origin; zero: it is not
	Doubt   time.Time        `json:"doubt,omitzero"`  // what was measured until then is doubted
	Classes [classes]figures `json:"classes"`         // by Class
	History history          `json:"history,omitempty"`

	tried   time.Time // when Resting or Order last let a caller try it, half-open
	sent    time.Time // when it last sent a body that a rate was taken from; zero: not since the start
	working bool      // the connection was warm for that
}

// settle corrects what a clock that was put back made too long.
func (r *record) settle(now time.Time) {
	r.Ejected = earlier(r.Ejected, now.Add(r.Rest))
	r.Quarantined = earlier(r.Quarantined, now.Add(r.Sentence))
	r.tried, r.sent, r.Behind = earlier(r.tried, now), earlier(r.sent, now), earlier(r.Behind, now)
	r.Silent = earlier(r.Silent, now)
	r.Doubt, r.Last = earlier(r.Doubt, now), earlier(r.Last, now)
	for i := range r.Classes {
		f := &r.Classes[i]
		f.Last, f.Probed, f.Failed = earlier(f.Last, now), earlier(f.Probed, now), earlier(f.Failed, now)
	}
}

// state tells how the upstream stands now.
func (r *record) state(now time.Time) State {
	switch {
	case r == nil:
		return Untried
	case now.Before(r.Quarantined):
		return Quarantined
	case now.Before(r.Ejected):
		return Ejected
	case r.Open:
		return HalfOpen
	case !r.measured():
		return Untried
	}
	return Good
}

// measured says that an answer of some class came.
func (r *record) measured() bool {
	for i := range r.Classes {
		if f := &r.Classes[i]; f.Wait > 0 || f.ProbeWait > 0 {
			return true
		}
	}
	return false
}

// silent says that it never sent anything, and just failed a probe, too: clients need not try it.
func (r *record) silent(now time.Time) bool {
	return r != nil && !r.measured() && now.Sub(r.Silent) < hushed
}

// behind says that it lately lacked what the origin had.
func (r *record) behind(now time.Time) bool {
	return r != nil && !r.Behind.IsZero() && now.Sub(r.Behind) < lagging
}

// doubtful says that nothing was measured since the times became old, by traffic or by probes.
func (r *record) doubtful(now time.Time) bool {
	for i := range r.Classes {
		f := &r.Classes[i]
		if f.Wait > 0 && !stale(f.Last, r.Doubt, now) || f.ProbeWait > 0 && !stale(f.Probed, r.Doubt, now) {
			return false
		}
	}
	return true
}

// add takes a transfer that ended then.
func (r *record) add(s Sample, ended time.Time) {
	r.Last = latest(r.Last, ended)
	if r.Outcomes == nil {
		r.Outcomes = make(map[Outcome]int)
	}
	r.Outcomes[s.Outcome]++
	f := &r.Classes[s.class()]
	f.renew(r.Doubt, ended, s.Probe)
	r.measure(s, f, ended)
	if !s.Probe && s.Outcome != Canceled && s.Outcome != Outrun {
		f.judge(s.Outcome, s.Took, ended)
	}
	switch s.Outcome {
	case OK:
		r.succeed(s, f, ended)
	case Refused, Page, Broken, Stalled, Short:
		r.fail(s, ended)
	case Limited:
		r.limit(s, ended)
	case Outdated:
		r.Behind = ended
	case WrongBytes:
		r.lie(s, ended)
	case Missing, Canceled, Outrun: // they say nothing about its health
	}
}

// measure takes the times of a transfer. Those of what it did not have, and of failures, say nothing: it is easy to be
// quick with a no.
func (r *record) measure(s Sample, f *figures, ended time.Time) {
	switch s.Outcome {
	case OK, Outdated:
		if s.Wait <= 0 {
			s.Wait = s.Took // an empty body: its end was its first byte
		}
		f.measureWait(max(s.Wait, 1), ended, s.Probe)
	case Canceled:
		f.measureWait(s.Wait, ended, s.Probe)
		return
	case Outrun:
		if f.measureWait(s.Wait, ended, s.Probe); s.Wait <= 0 && !s.Probe {
			f.outlast(s.Took, f.wait(r.Doubt, ended), ended)
		}
	default:
		return
	}
	if s.substantial() && !s.Probe {
		f.measureRate(s.Bytes, s.Took-s.Wait, r.warm(s.When, ended))
	}
}

// succeed readmits an ejected upstream. A probe ends the rest only: the next failure ejects at once again, for a mirror may
// answer probes and nothing else. Who asked for a rest keeps it, for the answer may be of before. Wrong bytes are not
// forgiven for right ones.
func (r *record) succeed(s Sample, f *figures, ended time.Time) {
	if r.Cause == Limited && ended.Before(r.Ejected) {
		return
	}
	if r.Open {
		f.Failing, f.FailCost = 0, 0 // what the ejection has paid for
	}
	r.Failures, r.Open, r.Ejected = 0, false, time.Time{}
	if !s.Probe {
		r.Ejections = 0
	}
}

// fail counts towards an ejection. What fails while it is ejected was begun before, or because nobody else was left; it
// proves nothing new.
func (r *record) fail(s Sample, ended time.Time) {
	if s.When.Before(r.Ejected) {
		return
	}
	r.Cause = s.Outcome
	if s.Probe && !r.measured() {
		r.Silent = ended
	}
	r.Failures++
	if r.Failures < patience && r.Ejections == 0 && !r.Open {
		return
	}
	r.Failures = 0
	r.Ejections++
	r.eject(r.timeOut(), ended)
}

// limit leaves it alone for as long as it asks. If it does not say for how long, that grows as other ejections do.
func (r *record) limit(s Sample, ended time.Time) {
	r.Cause, r.Failures = Limited, 0
	if !s.When.Before(r.Ejected) {
		r.Ejections++
	}
	rest := min(s.RetryAfter, longestRest)
	if rest <= 0 {
		rest = r.timeOut()
	}
	r.eject(rest, ended)
}

// timeOut is how long the ejection takes that was counted last.
func (r *record) timeOut() time.Duration {
	return min(timeOut*time.Duration(min(max(r.Ejections, 1), 1000)), maxTimeOut)
}

func (r *record) eject(rest time.Duration, from time.Time) {
	r.Open = true
	if until := from.Add(rest); until.After(r.Ejected) {
		r.Ejected, r.Rest = until, rest
	}
}

// lie quarantines. What it sends while it is quarantined was begun before, or nobody else was left: that does not double it.
func (r *record) lie(s Sample, ended time.Time) {
	if !s.When.Before(r.Quarantined) || r.Lies == 0 {
		r.Lies++
		r.Sentence = min(quarantine<<min(r.Lies-1, 10), maxQuarantine)
	}
	r.Quarantined = latest(r.Quarantined, ended.Add(r.Sentence))
}

// doubt ends ejections and makes what was measured old. Who sent wrong bytes did so on the old network, too, but sends
// them perhaps on each.
func (r *record) doubt(now time.Time) {
	r.Failures, r.Ejections, r.Open, r.Ejected = 0, 0, false, time.Time{}
	r.Doubt, r.tried, r.sent = now, time.Time{}, time.Time{}
	r.Silent = time.Time{} // it may have been the network
}

// triable says that nobody was let try a half-open upstream within the last trial.
func (r *record) triable(now time.Time) bool { return !now.Before(r.tried.Add(trial)) }

// try lets one caller in trial ask a half-open upstream.
func (r *record) try(now time.Time) bool {
	ok := r.triable(now)
	if ok {
		r.tried = now
	}
	return ok
}

// counts are its transfers: right ones, failed ones, and of objects it does not have.
func (r *record) counts() (right, failed, missing int) {
	for o, n := range maps.All(r.Outcomes) {
		switch {
		case o == OK:
			right += n
		case o == Missing:
			missing += n
		case o.Failed():
			failed += n
		}
	}
	return right, failed, missing
}

// class is that of the object, or at least of what came of it.
func (s Sample) class() Class {
	if s.Size > 0 {
		return ClassOf(s.Size)
	}
	return ClassOf(s.Bytes)
}

// substantial says that a rate can be taken from it: it is long enough, or was left because it was so slow.
func (s Sample) substantial() bool {
	crawled := s.Outcome == Outrun && s.Bytes > 0 && s.Took-s.Wait >= time.Second
	return s.Bytes >= substantial && s.Took > s.Wait || crawled
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
