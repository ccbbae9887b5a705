package measure

import (
	"cmp"
	"maps"
	"time"
)

const (
	// usualBudget is for the bodies from one upstream a day, in bytes. Probe objects are small; one that is not is asked for
	// only once a day.
	usualBudget = 256 << 10
	// maxProbes is how many questions a day one upstream gets, whatever they cost. Handshakes are not free for it.
	maxProbes = 20
	// maxSpent bounds how many upstreams are accounted for.
	maxSpent = 1024
)

// Spending is what was asked of one upstream on one day. Its JSON keys are stable.
type Spending struct {
	Day    int64 `json:"day"`    // since 1970-01-01, UTC
	Probes int   `json:"probes"` // questions
	Bytes  int64 `json:"bytes"`  // of body that they cost
}

// Spent tells what was asked of each upstream on the last day that it was asked anything, by base.
func (r *Rounds) Spent() map[string]Spending {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.spent)
}

// Restore takes what Spent told before a restart. What makes no sense is passed over.
func (r *Rounds) Restore(spent map[string]Spending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for base, s := range spent {
		if s.Day >= 0 && s.Probes >= 0 && s.Bytes >= 0 {
			r.bookLocked(base, s)
		}
	}
}

// afford says whether the upstream may be asked now, and counts the question if so.
func (r *Rounds) afford(base string) bool {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.spent[base].on(now)
	ok := s.Probes < maxProbes && s.Bytes < cmp.Or(r.Budget, usualBudget)
	if ok {
		s.Probes++
	}
	r.bookLocked(base, s) // also if not: the day may have been put right
	return ok
}

// Charge counts a question that somebody else asked of an upstream, and what it cost in bytes of body: a user who measures
// is not refused, but what he spent is not spent again.
func (r *Rounds) Charge(base string, bytes int64) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.spent[base].on(now)
	s.Probes, s.Bytes = s.Probes+1, s.Bytes+max(bytes, 0)
	r.bookLocked(base, s)
}

func (r *Rounds) charge(base string, bytes int64) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.spent[base].on(now)
	s.Bytes += bytes
	r.bookLocked(base, s)
}

// on is the account of the day. A new day begins with nothing spent. A day that lies before the account's is one to which
// the clock was set back: what was spent is still spent, and the next day begins when it begins.
func (s Spending) on(now time.Time) Spending {
	day := max(now.Unix()/(24*60*60), 0)
	if day > s.Day {
		return Spending{Day: day}
	}
	s.Day = day
	return s
}

// bookLocked writes an account, and makes room for it at the cost of the oldest one.
func (r *Rounds) bookLocked(base string, s Spending) {
	if r.spent == nil {
		r.spent = map[string]Spending{}
	}
	if _, known := r.spent[base]; !known && len(r.spent) >= maxSpent {
		first := ""
		for b, other := range r.spent {
			if first == "" || other.Day < r.spent[first].Day {
				first = b
			}
		}
		delete(r.spent, first)
	}
	r.spent[base] = s
}
