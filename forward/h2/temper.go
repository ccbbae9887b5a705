package h2

import "time"

// temper is what a connection may do that costs us work and brings the client nothing: pings, settings, resets (rapid
// reset, CVE-2023-44487; made-you-reset, CVE-2025-8671), empty frames. It is a bucket of points that refills.
type temper struct {
	left   int
	filled time.Time // when it was last refilled
}

const (
	temperFull = 8000 // points; a build that is interrupted resets some hundred streams at once
	temperRate = 800  // points a second

	costNotice = 4 // PING, SETTINGS, RST_STREAM, an empty DATA frame, a stream that we reset
	costTrifle = 1 // PRIORITY, frames unknown, a DATA frame of a few bytes
	trifle     = 64
)

func newTemper() temper { return temper{temperFull, time.Now()} }

// spend takes points. The clock is only read when they run out.
func (t *temper) spend(points int) error {
	if t.left -= points; t.left >= 0 {
		return nil
	}
	now := time.Now()
	if gained := int(min(now.Sub(t.filled).Seconds()*temperRate, temperFull)); gained > points {
		t.left, t.filled = gained-points, now
		return nil
	}
	return connError{codeCalm, "the client sends too many frames that ask for nothing"}
}

// tickTime is how often a connection is looked at.
func (c *conn) tickTime() time.Duration { return or(c.server.IdleTimeout, defaultIdle) / idleTicks }

// idleTicks make one IdleTimeout.
const idleTicks = 4

// tick ends a connection that is idle, and answers without a handler that their client does not take. Nothing reads the
// clock for each request, which is why this is rough.
func (c *conn) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.ticker.Reset(c.tickTime())
	c.clock++
	if c.quiet++; c.seen != c.served || len(c.streams) > 0 && !c.inBlock {
		c.seen, c.quiet = c.served, 0
	}
	if c.inBlock && c.quiet > c.ticksIn(or(c.server.ReadHeaderTimeout, defaultHeaderWait)) {
		c.snap()
		return
	}
	if !c.inBlock && c.quiet >= idleTicks {
		c.leaveLocked()
	}
	for id, st := range c.streams {
		if !st.handled && c.clock-st.moved > c.ticksIn(or(c.server.WriteTimeout, defaultWriteWait)) {
			c.cutLocked(id, codeCancel, errStuck)
		}
	}
	c.kickLocked()
}

// ticksIn is how many ticks last at least d.
func (c *conn) ticksIn(d time.Duration) int { return int((d + c.tickTime() - 1) / c.tickTime()) }
