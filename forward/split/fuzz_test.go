package split

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzAnyNetwork: whatever the network does, what is written is right and in order, Parts cover it, Run returns, and no
// body stays open. world checks that. While one mirror is sound, the job succeeds.
func FuzzAnyNetwork(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			w := anyWorld(t, seed)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			o := w.run(ctx)
			if o.err != nil && w.sound() {
				t.Errorf("seed %d\ngot  %v\nwant success, for a mirror is sound", seed, o)
			}
			if ctx.Err() != nil {
				t.Errorf("seed %d\ngot  %v\nwant an end within an hour", seed, o)
			}
			if w.job.Memory.held != 0 {
				t.Errorf("seed %d: memory held at the end\ngot  %d\nwant 0", seed, w.job.Memory.held)
			}
		})
	})
}

// anyWorld has one to four mirrors with any faults.
func anyWorld(t *testing.T, seed uint64) *world {
	dice := &world{seed: seed*2654435761 + 12345}
	dice.chance(0)
	pick := func(n int) int {
		for i := range n {
			if dice.chance(1 / float64(n-i)) {
				return i
			}
		}
		return 0
	}
	var mirrors []*mirror
	for i := range 1 + pick(4) {
		m := &mirror{name: string(rune('a' + i)), trip: time.Duration(pick(300)) * ms, rate: float64(1+pick(100)) * mbit, most: pick(4)}
		switch pick(12) {
		case 0:
			m.each = float64(1+pick(5)) * mbit
		case 1:
			m.dead = time.Duration(1+pick(3000)) * ms
		case 2:
			m.dead, m.alive = time.Duration(1+pick(2000))*ms, time.Duration(2000+pick(9000))*ms
		case 3:
			m.breaks = int64(1 + pick(400_000))
		case 4:
			m.longer = 1 + pick(100_000)
		case 5:
			m.shorter = int64(1 + pick(300_000))
		case 6:
			m.drip = true
		case 7:
			m.refuse = []error{ErrNoRange, ErrMissing, errReset}[pick(3)]
		case 8:
			m.single = 1 + pick(2)
		case 9:
			m.hiccup, m.hiccupOf = 0.02, time.Duration(pick(4000))*ms
		}
		mirrors = append(mirrors, m)
	}
	w := newWorld(t, int64(1+pick(8_000_000)), mirrors...)
	w.seed = seed
	w.job.From = int64(pick(int(min(w.job.Size, 100_000))))
	w.got = w.job.From
	w.job.Memory = &Memory{Limit: int64(1+pick(16)) << 18}
	if dice.chance(0.5) {
		to := int64(0)
		if dice.chance(0.5) {
			to = w.job.From + int64(pick(int(w.job.Size-w.job.From)))
		}
		w.lead(to)
	}
	if dice.chance(0.1) {
		w.slow = time.Duration(pick(200)) * ms
	}
	return w
}

// sound says that a mirror brings what it is asked for, at whatever speed.
func (w *world) sound() bool {
	for _, m := range w.mirrors {
		if m.dead == 0 && m.breaks == 0 && m.longer == 0 && m.shorter == 0 && !m.drip && m.refuse == nil && m.hiccup == 0 {
			return true
		}
	}
	return false
}
