package measure

import "time"

const (
	// weight of a new sample in the averages: after four of them a change of the network is mostly seen.
	weight = 0.25
	// substantial is the least transfer a rate is taken from, in bytes. Smaller ones end within the first window and say
	// only what the wait says already.
	substantial = 256 << 10
	// patience is after how many failures in a row an upstream is left alone.
	patience = 3
	// Each ejection without a success between lasts one timeOut longer, up to maxTimeOut.
	timeOut    = 30 * time.Second
	maxTimeOut = 10 * time.Minute
	// longest is the most that a wait or a transfer counts for; a clock that jumped must not make an average overflow.
	longest = time.Hour
	// trial is how long a half-open upstream has to prove itself before another caller tries it. It is longer than a
	// source may take to begin its answer.
	trial = 10 * time.Second
	// quarantine is for how long wrong bytes are remembered. A mirror that mixes up files does it again.
	quarantine = 24 * time.Hour
)

// State tells how an upstream stands.
type State string

const (
	Good        State = "good"        // measured, and nothing against it
	Untried     State = "untried"     // no answer of it was measured yet
	Ejected     State = "ejected"     // failed three times in a row: left alone for a while
	HalfOpen    State = "half-open"   // was ejected, the while is over: the next transfer decides
	Quarantined State = "quarantined" // sent wrong bytes within the last 24 hours
)

// record is what is known of one upstream. A nil record is one nothing is known of.
type record struct {
	wait time.Duration // to the first byte, exponentially averaged; 0: not measured
	rate float64       // bytes a second behind the first byte, likewise; 0: not measured
	last time.Time     // when the last sample ended

	ok, failed, missing int // counts of transfers; canceled ones are in none

	failures    int       // in a row
	ejections   int       // without a success between
	cause       Outcome   // of the last failure
	ejected     time.Time // until when; zero: not ejected
	quarantined time.Time // until when; zero: never sent wrong bytes
	tried       time.Time // when Resting last let a caller try it, half-open
}

// state tells how the upstream stands now.
func (r *record) state(now time.Time) State {
	switch {
	case r == nil:
		return Untried
	case now.Before(r.quarantined):
		return Quarantined
	case now.Before(r.ejected):
		return Ejected
	case r.ejections > 0:
		return HalfOpen
	case r.wait == 0:
		return Untried
	}
	return Good
}

// add takes a transfer that ended then.
func (r *record) add(s Sample, ended time.Time) {
	r.last = latest(r.last, ended)
	switch s.Outcome {
	case OK:
		r.succeed(s)
	case Canceled:
		r.measureWait(s.Wait)
	case Missing:
		r.missing++
	case Refused, Broken:
		r.fail(s, ended)
	case WrongBytes:
		r.failed++
		r.cause = WrongBytes
		r.quarantined = latest(r.quarantined, ended.Add(quarantine))
	}
}

// succeed measures, and readmits an ejected upstream. Wrong bytes are not forgiven for right ones.
func (r *record) succeed(s Sample) {
	r.ok++
	r.failures, r.ejections, r.ejected = 0, 0, time.Time{}
	if s.Wait <= 0 {
		s.Wait = s.Took // an empty body: its end was its first byte
	}
	r.measureWait(max(s.Wait, 1))
	if s.Bytes >= substantial && s.Took > s.Wait {
		r.measureRate(s.Bytes, s.Took-s.Wait)
	}
}

// fail counts towards an ejection. What fails while it is ejected was begun before, or because nobody else was left; it
// proves nothing new.
func (r *record) fail(s Sample, ended time.Time) {
	r.failed++
	r.cause = s.Outcome
	if s.When.Before(r.ejected) {
		return
	}
	r.failures++
	if r.failures < patience && r.ejections == 0 {
		return
	}
	r.failures = 0
	r.ejections++
	r.ejected = ended.Add(min(timeOut*time.Duration(min(r.ejections, 1000)), maxTimeOut))
}

func (r *record) measureWait(wait time.Duration) {
	switch {
	case wait <= 0:
	case r.wait == 0:
		r.wait = wait
	default:
		r.wait = max(r.wait+time.Duration(weight*float64(wait-r.wait)), 1)
	}
}

// measureRate takes the goodput behind the first byte. A body that was already there when it was looked at seems to take no
// time; a millisecond is the least that is believed.
func (r *record) measureRate(bytes int64, took time.Duration) {
	rate := float64(bytes) / max(took, time.Millisecond).Seconds()
	if r.rate == 0 {
		r.rate = rate
		return
	}
	r.rate += weight * (rate - r.rate)
}
