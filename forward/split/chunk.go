package split

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

const (
	blockSize = 64 << 10  // bytes that are moved at once
	slack     = 256 << 10 // bytes that may wait for Write without being counted, at the head of a job
	minChunk  = 256 << 10 // below it the round trips cost more than the balance brings
	tinyChunk = 64 << 10  // the same when little is left: a slow connection must not get all of it
	crumb     = 16 << 10  // the same where many jobs share connections that bring no more than that in two round trips
	little    = 1 << 20   // bytes
	maxChunk  = 8 << 20   // above it one slow connection holds up the others for too long
	unknown   = 512 << 10 // for a connection that was not measured yet
	chunkTime = time.Second
	// morselTime is how long all connections together take for a chunk, where many jobs share them.
	morselTime = 50 * time.Millisecond
)

// chunk is a stretch of the object that one connection was asked for, in a race two. Its bytes arrive in order.
type chunk struct {
	from, to int64
	at       int64   // first byte that has not arrived
	blocks   []block // arrived, and not taken by the writer
	queued   int64   // bytes in blocks
	held     int64   // of Memory; 0: it is at the head, and its runs wait for the writer
	runs     []*run  // who is about to bring it; none: it waits for somebody
}

// block is bytes of one source.
type block struct {
	data   []byte
	source *source
	buffer *[blockSize]byte // given back when data is written; nil: the next block has its data in the same one
}

func (c *chunk) whole() bool { return c.at == c.to }

// unproven says that nothing has arrived, and that it was asked of sources alone that have never sent a range.
func (c *chunk) unproven() bool {
	return c.at == c.from && !slices.ContainsFunc(c.runs, func(r *run) bool { return r.lane.source.trip > 0 })
}

// add appends bytes that a source brought.
func (c *chunk) add(p []byte, s *source) {
	c.at += int64(len(p))
	c.queued += int64(len(p))
	for len(p) > 0 {
		last := len(c.blocks) - 1
		if last < 0 || c.blocks[last].source != s || len(c.blocks[last].data) == cap(c.blocks[last].data) {
			c.blocks = append(c.blocks, c.block(s))
			last++
		}
		b := &c.blocks[last]
		n := min(len(p), cap(b.data)-len(b.data))
		b.data = append(b.data, p[:n]...)
		p = p[n:]
	}
}

// block is an empty one, in what the last one left of its buffer: senders who race may take turns after each byte.
func (c *chunk) block(s *source) block {
	if last := len(c.blocks) - 1; last >= 0 {
		if b := &c.blocks[last]; len(b.data) < cap(b.data) {
			buffer := b.buffer
			b.buffer = nil
			return block{b.data[len(b.data):], s, buffer}
		}
	}
	buffer := buffers.Get().(*[blockSize]byte)
	return block{buffer[:0], s, buffer}
}

// take gives all blocks to the writer.
func (c *chunk) take() []block {
	blocks := c.blocks
	c.blocks, c.queued = nil, 0
	return blocks
}

var buffers = sync.Pool{New: func() any { return new([blockSize]byte) }}

func recycle(blocks []block) {
	for _, b := range blocks {
		if b.buffer != nil {
			buffers.Put(b.buffer)
		}
	}
}

// orphanLocked is the earliest chunk that nobody brings, cut so that at most size bytes of it are missing. nil: there is
// none, or no room.
func (p *plan) orphanLocked(size int64) *chunk {
	for i, c := range p.chunks {
		if len(c.runs) > 0 || c.whole() {
			continue
		}
		if cut := c.at + size; c.to-cut >= min(size, minChunk) {
			p.chunks = slices.Insert(p.chunks, i+1, p.splitLocked(c, cut))
		}
		if !p.roomLocked(c) {
			return nil
		}
		return c
	}
	return nil
}

// splitLocked cuts off the end of a chunk, for which nothing has arrived.
func (p *plan) splitLocked(c *chunk, cut int64) *chunk {
	rest := &chunk{from: cut, to: c.to, at: cut}
	if c.held > 0 {
		rest.held = rest.to - rest.from
		c.held -= rest.held
	}
	c.to = cut
	return rest
}

// freshLocked begins a new chunk of about size bytes behind all others. nil: all are given away, or there is no room.
func (p *plan) freshLocked(size int64) *chunk {
	left := p.job.Size - p.next
	if left == 0 {
		return nil
	}
	if left-size < min(size, minChunk)/2 {
		size = left
	}
	c := &chunk{from: p.next, to: p.next + size, at: p.next}
	p.chunks = append(p.chunks, c)
	if !p.roomLocked(c) {
		p.chunks = p.chunks[:len(p.chunks)-1]
		return nil
	}
	p.next += size
	return c
}

// tailLocked is the end of what the lead is about to bring, if it will not be there before this lane could have brought it.
// nil: it will.
func (p *plan) tailLocked(l *lane, size int64) *chunk {
	i := slices.IndexFunc(p.chunks, func(c *chunk) bool { return len(c.runs) == 1 && c.runs[0].lead && c.runs[0].end > c.at })
	if !p.tailed() || i < 0 {
		return nil
	}
	c, lead := p.chunks[i], p.chunks[i].runs[0]
	left, now := c.to-c.at, time.Now()
	remains := max(p.remainsLocked(lead, left, 0, now), hesitation.Seconds())
	size = min(size, left/2/crumb*crumb)
	if size < p.grainLocked(float64(left)/remains) || p.spareLocked(lead, now) {
		return nil
	}
	kept := remains * float64(left-size) / float64(left)
	if kept <= slower*p.soonLocked(l, size)+hesitation.Seconds() {
		return nil // what the lead has under way when it is ended would come for nothing
	}
	tail := p.splitLocked(c, c.to-size)
	p.chunks = slices.Insert(p.chunks, i+1, tail)
	if !p.roomLocked(tail) {
		p.chunks = slices.Delete(p.chunks, i+1, i+2)
		c.to = tail.to
		return nil
	}
	return tail
}

// roomLocked sees to it that the bytes of a chunk may wait. Those at the head need no room: that is how a job goes on when
// there is none.
func (p *plan) roomLocked(c *chunk) bool {
	if c.held > 0 || p.headLocked(c) {
		return true
	}
	n := c.to - c.from
	if !p.memory.reserve(p.held, n) {
		return false
	}
	c.held = n
	p.held += n
	return true
}

// headLocked says that all before a chunk has arrived.
func (p *plan) headLocked(c *chunk) bool {
	for _, before := range p.chunks {
		if before == c {
			return true
		}
		if !before.whole() {
			return false
		}
	}
	return false
}

// fullLocked says that a chunk gets no more bytes before the writer took some: it has no room in Memory, and what is allowed
// without is used up, perhaps by the chunks before it.
func (p *plan) fullLocked(c *chunk) bool {
	if c.held > 0 || c.whole() {
		return false
	}
	free := int64(0)
	for _, before := range p.chunks {
		if before.held == 0 {
			free += before.queued
		}
		if before == c {
			break
		}
	}
	return free >= slack
}

// releaseLocked gives back the room of n bytes of a chunk.
func (p *plan) releaseLocked(c *chunk, n int64) {
	n = min(n, c.held)
	c.held -= n
	p.held -= n
	p.memory.release(n)
}

// sizeLocked is how many bytes a lane should be asked for at once.
func (p *plan) sizeLocked(l *lane) int64 {
	lanes := int64(max(1, p.activeLocked()))
	if p.aloneLocked(l.source) {
		return p.job.Size // one stream, no round trips
	}
	if p.shared() {
		return p.morselLocked()
	}
	size := int64(unknown)
	if rate := p.rateLocked(l); rate > 0 {
		size = int64(rate * max(chunkTime, 4*l.source.trip).Seconds())
	}
	if !l.used {
		size = min(size, unknown) // it starts slowly, and may get nothing of what others share
	}
	size = min(size, maxChunk, int64(float64(p.restLocked())/2*p.shareLocked(l))) // the last ones get smaller, so that all end together
	size = min(max(size, p.smallestLocked(l)), max(p.memory.limit()/(3*lanes), blockSize))
	return (size + blockSize - 1) / blockSize * blockSize
}

// morselLocked is sizeLocked where lanes are no connections: so little that it is never long until the next one can go to
// whichever is the fastest then.
func (p *plan) morselLocked() int64 {
	rate := 0.0
	for _, l := range p.lanes {
		rate += l.meter.mean()
	}
	size := min(max(int64(rate*morselTime.Seconds()), unknown), maxChunk, p.memory.limit()/(3*int64(max(1, len(p.lanes)))))
	size = min(size, max(p.restLocked()/4, p.grainLocked(p.usualLocked())))
	return max(size, crumb) / crumb * crumb
}

// grainLocked is the least that is asked for where many jobs share connections of a rate, in bytes a second: what one of them
// brings in two round trips is on its way when it is ended, and would come for nothing. tinyChunk if that is not known.
func (p *plan) grainLocked(rate float64) int64 {
	two := int64(2 * max(p.farthestLocked(), p.sources[0].Trip).Seconds() * rate)
	if two == 0 {
		return tinyChunk
	}
	return min(max(two, crumb), tinyChunk) / crumb * crumb
}

// restLocked is how many bytes nobody is asked for, or only the lead.
func (p *plan) restLocked() int64 {
	rest := p.job.Size - p.next
	for _, c := range p.chunks {
		if p.tailed() && (len(c.runs) == 0 || len(c.runs) == 1 && c.runs[0].lead) {
			rest += c.to - c.at
		}
	}
	return rest
}

// shareLocked is how much a lane brings of what all lanes bring together, from 0 to 1.
func (p *plan) shareLocked(l *lane) float64 {
	sum, usual := 0.0, p.usualLocked()
	for _, o := range p.lanes {
		sum += cmp.Or(p.rateLocked(o), usual)
	}
	own := cmp.Or(p.rateLocked(l), usual)
	if own == 0 || sum < own {
		return 1 / float64(max(1, len(p.lanes)))
	}
	return own / sum
}

// smallestLocked is what a lane should be asked for at least. When little is left, that is what it brings in two round
// trips.
func (p *plan) smallestLocked(l *lane) int64 {
	if p.restLocked() >= little {
		return minChunk
	}
	return min(max(int64(2*p.rateLocked(l)*l.source.trip.Seconds()), tinyChunk), minChunk)
}
