package fetch

import (
	"context"
	"time"
)

// Containers that start before their layers are here read small parts of them (stargz-snapshotter, soci). The last bytes of a part are
// given when the whole is checked; who would wait long for that gets the part from the origin, as it would without us.

const (
	// farAhead is how far behind what has arrived a client's first byte may lie, and the end of the whole behind its last byte. More
	// would be a silence in which clients give up.
	farAhead = 16 << 20
	// soon is how long a part waits for the whole. Two round trips to the origin take less on nearly all lines.
	soon = time.Second
	// glance is after how long the rate of a body tells anything: some round trips of most lines.
	glance = 250 * time.Millisecond
	// slice is how many times the bytes of a small part must still be missing, and how many times what clients get elsewhere a body
	// must have: a full line has no room for all of it twice, and whoever reads all of it is served best by the fill.
	slice = 4
)

// late says that a request for a small part of what arrives would wait long for it. It waits a little to find out.
func (f *Fetcher) late(ctx context.Context, req Request, fl *flight) bool {
	select {
	case <-fl.begun:
	case <-fl.ready:
	case <-ctx.Done():
	}
	select {
	case <-fl.begun:
	default:
		return false
	}
	if !fl.homely { // perhaps the origin cannot be reached
		return false
	}
	for by := f.now().Add(soon); ctx.Err() == nil && !fl.spool.far(req); {
		late, wait, moved := fl.spool.late(req, f.now(), by)
		if wait <= 0 {
			return late
		}
		timer := time.NewTimer(wait)
		select {
		case <-moved:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return ctx.Err() == nil
}

func (s *spool) far(req Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	waits := req.Upto > 0 && s.size-farAhead > max(req.Upto, s.end)
	return !s.done && (req.Offset > s.end+farAhead || waits)
}

// late says that the whole will not be here soon, for a small part of it. A wait is for how long, or until what, that is not known,
// but no longer than by.
func (s *spool) late(req Request, now, by time.Time) (late bool, wait time.Duration, moved <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	missing := s.size - s.end
	if s.done || s.err != nil || req.Part == 0 || req.Part > missing/slice || req.Part > s.size/slice-s.beside {
		return false, 0, nil
	}
	came := max(now.Sub(s.born), 0)
	wait = by.Sub(now)
	if came < glance {
		wait = min(wait, glance-came)
	} else if float64(s.end)*soon.Seconds() < float64(missing)*came.Seconds() {
		wait = 0
	}
	if wait > 0 {
		return false, wait, s.moved
	}
	s.beside += req.Part
	return true, 0, nil
}
