package split

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// shared is a Pool of so many connections to a world's first mirror, each with one range at a time.
type shared struct {
	w       *world
	usual   float64 // bytes a second that a range brings, as far as the pool knows
	crowded atomic.Bool

	mu     sync.Mutex
	busy   []bool
	most   int
	forced int // places that were given though all were busy
}

func (s *shared) Soon(_ Source, n int64) time.Duration {
	return s.w.mirrors[0].trip + time.Duration(float64(n)/s.usual*float64(time.Second))
}

func (s *shared) Crowded(Source) bool { return s.crowded.Load() }

func (s *shared) Take(src Source, _ int64, must bool) Seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	if must && !slices.Contains(s.busy, false) {
		s.forced++
		return &place{s, src, -1}
	}
	under := 1
	free := -1
	for i, busy := range s.busy {
		if busy {
			under++
		} else {
			free = i
		}
	}
	if free < 0 {
		return nil
	}
	s.busy[free], s.most = true, max(s.most, under)
	return &place{s, src, free}
}

// place is a connection of shared that is taken; -1: one that is shared with others.
type place struct {
	pool *shared
	src  Source
	lane int
}

func (p *place) Open(ctx context.Context, from, to int64) (io.ReadCloser, error) {
	body, err := p.pool.w.openRange(ctx, p.src, p.lane+1, from, to)
	if err != nil {
		p.free()
		return nil, err
	}
	return &leaving{body, p.free}, nil
}

func (p *place) Most() int64 { return p.pool.w.job.Size }

func (p *place) Leave() {
	p.free()
}

func (p *place) free() {
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	if p.lane >= 0 {
		p.pool.busy[p.lane] = false
	}
}

// leaving is a body that leaves its place when it is closed.
type leaving struct {
	io.ReadCloser
	leave func()
}

func (b *leaving) Close() error {
	b.leave()
	return b.ReadCloser.Close()
}

// ledBy is a world whose lead brings each bytes a second and says so, with a pool of so many connections of rate.
func ledBy(t *testing.T, size int64, each, rate float64, connections int) (*world, *shared) {
	w := newWorld(t, size, &mirror{name: "a", trip: 100 * ms, each: rate})
	pool := &shared{w: w, usual: rate, busy: make([]bool, connections)}
	w.job.Pool = pool
	if each > 0 {
		w.lead(0)
		w.mirrors[0].conns[0].rate = each
		w.job.Lead = &slowLead{ReadCloser: w.job.Lead, rate: each, left: size}
	}
	return w, pool
}

// slowLead is a Forecast of a lead whose rate is known.
type slowLead struct {
	io.ReadCloser
	mu   sync.Mutex
	rate float64
	left int64
}

func (l *slowLead) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left -= int64(n)
	return n, err
}

func (l *slowLead) Left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Duration(float64(l.left) / l.rate * float64(time.Second))
}

func TestThePoolDecidesHowManyAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, pool := ledBy(t, 8*mb, 0, mb, 3)
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil || pool.most > 3 {
			t.Errorf("got  %v with %d ranges at once\nwant 3 at most", o.err, pool.most)
		}
		for i, busy := range pool.busy {
			if busy {
				t.Errorf("seat %d was never left", i)
			}
		}
		atMost(t, "time", o.took, ideal(8*mb, 3*mb)*2)
	})
}

// A lead that will be there soon is not cut off: what it has under way would come for nothing.
func TestAFastLeadIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := ledBy(t, 2*mb, 4*mb, 4*mb, 4)
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil || w.mirrors[0].opens != 0 || o.Stats.Extra != 0 {
			t.Errorf("got  %v, %d ranges, %d bytes for nothing\nwant all from the lead", o.err, w.mirrors[0].opens, o.Stats.Extra)
		}
	})
}

func TestTheEndOfASlowLeadComesFromOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := ledBy(t, 2*mb, 100_000, 2*mb, 4)
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil || w.mirrors[0].opens == 0 {
			t.Errorf("got  %v after %d ranges\nwant some", o.err, w.mirrors[0].opens)
		}
		atMost(t, "time", o.took, 3*time.Second)
		atMost(t, "extra", w.extra(o), 0.15)
	})
}

// Under loss each connection brings little, and little is left when the others have nothing to do any more.
func TestTheEndOfAShortSlowLeadComesFromOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := ledBy(t, 112<<10, 30_000, 100_000, 8)
		w.job.Sources[0].Trip = 100 * ms
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil || w.mirrors[0].opens < 2 {
			t.Errorf("got  %v after %d ranges\nwant some", o.err, w.mirrors[0].opens)
		}
		atMost(t, "time", o.took, 2*time.Second)
		atMost(t, "extra", w.extra(o), 0.15)
	})
}

// Its silence is no reason to wait for Stall.
func TestASilentLeadIsHelpedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := ledBy(t, mb, 1, 2*mb, 4)
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil {
			t.Error(o.err)
		}
		atMost(t, "time", o.took, 3*time.Second)
	})
}

// On a line that is full, what others bring they bring at the lead's cost, and what is under way to it comes for nothing.
func TestALeadInACrowdIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, pool := ledBy(t, 2*mb, 100_000, 2*mb, 4)
		pool.crowded.Store(true)
		w.after(10*time.Second, func() {
			if w.mirrors[0].opens != 0 {
				t.Errorf("got  %d ranges beside it\nwant none", w.mirrors[0].opens)
			}
			pool.crowded.Store(false)
		})
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil || w.mirrors[0].opens == 0 {
			t.Errorf("got  %v after %d ranges\nwant some, when the others were done", o.err, w.mirrors[0].opens)
		}
		atMost(t, "time", o.took, 13*time.Second)
	})
}

func TestASilentLeadInACrowdIsHelped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, pool := ledBy(t, mb, 1, 2*mb, 4)
		pool.crowded.Store(true)
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil {
			t.Error(o.err)
		}
		atMost(t, "time", o.took, 8*time.Second)
	})
}

func TestASlowRangeInACrowdIsNotRaced(t *testing.T) {
	raced := func(t *testing.T, crowded bool) (n int) {
		synctest.Test(t, func(t *testing.T) {
			w, pool := ledBy(t, 4*mb, 0, mb, 3)
			w.mirrors[0].conns[3] = &conn{pipe: pipe{rate: 100_000}}
			pool.crowded.Store(crowded)
			o := w.run(t.Context())
			t.Log(o)
			if o.err != nil {
				t.Error(o.err)
			}
			n = o.Stats.Raced
		})
		return n
	}
	if n := raced(t, false); n == 0 {
		t.Error("got  no race\nwant one: else this says nothing of a crowd")
	}
	if n := raced(t, true); n != 0 {
		t.Errorf("got  %d races in a crowd\nwant none", n)
	}
}

// confident is a lead that falls silent after so many bytes, on a connection that goes on to bring others theirs: it seems
// to be there soon.
type confident struct {
	io.ReadCloser
	left   int
	closed chan struct{}
	once   sync.Once
}

func (c *confident) Read(p []byte) (int, error) {
	if c.left <= 0 {
		<-c.closed
		return 0, io.ErrClosedPipe
	}
	n, err := c.ReadCloser.Read(p)
	c.left -= n
	return n, err
}

func (c *confident) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.ReadCloser.Close()
}

func (*confident) Left() time.Duration { return 100 * time.Millisecond }

func TestALeadThatIsSilentBesideOthersIsHelpedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := ledBy(t, 2*mb, 0, 2*mb, 4)
		w.lead(0)
		w.job.Lead = &confident{ReadCloser: w.job.Lead, left: 300_000, closed: make(chan struct{})}
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil {
			t.Error(o.err)
		}
		atMost(t, "time", o.took, 5*time.Second)
	})
}

func TestALeadThatBreaksIsFollowedByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := ledBy(t, 2*mb, 0, 2*mb, 4)
		w.mirrors[0].breaks = 300_000
		w.lead(0)
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil {
			t.Error(o.err)
		}
	})
}

func TestASourceWithoutRangesIsReadToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := ledBy(t, 2*mb, 200_000, 2*mb, 4)
		w.mirrors[0].refuse = ErrNoRange
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil {
			t.Error(o.err)
		}
	})
}

// Nobody else would look at the clock for them, and those who have bytes under way are always the first to hear of a free place.
func TestAJobIsNotStarvedByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, pool := ledBy(t, mb, 0, mb, 1)
		w.mirrors[0].breaks = 100_000
		w.lead(0)
		pool.busy[0] = true // with what others never end
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		o := w.run(ctx)
		t.Log(o)
		if o.err != nil || pool.forced == 0 {
			t.Errorf("got  %v\nwant all of it, though slowly", o.err)
		}
	})
}

func TestWhatALostLeadLeavesIsNotAskedForInCrumbs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := ledBy(t, 8*mb, 0, mb, 4)
		w.mirrors[0].breaks = 300_000
		w.lead(0)
		w.after(ms, func() { w.mirrors[0].breaks = 0 })
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil || o.Tallies[0].Ranges > 30 {
			t.Errorf("got  %v after %d ranges\nwant 30 at most", o.err, o.Tallies[0].Ranges)
		}
	})
}

// One connection that breaks while others bring bytes is not one range too many: the pool says how many those are.
func TestRangesThatBreakAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := ledBy(t, 128*mb, 0, mb, 8)
		for i := range 8 { // they do not go in step
			w.mirrors[0].conns[i+1] = &conn{pipe: pipe{rate: mb * (0.65 + float64(i)/10)}}
		}
		for i := range 12 {
			at := time.Duration(i+3) * time.Second
			w.after(at, func() { w.mirrors[0].single = 1 })
			w.after(at+60*ms, func() { w.mirrors[0].single = 0 })
		}
		o := w.run(t.Context())
		t.Log(o)
		if o.err != nil {
			t.Error(o.err)
		}
		atMost(t, "time", o.took, ideal(128*mb, 8*mb)*3/2)
	})
}

// A lane that was not used yet is not the one to say that there is nothing to do.
func TestALaneThatComesTooLateDoesNotSpeakForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := ledBy(t, 4*mb, 0, mb, 3)
		w.mirrors[0].conns[3] = &conn{pipe: pipe{rate: 3 * mb}} // the pool begins with the last
		w.after(1500*ms, func() { w.mirrors[0].conns[3].free = time.Now().Add(8 * time.Second) })
		o := w.run(t.Context())
		t.Log(o)
		atMost(t, "time", o.took, 4*time.Second)
	})
}
