package split

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAShortRestIsShared: 512 KiB are missing, and of most senders nobody knows how fast they are.
func TestAShortRestIsShared(t *testing.T) {
	const rest = 512 << 10
	for _, c := range []struct {
		name    string
		rest    int64
		lead    mirror
		to      int64 // of the lead; 0: the end
		another mirror
		most    time.Duration
	}{
		{"a slow lead and a fast mirror", rest, mirror{rate: 50_000}, 0, mirror{rate: 5 * mb}, ideal(rest, 50_000) / 4},
		{"a slow lead that is known to be slow", rest, mirror{rate: 50_000, usual: 50_000}, 0, mirror{rate: 5 * mb}, ideal(rest, 50_000) / 5},
		{"a slow lead and a mirror that is known to be fast", rest, mirror{rate: 50_000}, 0, mirror{rate: 5 * mb, usual: 5 * mb}, ideal(rest, 50_000) / 5},
		{"a slow lead that is thought to be fast", rest, mirror{rate: 50_000, usual: 5 * mb}, 0, mirror{rate: 5 * mb}, ideal(rest, 50_000) / 4},
		{"a slow lead of the first half", rest, mirror{rate: 50_000}, rest / 2, mirror{rate: 5 * mb}, ideal(rest, 50_000) / 4},
		{"a slow lead of the first bytes", rest, mirror{rate: 50_000}, 20_000, mirror{rate: 5 * mb}, ideal(rest, 50_000) / 4},
		{"a slow lead of almost 1 MiB", 1<<20 - 1, mirror{rate: 100_000, usual: 100_000}, 0, mirror{rate: 5 * mb}, ideal(1<<20, 100_000) / 5},
		{"a slow lead of 200 KiB", 200 << 10, mirror{rate: 50_000}, 0, mirror{rate: 5 * mb}, ideal(200<<10, 50_000) / 2},
		{"two slow ones", rest, mirror{rate: 50_000}, 0, mirror{rate: 50_000}, ideal(rest, 50_000) * 3 / 4},
		{"a fast lead and a slow mirror", rest, mirror{rate: 5 * mb}, 0, mirror{rate: 50_000}, ideal(rest, 5*mb) * 5 / 2},
		{"a fast lead and a dead mirror", rest, mirror{rate: 5 * mb}, 0, mirror{rate: 5 * mb, dead: 1}, ideal(rest, 5*mb) * 5 / 2},
		{"a lead that breaks", rest, mirror{rate: 50_000, breaks: 1}, 0, mirror{rate: 5 * mb}, time.Second},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			c.lead.name, c.another.name = "lead", "another"
			c.lead.trip, c.another.trip = 20*ms, 60*ms
			c.lead.grain, c.another.grain = 1460, 1460
			w := newWorld(t, c.rest, &c.lead, &c.another)
			w.lead(c.to)
			o := w.run(t.Context())
			t.Log(o)
			if o.err != nil {
				t.Errorf("error\ngot  %v\nwant none", o.err)
			}
			atMost(t, "time", o.took, c.most)
		})
	}
}

func TestTheFirstStretchOfALead(t *testing.T) {
	const rest = 10 << 20
	for _, c := range []struct {
		name     string
		from, to int64 // of the lead; 0: the end
		rate     float64
		want     int64
	}{
		{"nothing is known", 0, 0, 0, leadUnknown},
		{"it brings 100 KB/s", 0, 0, 100_000, 200_000},
		{"it brings 1 KB/s", 0, 0, 1000, tinyChunk},
		{"it brings 2 MB/s", 0, 0, 2_000_000, 4_000_000},
		{"it brings 1 GB/s", 0, 0, 1e9, rest / 2},
		{"it is a range", 0, 300_000, 0, 300_000},
		{"it is an empty range", 1, 1, 0, 0},
		{"512 KiB are missing", rest - 512<<10, 0, 0, 256 << 10},
		{"512 KiB are missing, and it is slow", rest - 512<<10, 0, 50_000, 100_000},
		{"100 KiB are missing", rest - 100<<10, 0, 0, tinyChunk},
		{"a byte is missing", rest - 1, 0, 0, 1},
		{"nothing is missing", rest, 0, 0, 0},
	} {
		p := newPlan(t.Context(), &Job{Size: rest, From: c.from, LeadTo: c.to, Sources: []Source{{Base: "a", Rate: c.rate}}})
		if got := p.stretch(); got != c.want {
			t.Errorf("%s\ngot  %d\nwant %d", c.name, got, c.want)
		}
	}
}

// A mirror that was asked for little and sent it in one burst must be known to be faster than the lead.
func TestAShortRangeTellsARate(t *testing.T) {
	p, _, other := met(t, Job{Size: 10 * blockSize})
	if got := p.rateLocked(other.lane); got != 0 {
		t.Errorf("before the first range\ngot  %v\nwant 0", got)
	}
	other.got = 50_000
	p.sources[1].leave(other, other.began.Add(100*ms))
	if got := p.rateLocked(other.lane); got < 499_999 || got > 500_001 {
		t.Errorf("after 50 KB in 100 ms, the round trip included\ngot  %v\nwant 500 KB/s", got)
	}
	p.sources[1].Rate = 7
	if got := p.rateLocked(other.lane); got != 7 {
		t.Errorf("if the job was told a rate\ngot  %v\nwant 7", got)
	}
}

// met is a plan in which a lead has just come to the end of its first chunk, and the next one is another's.
func met(t *testing.T, job Job) (*plan, *run, *run) {
	t.Helper()
	job.Sources = []Source{{Base: "a"}, {Base: "b"}}
	job.Open = func(context.Context, Source, int, int64, int64) (io.ReadCloser, error) { return nil, errReset }
	p := newPlan(t.Context(), &job)
	lead := p.newRunLocked(p.sources[0].addLane(), p.freshLocked(blockSize), time.Now())
	lead.lead, lead.end, lead.at = true, p.job.LeadTo, lead.chunk.to
	lead.chunk.at = lead.chunk.to
	other := p.newRunLocked(p.sources[1].addLane(), p.freshLocked(2*blockSize), time.Now())
	return p, lead, other
}

func TestWhereALeadGoesOn(t *testing.T) {
	for _, c := range []struct {
		name   string
		job    Job
		before func(p *plan, other *run)
		goes   bool
	}{
		{"nobody has sent a range yet", Job{}, func(*plan, *run) {}, true},
		{"the other has sent one", Job{}, func(p *plan, _ *run) { p.sources[1].trip = 20 * ms }, false},
		{"its own source has sent one, but not the other", Job{}, func(p *plan, _ *run) { p.sources[0].trip = 20 * ms }, true},
		{"the other has begun", Job{}, func(p *plan, other *run) { p.sources[1].trip = 20 * ms; other.chunk.at++ }, false},
		{"the other has left", Job{}, func(p *plan, other *run) {
			p.sources[1].trip = 20 * ms
			other.chunk.runs = nil
		}, true},
		{"nobody else is left", Job{}, func(p *plan, other *run) {
			p.sources[1].trip, p.sources[0].err, p.sources[1].err = 20*ms, ErrNoRange, ErrMissing
			other.chunk.at++
		}, true},
		{"its body ends here", Job{LeadTo: blockSize}, func(*plan, *run) {}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.job.Size = 10 * blockSize
			p, lead, other := met(t, c.job)
			c.before(p, other)
			p.goOnLocked(lead)
			if goes := lead.chunk == other.chunk; goes != c.goes {
				t.Errorf("into the next chunk\ngot  %v\nwant %v", goes, c.goes)
			}
		})
	}
}

// Whoever loses in a chunk into which the lead came as a guest has done nothing wrong.
func TestAGuestIsNoRival(t *testing.T) {
	for _, first := range []string{"the lead", "the other"} {
		t.Run(first+" is first", func(t *testing.T) {
			p, lead, other := met(t, Job{Size: 10 * blockSize})
			p.goOnLocked(lead)
			winner, loser := lead, other
			if first == "the other" {
				winner, loser = other, lead
			}
			winner.at, winner.chunk.at = winner.chunk.to, winner.chunk.to
			if err := loser.beaten(winner); err != errNeedless { //nolint:errorlint // it is never wrapped
				t.Errorf("why the loser ends\ngot  %v\nwant %v", err, errNeedless)
			}
		})
	}
}

// A lead that was asked for as a range ends in the midst of a chunk that another was asked for.
func TestALeadMayEndWithinAChunk(t *testing.T) {
	for _, c := range []struct {
		name    string
		longer  int
		strikes bool
	}{
		{"where it should", 0, false},
		{"a byte too early", -1, true},
		{"not at all", 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, lead, other := met(t, Job{Size: 10 * blockSize, LeadTo: 2 * blockSize})
			lead.chunk.at, lead.at = 0, 0
			p.carry(lead, io.NopCloser(bytes.NewReader(make([]byte, 2*blockSize+c.longer))))
			if s := p.sources[0]; (s.strikes > 0 || s.err != nil) != c.strikes {
				t.Errorf("after the lead\ngot  %d strikes, %v\nwant any: %v", s.strikes, s.err, c.strikes)
			}
			if got, want := other.chunk.at, int64(2*blockSize+min(c.longer, 0)); got != want {
				t.Errorf("the chunk it ended in has arrived up to\ngot  %d\nwant %d", got, want)
			}
			p.runs.Wait()
		})
	}
}

// What one Read brings may reach into what another was asked for meanwhile.
func TestALeadMayBringMoreThanItHasLeft(t *testing.T) {
	for _, c := range []struct {
		name   string
		proven bool
		want   int64
	}{
		{"the other has sent a range", true, crumb},
		{"it may go on there", false, blockSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, lead, other := met(t, Job{Size: 10 * blockSize})
			lead.at, lead.chunk.at = 0, 0
			cut := p.splitLocked(lead.chunk, crumb)
			p.chunks = slices.Insert(p.chunks, 1, cut)
			p.moveLocked(other, cut)
			if c.proven {
				p.sources[1].trip = 20 * ms
			}
			if err := p.arrive(lead, stretch(0, blockSize)); err != nil {
				t.Error(err)
			}
			var got []byte
			for _, chunk := range p.chunks {
				for _, b := range chunk.take() {
					got = append(got, b.data...)
				}
			}
			if !bytes.Equal(got, stretch(0, int(c.want))) || lead.at != c.want {
				t.Errorf("arrived\ngot  %d bytes, up to %d\nwant the first %d", len(got), lead.at, c.want)
			}
			if p.want(lead) < 0 {
				t.Error("it should bring less than nothing")
			}
		})
	}
}

func TestASleepingWriterIsNotBuried(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int64
		most  int64
	}{
		{"with memory", 2 << 20, 2<<20 + 2*(slack+blockSize)},
		{"without any", 1, 2 * (slack + blockSize)},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			w := newWorld(t, 20*mb, threeMirrors()...)
			w.job.Memory = &Memory{Limit: c.limit}
			write, naps := w.job.Write, 0
			w.job.Write = func(p []byte) error {
				if naps++; naps%50 == 1 && naps < 200 {
					time.Sleep(5 * time.Minute)
				}
				return write(p)
			}
			o := w.run(t.Context())
			t.Log(o)
			atMost(t, "bytes that waited", o.Stats.Waiting, c.most)
			for _, tally := range o.Tallies {
				if tally.Err != nil {
					t.Errorf("%s was given up\ngot  %v\nwant it kept: the writer slept", tally.Base, tally.Err)
				}
			}
		})
	}
	inBubble(t, "and is waited for when the job ends", func(t *testing.T) {
		w := newWorld(t, 20*mb, threeMirrors()...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		write := w.job.Write
		w.job.Write = func(p []byte) error {
			time.Sleep(time.Minute)
			return write(p)
		}
		o := w.run(ctx)
		atMost(t, "time", o.took, 2*time.Minute)
		if o.err == nil {
			t.Error("error\ngot  none\nwant that of ctx")
		}
	})
}

// Two senders that take turns byte by byte must not cost a buffer for each.
func TestSendersThatTakeTurnsShareBuffers(t *testing.T) {
	c, senders := &chunk{to: 4 * blockSize}, []*source{{}, {}}
	for i := range c.to {
		c.add([]byte{byte(i % 251)}, senders[i%2])
	}
	blocks, buffers := c.take(), 0
	for i, b := range blocks {
		if len(b.data) != 1 || b.data[0] != byte(i%251) || b.source != senders[i%2] {
			t.Fatalf("byte %d\ngot  %v of %p\nwant %d of %p", i, b.data, b.source, i%251, senders[i%2])
		}
		if b.buffer != nil {
			buffers++
		}
	}
	if buffers != 4 || blocks[len(blocks)-1].buffer == nil {
		t.Errorf("buffers of 64 KiB for 256 KiB\ngot  %d\nwant 4, the last one given back with the last byte", buffers)
	}
	recycle(blocks)
}

func TestWithoutSourcesTheErrorIsASentence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		none := Job{Size: 5}
		_, err := none.Run(t.Context())
		if err == nil || strings.Contains(err.Error(), "%!") {
			t.Errorf("error\ngot  %v\nwant a sentence", err)
		}
	})
}
