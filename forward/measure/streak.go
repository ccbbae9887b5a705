package measure

import (
	"math"
	"time"
)

const (
	// firstFlight is what TCP sends before it hears anything of it, in bytes (RFC 6928). Each round trip doubles it.
	firstFlight = 10 * 1460
	// idle is after which pause a connection begins with that again (RFC 5681, section 4.1).
	idle = time.Second
)

// slowStart is how much longer an object takes over a connection that begins slowly, at most.
func slowStart(size int64, trip time.Duration) time.Duration {
	return time.Duration(math.Log2(1+float64(max(size, 0))/firstFlight) * float64(trip))
}

// warm says whether a transfer of a body found its connection at work, and notes its end. Those that overlap are as warm
// as the first of them was.
func (r *record) warm(began, ended time.Time) bool {
	if !began.Before(r.sent) {
		r.working = !r.sent.IsZero() && began.Sub(r.sent) <= idle
	}
	r.sent = latest(r.sent, ended)
	return r.working
}

// encore is who is asked a second time: it just had a turn on a cold connection, which is warm for a moment, and without
// its slow start it would have been faster than the first one. -1: nobody.
func (g *group) encore(spots []spot, o Object, now time.Time) int {
	for i, s := range spots {
		if i == 0 || s.base != g.turned || s.tier != candidate {
			continue
		}
		f := &s.r.Classes[o.class()]
		late := slowStart(o.size(), s.r.wait(o.class(), now))
		if f.cold && now.Sub(s.r.sent) <= idle && s.need-late < spots[0].need {
			return i
		}
	}
	return -1
}
