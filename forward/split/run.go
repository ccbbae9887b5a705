package split

import (
	"context"
	"io"
	"sync"
	"time"
)

const (
	leadTime    = 2 * time.Second // stretch that is left to the lead: when it meets the others, its connection may be lost
	leadUnknown = 1 << 20         // the same in bytes, for a rate that is not known
)

// run is one range under way: it fills a chunk. In a race two runs fill the same, and each byte counts for the first that
// brings it.
type run struct {
	lane    *lane
	chunk   *chunk
	at      int64 // the next byte that its body brings
	end     int64 // first byte behind its body; for a lead that may lie behind the chunk
	lead    bool
	helper  bool // it was started because another is slow
	guest   bool // it went on into a chunk that another was asked for
	waiting bool // for the sender, not for the writer
	began   time.Time
	expect  float64   // seconds that it was thought to take; 0: nobody knew
	body    io.Reader // nil: it is asked for
	last    time.Time // when bytes came, or began to be awaited
	sign    time.Time // the same, but that only each pace of bytes counts
	got     int64     // bytes
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

// leadLocked gives the body that is open already the first stretch.
func (p *plan) leadLocked() {
	s, size := p.sources[0], p.stretch()
	c := &chunk{from: p.next, to: p.next + size, at: p.next}
	if size > 0 {
		p.chunks = append(p.chunks, c)
		p.next += size
	}
	r := p.newRunLocked(s.addLane(), c, time.Now())
	r.lead, r.end, r.body = true, p.job.LeadTo, p.job.Lead
	p.runs.Go(func() { p.carry(r, p.job.Lead) })
}

// stretch is how many bytes are left to the lead: all that was asked of it, if that is only the beginning of the object, for
// those bytes are on their way. Half of a short rest goes to others, however slow the lead is: it may be they who are fast.
func (p *plan) stretch() int64 {
	if p.tailed() {
		return p.job.Size - p.next
	}
	if p.job.LeadTo < p.job.Size {
		return min(p.job.LeadTo-p.next, maxChunk)
	}
	size := int64(leadUnknown)
	if rate := p.sources[0].Rate; rate > 0 {
		size = min(max(int64(rate*leadTime.Seconds()), tinyChunk), maxChunk)
	}
	half := (p.job.Size - p.next) / 2 / blockSize * blockSize
	return min(size, max(half, tinyChunk), p.job.LeadTo-p.next)
}

// tailed says that the lead goes on as far as it comes, and others bring the end of the object. To end a lead costs what it
// has under way, so that should happen once, and late. But its beginning is not waited for if all must wait in memory.
func (p *plan) tailed() bool {
	return p.job.Lead != nil && p.job.Pool != nil && p.job.LeadTo == p.job.Size && p.job.Size-p.job.From <= p.memory.limit()/4
}

// runLocked sets a lane to bring what is missing of a chunk; seat is nil if there is no Pool.
func (p *plan) runLocked(l *lane, c *chunk, seat Seat, now time.Time) {
	helper := len(c.runs) > 0
	r := p.newRunLocked(l, c, now)
	if r.helper = helper; helper {
		p.stats.Raced++
	}
	if p.job.Pool != nil {
		r.expect = p.soonLocked(l, r.end-r.at)
	}
	from, to := r.at, r.end
	p.runs.Go(func() {
		body, err := p.open(r.ctx, l, seat, from, to)
		if err != nil {
			r.cancel(cause(r.ctx, err))
			p.finish(r, context.Cause(r.ctx))
			return
		}
		p.mu.Lock()
		r.body = body
		p.mu.Unlock()
		p.carry(r, body)
	})
}

func (p *plan) open(ctx context.Context, l *lane, seat Seat, from, to int64) (io.ReadCloser, error) {
	if seat != nil {
		return seat.Open(ctx, from, to)
	}
	return p.job.Open(ctx, l.source.Source, l.number, from, to)
}

func (p *plan) newRunLocked(l *lane, c *chunk, now time.Time) *run {
	r := &run{lane: l, chunk: c, at: c.at, end: c.to, waiting: true, began: now, last: now, sign: now}
	r.ctx, r.cancel = context.WithCancelCause(p.ctx)
	c.runs = append(c.runs, r)
	l.source.join(r)
	return r
}

// carry moves a body into its chunk. The body is closed as soon as the run is canceled, so that no Read outlasts it.
func (p *plan) carry(r *run, body io.ReadCloser) {
	once := sync.OnceFunc(func() { body.Close() })
	stop := context.AfterFunc(r.ctx, once)
	err := cause(r.ctx, p.pour(r, body))
	stop()
	once() // waits for the other call, if there is one
	r.cancel(err)
	p.finish(r, err)
}

// pour reads until the run has nothing to do any more.
func (p *plan) pour(r *run, body io.Reader) error {
	buf := buffers.Get().(*[blockSize]byte)
	defer buffers.Put(buf)
	for {
		want := p.want(r)
		if want == 0 {
			return p.ended(r, body, buf[:1])
		}
		n, err := body.Read(buf[:min(want, blockSize)])
		if n > 0 {
			if err := p.arrive(r, buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF && p.want(r) == 0:
			return nil
		case err == io.EOF:
			return ErrShort
		case err != nil:
			return err
		}
	}
}

// want waits until the writer has room, and tells how many bytes the run should bring yet.
func (p *plan) want(r *run) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.fullLocked(r.chunk) && r.ctx.Err() == nil && p.ctx.Err() == nil {
		r.waiting, p.growth.idle = false, true
		p.news.Wait()
	}
	if now := time.Now(); !r.waiting {
		r.waiting, r.last, r.sign = true, now, now
		r.lane.meter.resume(now)
	}
	return min(r.chunk.to, r.end) - r.at
}

// ended makes sure that a body ends where its range does: one that goes on is not the range that was asked for. It also
// lets the connection be used again.
func (p *plan) ended(r *run, body io.Reader, buf []byte) error {
	if r.lead && r.end > r.chunk.to {
		return nil
	}
	for {
		n, err := body.Read(buf)
		switch {
		case n > 0:
			return ErrLong
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// arrive takes bytes of a run. An error says that it need not go on.
func (p *plan) arrive(r *run, b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	defer p.news.Broadcast()
	defer p.dispatchLocked()
	p.measureLocked(r, len(b), time.Now())
	for len(b) > 0 {
		n := min(int64(len(b)), r.chunk.to-r.at)
		if n == 0 {
			return nil // others were asked for the rest while it was read
		}
		if err := p.placeLocked(r, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// placeLocked adds bytes to the chunk of a run, which is not shorter than that.
func (p *plan) placeLocked(r *run, b []byte) error {
	c := r.chunk
	known := min(max(c.at-r.at, 0), int64(len(b))) // the other run was first
	r.at += int64(len(b))
	c.add(b[known:], r.lane.source)
	p.arrived += int64(len(b)) - known
	p.meter.add(len(b)-int(known), r.last)
	p.stats.Waiting = max(p.stats.Waiting, p.job.From+p.arrived-p.written)
	if winner := r.overtaker(); winner != nil {
		return r.beaten(winner)
	}
	if c.whole() {
		r.won()
	}
	if r.lead && r.at == c.to {
		p.goOnLocked(r)
	}
	return nil
}

// measureLocked notes what a run brought. The first bytes of a range come in a burst and tell nothing of the rate.
func (p *plan) measureLocked(r *run, n int, now time.Time) {
	l, s := r.lane, r.lane.source
	switch {
	case r.got > 0 || len(l.runs) > 1:
		l.meter.add(n, now)
	default:
		l.meter.resume(now)
	}
	if r.got == 0 && !r.lead {
		s.answered(r, now)
	}
	if r.got == 0 || (r.got+int64(n))/pace > r.got/pace {
		r.sign = now
	}
	r.got += int64(n)
	r.last = now
	s.received += int64(n)
}

// goOnLocked lets a lead go on behind its chunk, if nobody else does that, or nobody else could, or whoever is about to has
// never sent a range yet: perhaps it ignores Range, or is dead.
func (p *plan) goOnLocked(r *run) {
	if r.at >= r.end {
		return
	}
	if r.at == p.next {
		size := min(p.sizeLocked(r.lane), r.end-r.at)
		p.chunks = append(p.chunks, &chunk{from: r.at, to: r.at + size, at: r.at})
		p.next += size
	}
	for _, c := range p.chunks {
		if c.from == r.at && (len(c.runs) == 0 && !c.whole() || p.aloneLeftLocked(r) || c.unproven()) {
			for _, o := range c.runs {
				o.helper = true
			}
			r.guest = len(c.runs) > 0
			p.moveLocked(r, c)
			return
		}
	}
	if first := p.firstLocked(); r.at < first && p.aloneLeftLocked(r) {
		p.moveLocked(r, &chunk{from: r.at, to: min(first, r.end), at: min(first, r.end)}) // written long ago: nothing of it counts
	}
}

func (p *plan) moveLocked(r *run, c *chunk) {
	r.chunk.runs = remove(r.chunk.runs, r)
	c.runs = append(c.runs, r)
	r.chunk = c
}

// firstLocked is where the chunks begin.
func (p *plan) firstLocked() int64 {
	if len(p.chunks) > 0 {
		return p.chunks[0].from
	}
	return p.next
}

// aloneLeftLocked says that a lead is all that is left, and cannot be asked again for what it passes by.
func (p *plan) aloneLeftLocked(r *run) bool {
	for _, s := range p.sources {
		if s.err == nil {
			return false
		}
	}
	return r.lead
}

// finish notes that a run ended.
func (p *plan) finish(r *run, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	r.chunk.runs = remove(r.chunk.runs, r)
	r.lane.source.leave(r, now)
	p.judgeLocked(r, err, now)
	p.dispatchLocked()
	p.news.Broadcast()
}
