package split

import (
	"slices"
	"sync"
	"time"
)

const (
	blockSize = 64 << 10  // bytes that are moved at once
	slack     = 256 << 10 // bytes that may wait for Write without being counted, at the head of a job
	minChunk  = 256 << 10 // below it the round trips cost more than the balance brings
	maxChunk  = 8 << 20   // above it one slow connection holds up the others for too long
	unknown   = 512 << 10 // for a connection that was not measured yet
	chunkTime = time.Second
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
}

func (c *chunk) whole() bool { return c.at == c.to }

// add appends bytes that a source brought.
func (c *chunk) add(p []byte, s *source) {
	c.at += int64(len(p))
	c.queued += int64(len(p))
	for len(p) > 0 {
		last := len(c.blocks) - 1
		if last < 0 || c.blocks[last].source != s || len(c.blocks[last].data) == blockSize {
			c.blocks = append(c.blocks, block{(*buffers.Get().(*[blockSize]byte))[:0], s})
			last++
		}
		b := &c.blocks[last]
		n := min(len(p), blockSize-len(b.data))
		b.data = append(b.data, p[:n]...)
		p = p[n:]
	}
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
		buffers.Put((*[blockSize]byte)(b.data[:blockSize]))
	}
}

// orphanLocked is the earliest chunk that nobody brings, cut so that at most size bytes of it are missing. nil: there is
// none, or no room.
func (p *plan) orphanLocked(size int64) *chunk {
	for i, c := range p.chunks {
		if len(c.runs) > 0 || c.whole() {
			continue
		}
		if cut := c.at + size; c.to-cut >= minChunk {
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
	if left-size < minChunk/2 {
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
	size := int64(unknown)
	if rate := p.rateLocked(l); rate > 0 {
		size = int64(rate * max(chunkTime, 4*l.source.trip).Seconds())
	}
	size = min(size, maxChunk, (p.job.Size-p.next)/(2*lanes)) // the last ones get smaller, so that all end together
	size = min(max(size, minChunk), max(p.memory.limit()/(3*lanes), blockSize))
	return (size + blockSize - 1) / blockSize * blockSize
}
