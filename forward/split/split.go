// Package split downloads one object in ranges, over several connections to several sources at once, and hands its bytes
// over in order and as early as it can.
//
//	job := split.Job{Size: size, Sources: sources, Open: open, Write: spool.Write}
//	result, err := job.Run(ctx)
//
// It is for objects whose bytes a digest pins: only then do ranges of two senders fit together. The digest is the caller's
// to check; Result.Parts tells who sent what, so that it can find out who lied.
//
// The object is cut into chunks, each about a second of the connection that asks for it. Whoever is free gets the earliest
// chunk that is missing. The chunk at the head is handed over byte by byte while it arrives; those behind it wait in
// memory, which Memory bounds. A chunk that holds up the rest is asked for once more elsewhere. How many connections pay
// is found by trying: one more is kept if all of them together became faster by it.
package split

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

var (
	// ErrNoRange is what Open returns if the source ignores Range. It is asked no more; a Lead of it may go on.
	ErrNoRange = errors.New("the server ignores Range")
	// ErrMissing is what Open returns if the source does not have the object. It is asked no more.
	ErrMissing = errors.New("the server does not have it")
	// ErrNoSource says that all sources were given up. The caller may go on from Result.Next with others.
	ErrNoSource = errors.New("no source is left")
)

// Source is one upstream that has the object.
type Source struct {
	Base string  // names it in Result
	Rate float64 // bytes a second that one connection to it usually brings; 0: unknown
	Most int     // connections at once; 0: 8
	// Trip is the time that it takes to answer on a connection that is open; 0: unknown. A far source begins with more
	// connections: each starts slowly, and to find out by trying takes a dozen round trips.
	Trip time.Duration
}

// Job is one download. Run may be called once.
type Job struct {
	Size    int64 // of the whole object, in bytes
	From    int64 // first byte that is missing
	Sources []Source

	// Lead is a body that is open already: it goes on at From, came from Sources[0], and counts as its connection 0. Run
	// closes it. nil: there is none.
	Lead   io.ReadCloser
	LeadTo int64 // first byte behind Lead; 0: Size

	// Open, if there is no Pool, asks for the bytes [from, to) over connection lane, which counts from 0 for each source. It returns the body,
	// or ErrNoRange, or ErrMissing, or what else went wrong. The end of ctx must end both Open and the body. It runs in
	// many goroutines at once; for a moment also twice on one lane, the next range shortly before the end of the last.
	Open func(ctx context.Context, s Source, lane int, from, to int64) (io.ReadCloser, error)

	// Pool is for many jobs that share connections. nil: each lane is a connection of this job alone, asked by Open.
	Pool Pool

	// Write gets the bytes in order, from the goroutine that called Run. It may not keep p. Its error ends the job.
	Write func(p []byte) error

	Memory *Memory // bounds what waits out of order, for all jobs that share it; nil: 32 MiB of its own

	// Stall is how long a connection may bring nothing before it is given up; 0: 3 s if another source is left, else 10 s.
	Stall time.Duration

	// Others says that the caller has other sources that can go on. They are as good as one that is left, and the last one
	// is given up as soon as all that it was asked for is silent.
	Others bool
}

// Pool is connections that several jobs share. It decides who is asked over which, as late as it can: what is given away
// late goes to the one that is the fastest by then. Its methods must not block.
type Pool interface {
	// Soon is in what time a source would have brought n bytes more.
	Soon(s Source, n int64) time.Duration
	// Take is a place on a connection to a source for about n bytes. nil: all have enough to bring for now. It is not nil if
	// must is set: the job has nothing under way there, so that nobody would notice if the others never came to an end.
	Take(s Source, n int64, must bool) Seat
	// Crowded says that so many bodies are under way from a source that one connection more brings hardly more in all.
	Crowded(s Source) bool
}

// Seat is a place on a connection, for one range. Either Open or Leave is called, once.
type Seat interface {
	// Open is as Job.Open. It leaves the seat by itself when the body is closed, or it fails.
	Open(ctx context.Context, from, to int64) (io.ReadCloser, error)
	Leave()
	// Most is how many bytes its connection should be asked for at once, at most: a slow one must not hold up the rest.
	Most() int64
}

// Forecast is what a Lead, a Seat, or a body of one may also be: it says in what time all of it will have come. Without it that
// is guessed by what came so far. Left must not block.
type Forecast interface{ Left() time.Duration }

// Part says who sent a stretch of what was written.
type Part struct {
	From, To int64 // the bytes [From, To)
	Base     string
}

// Tally is what came of one source.
type Tally struct {
	Base   string
	Bytes  int64         // written
	Extra  int64         // received and thrown away
	Wait   time.Duration // from asking for its first range to the first byte of it; 0: none came
	Busy   time.Duration // during which it was asked for at least one range
	Conns  int           // lanes that were used
	Ranges int           // ranges that were asked for; Lead is one
	Err    error         // why it was given up; nil: it was not
}

// Stats are figures of a whole job.
type Stats struct {
	Conns   int   // lanes in use at once, at most
	Raced   int   // chunks that were asked for once more because they came slowly
	Extra   int64 // bytes received and thrown away
	Waiting int64 // bytes that had arrived and were not written, at most
}

// Result is what a job did, also if it failed.
type Result struct {
	Next    int64   // first byte that was not written: Size after a success
	Parts   []Part  // cover [From, Next), in order; neighbours differ in Base
	Tallies []Tally // one for each of Job.Sources, in their order
	Stats   Stats
}

// Run downloads the object. It returns when all bytes are written, or with an error if Write failed, ctx ended, or no
// source is left (ErrNoSource); then the caller may go on at Result.Next. All bodies are closed and all goroutines gone
// when it returns.
func (j *Job) Run(ctx context.Context) (Result, error) {
	if err := j.check(); err != nil {
		if j.Lead != nil {
			j.Lead.Close()
		}
		return Result{Next: j.From}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := newPlan(ctx, j)
	wake := context.AfterFunc(ctx, p.wake)
	p.start()
	err := p.deliver()
	wake()
	p.end(cancel)
	return p.result(), err
}

func (j *Job) check() error {
	switch {
	case j.From < 0 || j.From > j.Size:
		return fmt.Errorf("the first missing byte, %d, is not within the %d of the object", j.From, j.Size)
	case j.Lead != nil && len(j.Sources) == 0:
		return errors.New("a body was handed in, but not the source that sends it")
	case j.Lead != nil && j.LeadTo != 0 && (j.LeadTo < j.From || j.LeadTo > j.Size):
		return fmt.Errorf("the body that was handed in ends at %d, which is not within [%d, %d]", j.LeadTo, j.From, j.Size)
	}
	return nil
}

// deliver writes what arrives, in order, until all is written or no more will come.
func (p *plan) deliver() error {
	for {
		blocks, err := p.await()
		if blocks == nil {
			return err
		}
		for i, b := range blocks {
			if err := p.job.Write(b.data); err != nil {
				recycle(blocks[i:])
				return err
			}
			p.wrote(b)
			recycle(blocks[i : i+1])
		}
	}
}

// await takes what can be written next. No blocks: the job is over, with the error if it is not whole.
func (p *plan) await() ([]block, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.ctx.Err() != nil:
			return nil, context.Cause(p.ctx)
		case p.written == p.job.Size:
			return nil, nil
		case len(p.chunks) > 0 && len(p.chunks[0].blocks) > 0:
			return p.chunks[0].take(), nil
		case p.deadLocked():
			return nil, p.failureLocked()
		}
		p.news.Wait()
	}
}

// wrote counts a block that was written and makes room for others.
func (p *plan) wrote(b block) {
	n := int64(len(b.data))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.partLocked(b.source.Base, n)
	p.written += n
	b.source.used += n
	head := p.chunks[0]
	p.releaseLocked(head, n)
	if p.written == head.to {
		p.chunks = slices.Delete(p.chunks, 0, 1)
	}
	p.dispatchLocked()
	p.news.Broadcast()
}

func (p *plan) partLocked(base string, n int64) {
	if last := len(p.parts) - 1; last >= 0 && p.parts[last].Base == base {
		p.parts[last].To += n
		return
	}
	p.parts = append(p.parts, Part{From: p.written, To: p.written + n, Base: base})
}

// failureLocked says of each source why it was given up.
func (p *plan) failureLocked() error {
	if len(p.sources) == 0 {
		return fmt.Errorf("%w, for none was named", ErrNoSource)
	}
	errs := make([]error, 0, len(p.sources))
	for _, s := range p.sources {
		errs = append(errs, fmt.Errorf("%s: %w", s.Base, s.err))
	}
	return fmt.Errorf("%w for the bytes from %d of %d on; try again later: %w", ErrNoSource, p.written, p.job.Size, errors.Join(errs...))
}

// result is called when nothing runs any more.
func (p *plan) result() Result {
	r := Result{Next: p.written, Parts: p.parts, Stats: p.stats}
	for _, s := range p.sources {
		t := s.tally
		t.Bytes, t.Extra, t.Err = s.used, s.received-s.used, s.err
		r.Stats.Extra += t.Extra
		r.Tallies = append(r.Tallies, t)
	}
	return r
}
