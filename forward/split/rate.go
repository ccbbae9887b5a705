package split

import (
	"math"
	"time"
)

const (
	memorySpan = time.Second           // after which a meter has forgotten two thirds
	youngest   = 50 * time.Millisecond // a meter that ran for less knows nothing: the first bytes come in a burst
)

// meter is the rate of a connection: bytes a second, the last second counting most. Its clock runs only while bytes are
// awaited, so that a pause of ours does not make a connection look slow, while a silence of the sender does.
type meter struct {
	sum  float64       // bytes, faded
	age  time.Duration // for how long the clock ran
	last time.Time     // until when sum is faded
}

// resume lets the clock go on from now.
func (m *meter) resume(now time.Time) { m.last = now }

func (m *meter) add(n int, now time.Time) {
	passed := now.Sub(m.last)
	m.sum = m.sum*fade(passed) + float64(n)
	m.age += passed
	m.last = now
}

// rate is as of now, if the clock runs; 0: not known.
func (m *meter) rate(now time.Time) float64 {
	passed := now.Sub(m.last)
	age := m.age + passed
	if age < youngest {
		return 0
	}
	return m.sum * fade(passed) / (memorySpan.Seconds() * (1 - fade(age)))
}

// mean is as of the last byte; 0: not known.
func (m *meter) mean() float64 { return m.rate(m.last) }

func fade(d time.Duration) float64 { return math.Exp(-d.Seconds() / memorySpan.Seconds()) }
