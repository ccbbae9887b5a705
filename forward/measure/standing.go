package measure

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Standing is what the board knows of one upstream, for `hither status`.
type Standing struct {
	Base    string        `json:"base"`
	Samples int           `json:"samples"`        // transfers counted in Success, and those of objects it does not have
	Success float64       `json:"success"`        // share of right transfers among right and failed ones; 0 if there were none
	Wait    time.Duration `json:"wait,omitempty"` // to the first byte, exponentially averaged; 0: not measured
	Rate    float64       `json:"rate,omitempty"` // bytes a second behind the first byte, likewise; 0: not measured
	Last    time.Time     `json:"last"`           // when its last transfer ended
	State   State         `json:"state"`          //
	Until   time.Time     `json:"until,omitzero"` // when an ejection or quarantine ends; zero in other states
	Reason  string        `json:"reason"`         // the state in words
}

// Report tells what is known of each upstream, sorted by base.
func (b *Board) Report() []Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	list := make([]Standing, 0, len(b.bases))
	for base, r := range b.bases {
		list = append(list, r.standing(base, now))
	}
	slices.SortFunc(list, func(x, y Standing) int { return strings.Compare(x.Base, y.Base) })
	return list
}

func (r *record) standing(base string, now time.Time) Standing {
	s := Standing{
		Base:    base,
		Samples: r.ok + r.failed + r.missing,
		Wait:    r.wait,
		Rate:    r.rate,
		Last:    r.last,
		State:   r.state(now),
	}
	if n := r.ok + r.failed; n > 0 {
		s.Success = float64(r.ok) / float64(n)
	}
	switch s.State {
	case Ejected:
		s.Until = r.ejected
	case Quarantined:
		s.Until = r.quarantined
	}
	s.Reason = r.reason(s.State, now)
	return s
}

// reason says in words why the upstream stands as it does.
func (r *record) reason(s State, now time.Time) string {
	switch s {
	case Good:
		return r.speed()
	case Ejected:
		return fmt.Sprintf("%s (%s last); asked again in %s", r.failing(), r.cause, round(r.ejected.Sub(now)))
	case HalfOpen:
		return fmt.Sprintf("was left alone after failures (%s last); the next transfer decides", r.cause)
	case Quarantined:
		return fmt.Sprintf("sent wrong bytes; asked last for another %s", round(r.quarantined.Sub(now)))
	}
	if r.failed > 0 {
		return fmt.Sprintf("has not sent an object yet (%s last)", r.cause)
	}
	return "has not sent an object yet"
}

func (r *record) failing() string {
	if r.ejections == 1 {
		return fmt.Sprintf("failed %d times in a row", patience)
	}
	return fmt.Sprintf("failed again each time it was tried; left alone %d times", r.ejections)
}

func (r *record) speed() string {
	text := fmt.Sprintf("answers in %s", r.wait.Round(100*time.Microsecond))
	if r.rate > 0 {
		text += fmt.Sprintf(", sends %.1f MB/s", r.rate/1e6)
	}
	if r.failures > 0 {
		text += fmt.Sprintf("; failed %d of the %d times in a row that eject it (%s last)", r.failures, patience, r.cause)
	}
	return text
}

// round keeps as much of a duration as a person reads.
func round(d time.Duration) time.Duration {
	if d > time.Hour {
		return d.Round(time.Minute)
	}
	return d.Round(time.Second)
}
