package measure

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Standing is what the board knows of one upstream, for `hither status` and `hither mirrors`.
type Standing struct {
	Base     string          `json:"base"`
	Samples  int             `json:"samples"`        // transfers counted in Success, and those of objects it does not have
	Success  float64         `json:"success"`        // share of right transfers among right and failed ones; 0 if there were none
	Wait     time.Duration   `json:"wait,omitempty"` // to the first byte of small objects, exponentially averaged; 0: not measured
	Rate     float64         `json:"rate,omitempty"` // bytes a second behind the first byte of large ones, likewise; 0: not measured
	Last     time.Time       `json:"last"`           // when its last transfer ended
	State    State           `json:"state"`          //
	Until    time.Time       `json:"until,omitzero"` // when an ejection or quarantine ends; zero in other states
	Reason   string          `json:"reason"`         // the state in words
	Behind   bool            `json:"behind"`         // it lacks the origin's newest entry
	Doubtful bool            `json:"doubtful"`       // what was measured is old, or of another network
	Outcomes map[Outcome]int `json:"outcomes"`       // how many transfers ended so; never nil
	Classes  []Performance   `json:"classes"`        // those it was measured in, small ones first; never nil
}

// Performance is what an upstream did with objects of one class.
type Performance struct {
	Class    Class         `json:"class"`
	Wait     time.Duration `json:"wait"` // to the first byte, exponentially averaged
	P50      time.Duration `json:"p50"`  // of the waits in the last day; 0: there were none
	P90      time.Duration `json:"p90"`
	Requests int           `json:"requests"` // how many waits that are
	Rate     float64       `json:"rate"`     // bytes a second behind the first byte; 0: not measured
	Success  float64       `json:"success"`  // share that did not fail, lately
	Missing  float64       `json:"missing"`  // share that it does not have, lately
}

// Report tells what is known of each upstream, sorted by base.
func (b *Board) Report() []Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	list := make([]Standing, 0, len(b.bases))
	for base := range b.bases {
		list = append(list, b.knownLocked(base, now).standing(base, now))
	}
	slices.SortFunc(list, func(x, y Standing) int { return strings.Compare(x.Base, y.Base) })
	return list
}

func (r *record) standing(base string, now time.Time) Standing {
	right, failed, missing := r.counts()
	s := Standing{
		Base:     base,
		Samples:  right + failed + missing,
		Wait:     r.wait(Small, now),
		Rate:     r.rate(Large),
		Last:     r.Last,
		State:    r.state(now),
		Behind:   r.behind(now),
		Outcomes: maps.Clone(r.Outcomes),
		Classes:  r.performance(now),
	}
	if s.Outcomes == nil {
		s.Outcomes = map[Outcome]int{}
	}
	if right+failed > 0 {
		s.Success = float64(right) / float64(right+failed)
	}
	switch s.State {
	case Good:
		s.Doubtful = r.doubtful(now)
	case Ejected:
		s.Until = r.Ejected
	case Quarantined:
		s.Until = r.Quarantined
	}
	s.Reason = r.reason(s.State, r.spread(Small, now), s.Rate, now)
	return s
}

// performance are the classes that anything is known of.
func (r *record) performance(now time.Time) []Performance {
	list := []Performance{}
	for c := range classes {
		f := &r.Classes[c]
		wait, w := f.wait(r.Doubt, now), f.Window.spread(now)
		if wait == 0 && f.Asks == 0 {
			continue
		}
		failing, _ := f.failing(now)
		list = append(list, Performance{
			Class: Class(c), Wait: wait, P50: w.P50, P90: w.P90, Requests: w.Count,
			Rate: f.Rate, Success: 1 - failing, Missing: f.Missing,
		})
	}
	return list
}
