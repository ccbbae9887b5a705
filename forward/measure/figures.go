package measure

import (
	"math"
	"time"
)

const (
	// weight of a new sample in the averages of waits and rates: after four of them a change of the network is mostly seen.
	weight = 0.25
	// lately is the weight of a new sample in the shares of what was asked in vain. They are drawn from yes and no, and
	// would jump with a larger one.
	lately = 0.1
	// slowly is the weight in what is usual, against which a sudden change is seen.
	slowly = 0.05
	// substantial is the least transfer a rate is taken from, in bytes. Smaller ones end within the first window and say
	// only what the wait says already.
	substantial = 256 << 10
	// longest is the most that a wait or a transfer counts for; a clock that jumped must not make an average overflow.
	longest = time.Hour
	// fastest is the most that a rate counts for, in bytes a second.
	fastest = 1e12
	// few is how many transfers of a class an upstream is tried with before it is judged. The first one pays for the
	// connection, and one of the others may be unlucky.
	few = 3
	// old is the age at which measured times are doubted. Networks are others at night than in the morning.
	old = 6 * time.Hour
	// forgiving is the time in which the cost of failures halves. Without it one stall would keep a mirror away until its
	// figures are old, for nobody would ask it again to see that it was the only one.
	forgiving = 2 * time.Minute
	// dearest is the most that one failure counts for. What a stall costs a client is bounded by the second source.
	dearest = 3 * time.Second
	// hopeless is the share of requests in vain above which an upstream is no candidate. However quickly it says no, each
	// answer of it is one too many.
	hopeless = 0.9
)

// figures are what one upstream did with objects of one class. The zero figures say that it was not asked yet.
type figures struct {
	Wait   time.Duration `json:"wait,omitempty"`   // to the first byte, of traffic, exponentially averaged; 0: not measured
	Usual  time.Duration `json:"usual,omitempty"`  // the same over a longer time
	Newest time.Duration `json:"newest,omitempty"` // the last one alone
	Waits  int           `json:"waits,omitempty"`  // how many are in Wait since it was begun anew

	Rate       float64 `json:"rate,omitempty"` // bytes a second behind the first byte, likewise; 0: not measured
	UsualRate  float64 `json:"usual_rate,omitempty"`
	NewestRate float64 `json:"newest_rate,omitempty"`
	Rates      int     `json:"rates,omitempty"`

	ProbeWait time.Duration `json:"probe_wait,omitempty"` // as Wait, of probes
	Probes    int           `json:"probes,omitempty"`

	Asks     int           `json:"asks,omitempty"`      // transfers of traffic in the shares since they were begun anew
	Right    int           `json:"right,omitempty"`     // transfers of traffic that ended well, ever
	Missing  float64       `json:"missing,omitempty"`   // share of what was asked for and not there
	Failing  float64       `json:"failing,omitempty"`   // share of what failed
	MissCost time.Duration `json:"miss_cost,omitempty"` // what a transfer lost on average by the one
	FailCost time.Duration `json:"fail_cost,omitempty"` // and by the other

	Last   time.Time `json:"last,omitzero"`   // when traffic was measured last
	Probed time.Time `json:"probed,omitzero"` // when a probe was
	Failed time.Time `json:"failed,omitzero"` // when Failing and FailCost were right

	Window window `json:"window,omitzero"`

	cold   bool    // the last rate was of a connection that began slowly
	before float64 // what Rate was before that one
}

// stale says that something measured then says little about now: it is old, or of another network.
func stale(then, doubt, now time.Time) bool {
	return !then.After(doubt) || now.Sub(then) > old
}

// renew begins the averages anew when what they say is old. They stay as they are until the first new sample, which is
// better than nothing.
func (f *figures) renew(doubt, ended time.Time, probe bool) {
	if probe {
		if stale(f.Probed, doubt, ended) {
			f.Probes = 0
		}
		return
	}
	if !stale(f.Last, doubt, ended) {
		return
	}
	f.Waits, f.Rates, f.Asks = 0, 0, 0
	f.Missing, f.Failing, f.MissCost, f.FailCost = 0, 0, 0, 0
	if !f.Last.After(doubt) && !doubt.IsZero() {
		f.Window = window{} // another network
	}
}

// measureWait takes a wait for a first byte. The first one pays for names, connection and handshake; where the second is
// shorter, it replaces the first.
func (f *figures) measureWait(wait time.Duration, ended time.Time, probe bool) {
	if wait <= 0 {
		return
	}
	f.Window.add(moment{At: ended.Unix(), Wait: wait, Probe: probe})
	if probe {
		f.Probes++
		f.ProbeWait = blend(f.ProbeWait, wait, f.Probes)
		f.Probed = latest(f.Probed, ended)
		return
	}
	f.Waits++
	if f.sunk() && 2*max(wait, f.Newest) < f.Wait {
		f.Wait = max(wait, f.Newest) // twice much better: what made it sink has passed
	} else {
		f.Wait = blend(f.Wait, wait, f.Waits)
	}
	f.Newest = wait
	f.Last = latest(f.Last, ended)
	if f.Waits <= few {
		f.Usual = f.Wait
	}
	f.Usual += time.Duration(slowly * float64(wait-f.Usual))
}

// blend puts the n-th wait into the average of those before.
func blend(average, wait time.Duration, n int) time.Duration {
	switch {
	case n <= 1, average <= 0, n == 2 && wait < average:
		return wait
	}
	return max(average+time.Duration(max(1/float64(n), weight)*float64(wait-average)), 1)
}

// measureRate takes the goodput behind the first byte. A body that was already there when it was looked at seems to take no
// time; a millisecond is the least that is believed. A better rate of a warm connection takes the place of the cold one
// just before it, which only said how slowly connections begin.
func (f *figures) measureRate(bytes int64, took time.Duration, warm bool) {
	rate := min(float64(bytes)/max(took, time.Millisecond).Seconds(), fastest)
	if warm && f.cold && f.Rates > 0 && rate > f.Rate {
		f.Rate, f.Rates = f.before, f.Rates-1
	}
	f.before, f.cold = f.Rate, !warm
	f.Rates++
	if f.Rates == 1 {
		f.Rate, f.UsualRate, f.NewestRate = rate, rate, rate
		return
	}
	f.Rate += max(1/float64(f.Rates), weight) * (rate - f.Rate)
	f.NewestRate = rate
	if f.Rates <= few {
		f.UsualRate = f.Rate
	}
	f.UsualRate += slowly * (rate - f.UsualRate)
}

// outlast takes a transfer that we ended before its answer came: its wait is at least that long. It counts only if that is
// more than was known, and then by half, for the truth is worse.
func (f *figures) outlast(took, known time.Duration, ended time.Time) {
	if took <= known {
		return
	}
	f.Window.add(moment{At: ended.Unix(), Wait: took})
	f.Waits++
	if known > 0 {
		took = known + (took-known)/2
	}
	f.Wait, f.Newest = max(took, 1), took
	f.Last = latest(f.Last, ended)
	if f.Usual == 0 {
		f.Usual = f.Wait
	}
}

// judge counts a transfer of traffic into the shares: right, missing or failed. The count begins as if there had been one
// success, so that the first failure does not condemn.
func (f *figures) judge(o Outcome, took time.Duration, ended time.Time) {
	f.forgive(ended)
	f.Asks++
	part := max(1/float64(f.Asks+1), lately)
	var missing, failing float64
	switch {
	case o == Missing:
		missing = 1
	case o.Failed():
		failing = 1
	default:
		f.Right++
	}
	lost := float64(min(took, dearest))
	f.Missing += part * (missing - f.Missing)
	f.Failing += part * (failing - f.Failing)
	f.MissCost += time.Duration(part * (missing*lost - float64(f.MissCost)))
	f.FailCost += time.Duration(part * (failing*lost - float64(f.FailCost)))
	f.Last = latest(f.Last, ended)
}

// forgive lets the failures fade.
func (f *figures) forgive(now time.Time) {
	f.Failing, f.FailCost = f.failing(now)
	f.Failed = latest(f.Failed, now)
}

// failing is how much of Failing and FailCost is left.
func (f *figures) failing(now time.Time) (share float64, cost time.Duration) {
	left := math.Exp2(-float64(max(now.Sub(f.Failed), 0)) / float64(forgiving))
	return f.Failing * left, time.Duration(float64(f.FailCost) * left)
}

// wait is how long the first byte takes. Traffic is believed more than probes, which are small and always the same; they
// fill in while there is little of it, or while it is old.
func (f *figures) wait(doubt, now time.Time) time.Duration {
	switch {
	case f.ProbeWait == 0:
		return f.Wait
	case f.Wait == 0, stale(f.Last, doubt, now) && !stale(f.Probed, doubt, now):
		return f.ProbeWait
	case f.Waits >= few, stale(f.Probed, doubt, now):
		return f.Wait
	}
	return f.ProbeWait + (f.Wait-f.ProbeWait)*time.Duration(f.Waits)/few
}

// vain is what a transfer costs by those that are in vain: each right one has to pay for them.
func (f *figures) vain(now time.Time) time.Duration {
	share, cost := f.failing(now)
	lost := float64(cost + f.MissCost)
	return time.Duration(min(lost/max(1-share-f.Missing, 1e-4), float64(longest)))
}

// useless says that it was asked often enough, and has next to nothing.
func (f *figures) useless(now time.Time) bool {
	share, _ := f.failing(now)
	return f.Asks >= few && (f.Right == 0 || share+f.Missing > hopeless)
}

// sunk says that it is much worse than it used to be. That may have passed, which nobody sees who does not ask it.
func (f *figures) sunk() bool {
	return f.Wait > 3*f.Usual/2+margin || f.Rate < f.UsualRate*2/3
}

// promises says that its last transfer was much better than the average: there may be more of that.
func (f *figures) promises() bool {
	return f.Newest+margin < f.Wait/2 || f.NewestRate > 2*f.Rate
}
