package measure

import "time"

const (
	holeSpan    = time.Hour // a mirror fetches what it was asked for, or syncs a few times a day
	maxHoles    = 20_000    // remembered; the oldest goes first
	maxHoleName = 512       // bytes; what has a longer name is not remembered, nor what JSON would alter
)

// hole is an object that an upstream does not have.
type hole struct {
	Base string `json:"base"`
	Name string `json:"name"`
}

// holes are those of the last hour. The zero holes are none.
type holes struct {
	seen  map[hole]time.Time
	queue []dug // in the order they were first seen; those closed or seen again since are skipped when it is their turn
}

type dug struct {
	hole
	when time.Time
}

// open remembers a hole and forgets the oldest when there are too many.
func (h *holes) open(base, name string, now time.Time) {
	if !writable(name, maxHoleName) {
		return
	}
	if h.seen == nil {
		h.seen = make(map[hole]time.Time)
	}
	key := hole{base, name}
	if h.seen[key].Equal(now) {
		return
	}
	h.seen[key] = now
	h.queue = append(h.queue, dug{key, now})
	for len(h.queue) > maxHoles {
		first := h.queue[0]
		h.queue = h.queue[1:]
		if h.seen[first.hole].Equal(first.when) {
			delete(h.seen, first.hole)
		}
	}
}

// close forgets a hole: the object came.
func (h *holes) close(base, name string) { delete(h.seen, hole{base, name}) }

// since tells when an upstream was last seen to lack an object; zero: not in the last hour. What is of the future, because
// the clock was put back, is of now.
func (h *holes) since(base, name string, now time.Time) time.Time {
	key := hole{base, name}
	when, ok := h.seen[key]
	switch {
	case !ok:
		return time.Time{}
	case when.After(now):
		h.open(base, name, now)
		return now
	case now.Sub(when) >= holeSpan:
		delete(h.seen, key)
		return time.Time{}
	}
	return when
}
