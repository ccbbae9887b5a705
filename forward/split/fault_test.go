package split

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pair is a good mirror behind one that the test may spoil.
func pair(t *testing.T, spoil func(*mirror)) *world {
	bad := &mirror{name: "bad", trip: 20 * ms, rate: 40 * mbit}
	spoil(bad)
	return newWorld(t, 20*mb, bad, &mirror{name: "good", trip: 50 * ms, rate: 20 * mbit})
}

// TestABadMirrorIsSurvived: 20 MB, of which the good mirror alone needs 8 s.
func TestABadMirrorIsSurvived(t *testing.T) {
	errAny := errors.New("silent or slow, and given up in time or not")
	for _, c := range []struct {
		name  string
		spoil func(*mirror)
		err   error // why bad was given up
		most  time.Duration
	}{
		{"it is fine", func(*mirror) {}, nil, 3500 * ms},
		{"it is silent from the start", func(m *mirror) { m.dead = 1 }, errAny, 10 * time.Second},
		{"it falls silent", func(m *mirror) { m.dead = time.Second }, errAny, 10 * time.Second},
		{"it is silent for two seconds", func(m *mirror) { m.dead, m.alive = time.Second, 3*time.Second }, nil, 7 * time.Second},
		{"it refuses", func(m *mirror) { m.refuse = errReset }, errReset, 9 * time.Second},
		{"it lacks the object", func(m *mirror) { m.refuse = ErrMissing }, ErrMissing, 9 * time.Second},
		{"it ignores Range", func(m *mirror) { m.refuse = ErrNoRange }, ErrNoRange, 9 * time.Second},
		{"it breaks each body after 100 KB", func(m *mirror) { m.breaks = 100_000 }, nil, 9 * time.Second},
		{"it breaks each body at once", func(m *mirror) { m.breaks = 1 }, errReset, 9 * time.Second},
		{"it sends a byte too many", func(m *mirror) { m.longer = 1 }, ErrLong, 9 * time.Second},
		{"it sends a megabyte too many", func(m *mirror) { m.longer = mb }, ErrLong, 9 * time.Second},
		{"it sends a byte too few", func(m *mirror) { m.shorter = 1 }, ErrShort, 9 * time.Second},
		{"it sends nothing", func(m *mirror) { m.shorter = mb * 10 }, ErrShort, 9 * time.Second},
		{"it drips", func(m *mirror) { m.drip = true }, errAny, 10 * time.Second},
		{"it serves one connection at a time", func(m *mirror) { m.single = 1 }, nil, 5 * time.Second},
		{"it is forty times as slow", func(m *mirror) { m.rate = mbit / 2 }, errAny, 10 * time.Second},
		{"it stops now and then", func(m *mirror) { m.hiccup, m.hiccupOf = 0.01, 2*time.Second }, nil, 9 * time.Second},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			w := pair(t, c.spoil)
			o := w.run(t.Context())
			if o.err != nil {
				t.Fatalf("error\ngot  %v\nwant none: the good mirror is there", o.err)
			}
			t.Log(o)
			if got := o.Tallies[0].Err; c.err != errAny && !errors.Is(got, c.err) { //nolint:errorlint // it is never wrapped
				t.Errorf("why it was given up\ngot  %v\nwant %v", got, c.err)
			}
			atMost(t, "time", o.took, c.most)
			atMost(t, "extra", w.extra(o), 0.05)
		})
	}
}

func TestALineThatBreaksAllTheTimeIsUsedToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20*mb, &mirror{name: "a", trip: 20 * ms, rate: 40 * mbit, breaks: 70_000})
		if o := w.run(t.Context()); o.err != nil {
			t.Errorf("outcome\ngot  %v\nwant success: each range brought something", o)
		}
	})
}

func TestALeadMayEndOddly(t *testing.T) {
	for _, c := range []struct {
		name  string
		to    int64
		spoil func(*mirror)
		most  time.Duration
	}{
		{"it is the first range", 3 * mb, func(*mirror) {}, 4 * time.Second},
		{"it is empty", 0, func(m *mirror) { m.shorter = 20 * mb }, 9 * time.Second},
		{"it ends early", 0, func(m *mirror) { m.shorter = 19_900_000 }, 9 * time.Second},
		{"it breaks", 0, func(m *mirror) { m.breaks = 500_000 }, 9 * time.Second},
		{"it is silent", 0, func(m *mirror) { m.dead = 1 }, 9 * time.Second},
		{"it drips", 0, func(m *mirror) { m.drip = true }, 9 * time.Second},
		{"its server ignores Range", 0, func(m *mirror) { m.refuse = ErrNoRange }, 9 * time.Second},
		{"its first range is longer than it said", 3 * mb, func(m *mirror) { m.longer = 5 }, 9 * time.Second},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			w := pair(t, c.spoil)
			w.lead(c.to)
			o := w.run(t.Context())
			t.Log(o)
			if o.err != nil {
				t.Errorf("error\ngot  %v\nwant none", o.err)
			}
			atMost(t, "time", o.took, c.most)
			atMost(t, "extra", w.extra(o), 0.05)
		})
	}
}

func TestAServerThatIgnoresRangeStreamsAlone(t *testing.T) {
	inBubble(t, "as the only source", func(t *testing.T) {
		w := newWorld(t, 20*mb, &mirror{name: "a", trip: 20 * ms, rate: 40 * mbit, refuse: ErrNoRange})
		w.lead(0)
		o := w.run(t.Context())
		if o.err != nil || !errors.Is(o.Tallies[0].Err, ErrNoRange) || o.Tallies[0].Ranges > 3 {
			t.Errorf("outcome\ngot  %v\nwant success, and no range after the first refusals", o)
		}
		atMost(t, "time", o.took, 4200*ms)
	})
	inBubble(t, "past what another brought before it died", func(t *testing.T) {
		w := newWorld(t, 20*mb, &mirror{name: "a", trip: 20 * ms, rate: 10 * mbit, refuse: ErrNoRange}, &mirror{name: "b", trip: 20 * ms, rate: 40 * mbit})
		w.lead(0)
		open := w.job.Open
		w.job.Open = func(ctx context.Context, s Source, lane int, from, to int64) (io.ReadCloser, error) {
			if s.Base == "b" && from > 3_000_000 {
				return nil, ErrMissing
			}
			return open(ctx, s, lane, from, to)
		}
		o := w.run(t.Context())
		if o.err != nil || len(o.Parts) < 3 || o.Tallies[0].Extra == 0 {
			t.Errorf("outcome\ngot  %v %v\nwant success with bytes of b between those of a", o, o.Parts)
		}
	})
}

func TestWhenAllSourcesAreGoneTheRestIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 200*mb, threeMirrors()...)
		for _, m := range w.mirrors {
			m.dead = 3 * time.Second
		}
		o := w.run(t.Context())
		if !errors.Is(o.err, ErrNoSource) || !strings.Contains(o.err.Error(), "c: "+ErrStalled.Error()) {
			t.Errorf("error\ngot  %v\nwant %v with the reason of each", o.err, ErrNoSource)
		}
		if o.Next < 10*mb || len(o.Tallies) != 3 {
			t.Errorf("how far it came\ngot  %d\nwant 10 MB at least", o.Next)
		}
		atMost(t, "time", o.took, 60*time.Second)

		rest := newWorld(t, 200*mb, threeMirrors()...)
		rest.job.From, rest.got = o.Next, o.Next
		if o := rest.run(t.Context()); o.err != nil {
			t.Errorf("the rest\ngot  %v\nwant no error", o)
		}
	})
}

func TestTheWriterRules(t *testing.T) {
	inBubble(t, "its error ends the job", func(t *testing.T) {
		w := newWorld(t, 20*mb, threeMirrors()...)
		w.lead(0)
		full := errors.New("disk full")
		write := w.job.Write
		w.job.Write = func(p []byte) error {
			if w.got > 5*mb {
				return full
			}
			return write(p)
		}
		if o := w.run(t.Context()); !errors.Is(o.err, full) {
			t.Errorf("error\ngot  %v\nwant %v", o.err, full)
		}
	})
	inBubble(t, "its slowness is nobody's fault", func(t *testing.T) {
		w := newWorld(t, 10*mb, threeMirrors()...)
		w.lead(0)
		w.slow = 700 * ms // for at most 64 KiB
		o := w.run(t.Context())
		t.Log(o)
		atMost(t, "connections", o.Stats.Conns, 4)
		for _, tally := range o.Tallies {
			if tally.Err != nil {
				t.Errorf("%s was given up\ngot  %v\nwant it kept", tally.Base, tally.Err)
			}
		}
		atMost(t, "extra", w.extra(o), 0.05)
	})
}

func TestMemoryIsBounded(t *testing.T) {
	inBubble(t, "behind a slow head", func(t *testing.T) {
		w := newWorld(t, 60*mb, threeMirrors()...)
		w.mirrors[0].each = mbit / 4
		w.lead(0)
		w.job.Memory = &Memory{Limit: 4 << 20}
		o := w.run(t.Context())
		t.Log(o)
		atMost(t, "bytes that waited", o.Stats.Waiting, 4<<20+slack+blockSize)
		if o.err != nil || w.job.Memory.held != 0 {
			t.Errorf("outcome\ngot  %v with %d bytes still held\nwant success and none", o, w.job.Memory.held)
		}
	})
	inBubble(t, "for jobs that share it", func(t *testing.T) {
		memory := &Memory{Limit: 2 << 20}
		ended := make(chan outcome)
		for range 4 {
			go func() {
				w := newWorld(t, 20*mb, threeMirrors()...)
				w.job.Memory = memory
				write := w.job.Write
				w.job.Write = func(p []byte) error {
					memory.mu.Lock()
					atMost(t, "bytes that wait", memory.held, memory.Limit)
					memory.mu.Unlock()
					return write(p)
				}
				ended <- w.run(t.Context())
			}()
		}
		waiting := int64(0)
		for range 4 {
			o := <-ended
			waiting += o.Stats.Waiting
			atMost(t, "time", o.took, 16*time.Second)
		}
		t.Log("waiting at most", waiting)
		if memory.held != 0 {
			t.Errorf("held at the end\ngot  %d\nwant 0", memory.held)
		}
	})
	inBubble(t, "even if there is none", func(t *testing.T) {
		w := newWorld(t, 5*mb, threeMirrors()...)
		w.job.Memory = &Memory{Limit: 1}
		o := w.run(t.Context())
		t.Log(o)
		atMost(t, "bytes that waited", o.Stats.Waiting, 2*(slack+blockSize))
		atMost(t, "time", o.took, 10*time.Second)
	})
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	for _, j := range []Job{{Size: 5, From: 6}, {Size: 5, From: -1}, {Size: 5, Lead: io.NopCloser(strings.NewReader("12345"))}} {
		if _, err := j.Run(t.Context()); err == nil {
			t.Errorf("Run of %+v\ngot  no error\nwant one", j)
		}
	}
	done := Job{Size: 5, From: 5}
	if r, err := done.Run(t.Context()); err != nil || r.Next != 5 {
		t.Errorf("nothing to do\ngot  %+v, %v\nwant success", r, err)
	}
	none := Job{Size: 5}
	if _, err := none.Run(t.Context()); !errors.Is(err, ErrNoSource) {
		t.Errorf("no source\ngot  %v\nwant %v", err, ErrNoSource)
	}
}
