package split

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const (
	mb = 1_000_000
	ms = time.Millisecond
)

func inBubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// ideal is how long size bytes take at rate.
func ideal(size int64, rate float64) time.Duration {
	return time.Duration(float64(size) / rate * float64(time.Second))
}

func atMost[T float64 | time.Duration | int64 | int](t *testing.T, what string, got, want T) {
	t.Helper()
	if got > want {
		t.Errorf("%s\ngot  %v\nwant at most %v", what, got, want)
	}
}

func threeMirrors() []*mirror {
	return []*mirror{
		{name: "a", trip: 60 * ms, rate: 40 * mbit},
		{name: "b", trip: 30 * ms, rate: 20 * mbit},
		{name: "c", trip: 90 * ms, rate: 20 * mbit},
	}
}

func TestThreeMirrorsAddUp(t *testing.T) {
	for _, lead := range []bool{false, true} {
		name := map[bool]string{false: "from nothing", true: "behind a body that is open"}[lead]
		inBubble(t, name, func(t *testing.T) {
			w := newWorld(t, 200*mb, threeMirrors()...)
			if lead {
				w.lead(0)
			}
			early := w.openAt(2 * time.Second)
			o := w.run(t.Context())
			if slices.Contains(early(), 0) {
				t.Errorf("ranges under way after 2 s\ngot  %v\nwant all mirrors in use", early())
			}
			t.Log(o, "share of the sum:", ideal(200*mb, 80*mbit).Seconds()/o.took.Seconds())
			atMost(t, "time", o.took, ideal(200*mb, 80*mbit)*100/90)
			atMost(t, "extra", w.extra(o), 0.05)
		})
	}
}

func TestALossyLineGetsManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 30*mb, &mirror{name: "a", trip: 100 * ms, rate: 50 * mbit, each: 2 * mbit, hiccup: 0.01, hiccupOf: 300 * ms})
		w.lead(0)
		soon := w.openAt(3500 * ms)
		o := w.run(t.Context())
		if soon()[0] < 6 {
			t.Errorf("ranges under way after 3.5 s\ngot  %d\nwant 6", soon()[0])
		}
		t.Log(o, "times one connection:", ideal(30*mb, 2*mbit).Seconds()/o.took.Seconds())
		atMost(t, "time", o.took, ideal(30*mb, 2*mbit)*2/9)
		atMost(t, "extra", w.extra(o), 0.05)
	})
}

// Where one connection is known to be slow, growing one by one would take as long as the rest.
func TestASlowSourceBeginsWithFourConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 8*mb, &mirror{name: "a", trip: 100 * ms, rate: 50 * mbit, each: 2 * mbit, usual: 2 * mbit})
		soon := w.openAt(600 * ms)
		o := w.run(t.Context())
		if soon()[0] < 4 {
			t.Errorf("ranges under way after 0.6 s\ngot  %d\nwant 4", soon()[0])
		}
		t.Log(o, "times one connection:", ideal(8*mb, 2*mbit).Seconds()/o.took.Seconds())
		atMost(t, "time", o.took, ideal(8*mb, 2*mbit)*2/9)
	})
}

// A far source is given several connections at once: each starts slowly, and to try one after the other takes longer than
// the whole.
func TestAFarSourceBeginsWithSeveralConnections(t *testing.T) {
	for _, c := range []struct {
		name string
		trip time.Duration
		size int64
		want int
	}{{"near", 60 * ms, 8 * mb, 2}, {"far", 200 * ms, 8 * mb, 5}, {"very far", 600 * ms, 8 * mb, 8}, {"far, but short", 200 * ms, mb, 2}, {"unknown", 0, 8 * mb, 2}} {
		p := newPlan(t.Context(), &Job{Size: c.size, Sources: []Source{{Base: "a", Trip: c.trip}}})
		if got := p.firstLanes(p.sources[0]); got != c.want {
			t.Errorf("%s\ngot  %d\nwant %d", c.name, got, c.want)
		}
	}
}

// Short ranges of a far source are asked for before the one before them has begun to come, or the line would lie empty.
func TestAFarConnectionIsKeptBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20*mb, &mirror{name: "a", trip: 200 * ms, rate: 20 * mbit, most: 1}, &mirror{name: "b", trip: 200 * ms, rate: 20 * mbit, most: 2})
		o := w.run(t.Context())
		t.Log(o, "times both at their best:", o.took.Seconds()/ideal(20*mb, 40*mbit).Seconds())
		atMost(t, "time", o.took, ideal(20*mb, 40*mbit)*31/20)
	})
}

func TestASharedLineIsNotHarmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &pipe{rate: 50 * mbit}
		w := newWorld(t, 100*mb,
			&mirror{name: "a", trip: 30 * ms, rate: 1000 * mbit, access: line},
			&mirror{name: "b", trip: 60 * ms, rate: 1000 * mbit, access: line},
			&mirror{name: "c", trip: 90 * ms, rate: 1000 * mbit, access: line})
		w.lead(0)
		late := w.openAt(14 * time.Second)
		o := w.run(t.Context())
		if c := late(); c[0] == 0 || c[0]+c[1]+c[2] > 3 {
			t.Errorf("ranges under way after 14 s\ngot  %v\nwant few, and the best mirror among them", c)
		}
		t.Log(late(), o, "times the nearest alone:", o.took.Seconds()/ideal(100*mb, 50*mbit).Seconds())
		atMost(t, "time", o.took, ideal(100*mb, 50*mbit)*11/10)
		atMost(t, "connections", o.Stats.Conns, 6)
		atMost(t, "extra", w.extra(o), 0.05)
	})
}

func TestTheBestMirrorMayDie(t *testing.T) {
	inBubble(t, "with its line", func(t *testing.T) {
		w := newWorld(t, 200*mb, threeMirrors()...)
		w.mirrors[0].dead = 10 * time.Second
		o := w.run(t.Context())
		best := 10*time.Second + ideal(100*mb, 40*mbit)
		t.Log(o, "times the ideal:", o.took.Seconds()/best.Seconds())
		atMost(t, "time", o.took, best*5/4+3*time.Second)
		atMost(t, "extra", w.extra(o), 0.05)
	})
	inBubble(t, "while the access line stays as it is", func(t *testing.T) {
		line := &pipe{rate: 50 * mbit}
		w := newWorld(t, 100*mb, threeMirrors()...)
		for _, m := range w.mirrors {
			m.link.rate, m.access = 60*mbit, line
		}
		w.mirrors[0].dead = 8 * time.Second
		o := w.run(t.Context())
		best := ideal(100*mb, 50*mbit)
		t.Log(o, "times the ideal:", o.took.Seconds()/best.Seconds())
		atMost(t, "time", o.took, best*5/4+3*time.Second)
		atMost(t, "extra", w.extra(o), 0.05)
	})
}

func TestCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 200*mb, threeMirrors()...)
		w.lead(0)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		o := w.run(ctx)
		if !errors.Is(o.err, context.DeadlineExceeded) {
			t.Errorf("error\ngot  %v\nwant %v", o.err, context.DeadlineExceeded)
		}
		atMost(t, "time", o.took, 3*time.Second)
	})
}

func TestAMeterForgets(t *testing.T) {
	var m meter
	now := time.Unix(0, 0)
	m.resume(now)
	m.add(1000, now.Add(10*ms))
	if got := m.mean(); got != 0 {
		t.Errorf("after 10 ms\ngot  %v\nwant 0: a burst tells nothing", got)
	}
	for range 100 {
		now = now.Add(10 * ms)
		m.add(1000, now)
	}
	near := func(when string, got, want float64) {
		t.Helper()
		if got < want*0.9 || got > want*1.1 {
			t.Errorf("%s\ngot  %v\nwant about %v", when, got, want)
		}
	}
	near("at 1000 bytes each 10 ms", m.mean(), 100_000)
	near("after a silence of 2 s", m.rate(now.Add(2*time.Second)), 9_000)
	now = now.Add(time.Hour)
	m.resume(now)
	near("after a pause of ours", m.rate(now), 100_000)
	for range 300 {
		now = now.Add(10 * ms)
		m.add(100, now)
	}
	near("3 s after it became ten times as slow", m.mean(), 13_000)
}

func TestMemoryLeavesSomeForTheNext(t *testing.T) {
	m := Memory{Limit: 900}
	first := int64(0)
	for m.reserve(first, 100) {
		first += 100
	}
	if first != 600 {
		t.Errorf("the first job\ngot  %d\nwant 600", first)
	}
	if !m.reserve(0, 200) || m.reserve(200, 1) {
		t.Errorf("the second job\ngot  %d held\nwant 800, and no more", m.held)
	}
	m.release(first)
	if !m.reserve(200, 300) {
		t.Error("after the first job\ngot  no room\nwant some")
	}
}

// endless is a body out of memory.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	n := int(min(e.left, int64(len(p))))
	e.left -= int64(n)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (e *endless) Close() error { return nil }

// BenchmarkMoving is what the machinery costs when the network costs nothing.
func BenchmarkMoving(b *testing.B) {
	const size = 256 << 20
	b.SetBytes(size)
	for b.Loop() {
		job := Job{
			Size: size, Sources: []Source{{Base: "a"}, {Base: "b"}},
			Open: func(_ context.Context, _ Source, _ int, from, to int64) (io.ReadCloser, error) {
				return &endless{to - from}, nil
			},
			Write: func([]byte) error { return nil },
		}
		if r, err := job.Run(b.Context()); err != nil {
			b.Fatal(err, r)
		}
	}
}

// Each begins slowly, so that whatever is tried meanwhile would seem to pay. At the end nobody is waited for.
func TestFarMirrorsEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mirrors []*mirror
		for _, name := range []string{"a", "b", "c"} {
			mirrors = append(mirrors, &mirror{name: name, trip: 200 * ms, rate: 20 * mbit})
		}
		w := newWorld(t, 40*mb, mirrors...)
		w.lead(mb)
		o := w.run(t.Context())
		t.Log(o, "times the sum:", o.took.Seconds()/ideal(40*mb, 60*mbit).Seconds())
		atMost(t, "time", o.took, ideal(40*mb, 60*mbit)*128/100)
		atMost(t, "connections", o.Stats.Conns, 3)
		atMost(t, "extra", w.extra(o), 0.01)
	})
}

// A job begins with three. That the fourth is the fastest is found out although the others are still starting.
func TestWhoWasNotAskedYetIsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mirrors []*mirror
		for _, name := range []string{"a", "b", "c"} {
			mirrors = append(mirrors, &mirror{name: name, trip: 250 * ms, rate: 3 * mbit, hiccup: 0.02, hiccupOf: 300 * ms})
		}
		w := newWorld(t, 8*mb, append(mirrors, &mirror{name: "d", trip: 50 * ms, rate: 40 * mbit})...)
		w.lead(mb)
		o := w.run(t.Context())
		t.Log(o)
		atMost(t, "time", o.took, 4*time.Second)
	})
}

// The fastest would bring the end in no time, if it were not dead. The others do not wait until that is sure.
func TestAtTheEndNobodyReliesOnWhoIsSilent(t *testing.T) {
	for name, others := range map[string][]*mirror{
		"one other":  {{name: "b", trip: 220 * ms, rate: 8 * mbit}},
		"two others": {{name: "b", trip: 230 * ms, rate: 20 * mbit}, {name: "c", trip: 240 * ms, rate: 12 * mbit}},
	} {
		inBubble(t, name, func(t *testing.T) {
			w := newWorld(t, 6*mb, append([]*mirror{{name: "a", trip: 60 * ms, rate: 34 * mbit, dead: 900 * ms}}, others...)...)
			w.lead(mb)
			o := w.run(t.Context())
			t.Log(o)
			atMost(t, "time", o.took, 6*time.Second)
		})
	}
}

// busy is a lane that brings rate bytes a second, and has a range with left bytes to come.
func (p *plan) busy(s *source, rate float64, left int64) *lane {
	l, now := s.addLane(), time.Now()
	l.used, l.meter = true, meter{sum: rate * memorySpan.Seconds(), age: time.Hour, last: now}
	if left > 0 {
		c := &chunk{from: p.next, to: p.next + left, at: p.next}
		p.chunks, p.next = append(p.chunks, c), p.next+left
		p.newRunLocked(l, c, now).got = 1
	}
	p.arrived = 0
	p.sortLocked()
	return l
}

func TestWhatAConnectionTooManyWasAskedForIsTakenBack(t *testing.T) {
	for name, c := range map[string]struct {
		left, size int64
		want       error
	}{
		"soon here":                            {mb / 20, 3 * mb, nil},
		"here when the others have come far":   {3 * mb / 10, 100 * mb, nil},
		"to be waited for when all others are": {3 * mb / 10, 10 * mb, errNeedless},
	} {
		inBubble(t, name, func(t *testing.T) {
			p := newPlan(t.Context(), &Job{Size: c.size, Sources: []Source{{Base: "a"}, {Base: "b"}}})
			p.busy(p.sources[1], 5*mb, mb)
			l := p.busy(p.sources[0], 0.1*mb, c.left)
			r := l.runs[0]
			p.retractLocked(l, time.Now())
			if got := context.Cause(r.ctx); !errors.Is(got, c.want) {
				t.Errorf("its range\ngot  %v\nwant %v", got, c.want)
			}
		})
	}
}

func TestNobodyIsAskedForWhatWouldBeWaitedForAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		size, rate int64 // of the object, and of the lane
		rival      int64 // rate of the other, which is busy
		want       bool
	}{
		"much is left":                    {100 * mb, mb / 10, 5 * mb, false},
		"little, and it is slow":          {2 * mb, mb / 10, 5 * mb, true},
		"little, and it is about as fast": {2 * mb, 4 * mb, 5 * mb, false},
		"little, but it is the fastest":   {2 * mb, mb / 10, mb / 20, false},
	} {
		inBubble(t, name, func(t *testing.T) {
			p := newPlan(t.Context(), &Job{Size: c.size, Sources: []Source{{Base: "a"}, {Base: "b"}}})
			l := p.busy(p.sources[0], float64(c.rate), 0)
			p.busy(p.sources[1], float64(c.rival), mb)
			if got := p.lastsLocked(l, minChunk, time.Now()); got != c.want {
				t.Errorf("it would be the last\ngot  %t\nwant %t", got, c.want)
			}
		})
	}
}
