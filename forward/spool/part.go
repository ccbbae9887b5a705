package spool

import "time"

// Containers that start before their layers are here read small parts of them (stargz-snapshotter, soci). The last bytes of a part are
// given when the whole is checked; who would wait long for that gets the part from the origin, as it would without us.

const (
	// farAhead is how far behind what has arrived a client's first byte may lie, and the end of the whole behind its last byte. More
	// would be a silence in which clients give up.
	farAhead = 16 << 20
	// Soon is how long a part waits for the whole. Two round trips to the origin take less on nearly all lines.
	Soon = time.Second
	// glance is after how long the rate of a body tells anything: some round trips of most lines.
	glance = 250 * time.Millisecond
	// slice is how many times the bytes of a small part must still be missing, and how many times what clients get elsewhere a body
	// must have: a full line has no room for all of it twice, and whoever reads all of it is served best by the fill.
	slice = 4
)

// Far says that the bytes from offset on, up to upto (0: all of the rest), will not be given for so long that a client gives up.
func (s *Spool) Far(offset, upto int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	waits := upto > 0 && s.size-farAhead > max(upto, s.end)
	return !s.done && (offset > s.end+farAhead || waits)
}

// Late says that the whole will not be here soon, for a small part of it, of so many bytes. A wait is for how long, or until what,
// that is not known, but no longer than by.
func (s *Spool) Late(part int64, now, by time.Time) (late bool, wait time.Duration, moved <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	missing := s.size - s.end
	if s.done || s.err != nil || part == 0 || part > missing/slice || part > s.size/slice-s.beside {
		return false, 0, nil
	}
	came := max(now.Sub(s.born), 0)
	wait = by.Sub(now)
	if came < glance {
		wait = min(wait, glance-came)
	} else if float64(s.end)*Soon.Seconds() < float64(missing)*came.Seconds() {
		wait = 0
	}
	if wait > 0 {
		return false, wait, s.moved
	}
	s.beside += part
	return true, 0, nil
}
