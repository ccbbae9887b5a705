package group

import "time"

const (
	// minWait and maxWait bound how long an upstream is waited for before another one is asked too.
	minWait, maxWait = 30 * time.Millisecond, 250 * time.Millisecond
	// newcomer is how much slower than the best known one an upstream counts that has not been measured: never as better.
	newcomer = 50 * time.Millisecond
	// lossCost is what a certain loss counts, failCost a failure just now, up to maxFailures of them.
	lossCost, failCost = 500 * time.Millisecond, 250 * time.Millisecond
	maxFailures        = 8
)

// figures is what was measured of an upstream. The zero value is of an unknown one.
type figures struct {
	rtt, dev time.Duration // smoothed (RFC 6298, 2); rtt 0: never answered
	loss     float64       // share of questions without an answer, smoothed
	failures int           // in a row
	looping  bool          // its questions come back to us
}

// answered takes in a reply that came after took.
func (f *figures) answered(took time.Duration) {
	took = max(took, time.Microsecond)
	if f.rtt == 0 {
		f.rtt, f.dev = took, took/2
	} else {
		f.dev += ((took - f.rtt).Abs() - f.dev) / 4
		f.rtt += (took - f.rtt) / 8
	}
	f.failures = 0
	f.loss -= f.loss / 8
}

// overtaken takes in that another one, asked later, has answered while this one was still silent after waited.
func (f *figures) overtaken(waited time.Duration) {
	if f.rtt > 0 && waited > f.rtt {
		f.rtt += (waited - f.rtt) / 8
	}
	f.failed()
}

// failed takes in that there was no answer, or none of use where another one had it.
func (f *figures) failed() {
	f.failures++
	f.loss += (1 - f.loss) / 8
}

// wait is how long to wait for it before the next one is asked.
func (f *figures) wait() time.Duration {
	if f.rtt == 0 {
		return maxWait
	}
	return min(max(minWait, f.rtt+4*f.dev), maxWait)
}

// cost is the time a question is expected to take with it; best is the fastest known one's rtt, 0 if none is known.
func (f *figures) cost(best time.Duration) time.Duration {
	rtt := f.rtt
	if rtt == 0 {
		rtt = best + newcomer
	}
	return rtt + time.Duration(f.loss*float64(lossCost)) + time.Duration(min(f.failures, maxFailures))*failCost
}
