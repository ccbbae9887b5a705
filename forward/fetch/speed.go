package fetch

import "time"

// speed is how fast a body comes. A connection begins slowly and doubles what it sends with each round trip, so a mean from
// the beginning on tells nothing: it is looked at in spans, and while one brings clearly more than the one before, nobody
// knows yet.
type speed struct {
	from  time.Time // of this span
	bytes int64     // that had come by then
	last  float64   // bytes a second in the span before; 0: there was none
	rate  float64   // what is thought now; 0: not known
}

const (
	// speedSpan is over which bytes are counted: some round trips of most lines.
	speedSpan = 500 * time.Millisecond
	// rising is by how much a span is faster than the last while a connection is still starting.
	rising = 1.25
)

// after counts bytes, all that have come by now, and returns bytes a second; 0: not known yet.
func (s *speed) after(bytes int64, now time.Time) float64 {
	elapsed := now.Sub(s.from)
	if elapsed < speedSpan {
		return s.rate
	}
	rate := float64(bytes-s.bytes) / elapsed.Seconds()
	s.rate = 0
	if s.last > 0 && rate < s.last*rising {
		s.rate = max(rate, 1)
	}
	s.from, s.bytes, s.last = now, bytes, rate
	return s.rate
}
