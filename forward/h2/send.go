package h2

import (
	"runtime"
	"sync"
	"time"
)

const (
	// outGoal is how many bytes are gathered for one write: eight TLS records.
	outGoal = 128 << 10
	// outRoom is the size of the buffer: the goal may be missed by a frame.
	outRoom = outGoal + 2*maxFrame
	// outMost is where whoever adds control frames has to wait: a client that asks and does not listen.
	outMost = 2 * outGoal
	// shortBody is an answer that is not made to take turns.
	shortBody = maxFrame
	// shortRun is how many bytes short answers may take before a long one has its turn.
	shortRun = 64 << 10
)

// sender is the part of a connection that writes. All is guarded by conn.mu.
type sender struct {
	out      *outBuffer // frames to be written; nil: none
	queue    queue      // streams that have something to send
	starved  []*stream  // open ones that wait for the window of the connection
	writing  bool       // somebody writes, and will look for more before it stops
	deadline time.Time  // of writes, as it was last set
	drained  sync.Cond  // out was written, or the connection failed
}

func (s *sender) init(c *conn) { s.drained.L = &c.mu }

// outBuffer is frames in the order of their sending.
type outBuffer struct{ b []byte }

var outBuffers = sync.Pool{New: func() any { return &outBuffer{make([]byte, 0, outRoom)} }}

func (o *outBuffer) free() {
	if cap(o.b) <= 2*outRoom {
		o.b = o.b[:0]
		outBuffers.Put(o)
	}
}

// outLocked is where frames are added.
func (s *sender) outLocked() *outBuffer {
	if s.out == nil {
		s.out = outBuffers.Get().(*outBuffer)
	}
	return s.out
}

// releaseLocked forgets what will never be written.
func (s *sender) releaseLocked() {
	s.out, s.queue, s.starved = nil, queue{}, nil
}

// idleLocked says that there is nothing to write.
func (s *sender) idleLocked() bool { return (s.out == nil || len(s.out.b) == 0) && s.queue.empty() }

// settle writes what there is, on the goroutine that reads.
func (c *conn) settle() {
	c.mu.Lock()
	c.settleLocked()
	c.mu.Unlock()
}

// settleLocked writes once. While a client is sending a body it may not be able to read, so that somebody has to go on
// reading what it sends: then a goroutine writes.
func (c *conn) settleLocked() {
	if c.writing || c.idleLocked() || c.err != nil {
		return
	}
	if c.uploads > 0 {
		c.kickLocked()
		return
	}
	c.writing = true
	c.pumpLocked(1)
}

// kickLocked sees to it that what was added is written, by another goroutine.
func (c *conn) kickLocked() {
	if !c.writing && !c.idleLocked() && c.err == nil {
		c.writing = true
		go c.pump()
	}
}

// pump writes until nothing is left. Others that are about to add something are let go first. writing must be set.
func (c *conn) pump() {
	runtime.Gosched()
	c.mu.Lock()
	c.pumpLocked(1 << 30)
	c.mu.Unlock()
}

// pumpLocked writes so many times, and leaves the rest to another goroutine.
func (c *conn) pumpLocked(times int) {
	for ; c.err == nil; times-- {
		c.gatherLocked()
		if c.out == nil || len(c.out.b) == 0 {
			break
		}
		if times == 0 {
			go c.pump()
			return
		}
		out := c.out
		c.out = nil
		c.extendLocked()
		c.mu.Unlock()
		err := c.write(out.b)
		out.free()
		c.mu.Lock()
		if err != nil {
			c.failLocked(err)
			c.snap()
		}
		c.drained.Broadcast()
	}
	c.writing = false
	c.drained.Broadcast()
}

// extendLocked sets the deadline of writes anew when a quarter of it has passed, since setting it costs as much as
// encrypting a small answer.
func (c *conn) extendLocked() {
	wait := or(c.server.WriteTimeout, defaultWriteWait)
	if now := time.Now(); c.deadline.Sub(now) < wait {
		c.deadline = now.Add(wait + wait/4)
		c.nc.SetWriteDeadline(c.deadline)
	}
}

// write hands frames to TLS, which makes records of them. Several records go to the kernel together if there is a cork.
func (c *conn) write(p []byte) error {
	if c.cork == nil || len(p) <= maxFrame {
		_, err := c.nc.Write(p)
		return err
	}
	c.cork.Hold()
	_, err := c.nc.Write(p)
	if e := c.cork.Release(); err == nil {
		err = e
	}
	return err
}

// gatherLocked takes from the streams, in turns, until there is enough for one write.
func (c *conn) gatherLocked() {
	if c.queue.empty() {
		return
	}
	out := c.outLocked()
	short := 0
	for len(out.b) < outGoal {
		st := c.queue.pop(short < shortRun)
		if st == nil {
			return
		}
		if st.gone {
			continue
		}
		before, long := len(out.b), st.long()
		c.serveLocked(st, out)
		if short += len(out.b) - before; long {
			short = 0
		}
	}
}

// serveLocked sends one turn's worth of a stream, and queues it again if it has more to send and leave to send it.
func (c *conn) serveLocked(st *stream, out *outBuffer) {
	if st.block != nil {
		out.b = appendBlock(out.b, st.id, st.end && len(st.pending) == 0 && st.trailer == nil, c.tableUpdateLocked(), st.block)
		st.block = nil
		if st.end && len(st.pending) == 0 && st.trailer == nil {
			c.sentLocked(st, out)
			return
		}
	}
	if n := int(min(int64(len(st.pending)), maxFrame, st.window, c.window)); n > 0 {
		last := n == len(st.pending) && st.end && st.trailer == nil
		flags := uint8(0)
		if last {
			flags = flagEndStream
		}
		out.b = append(appendHead(out.b, frameData, flags, st.id, n), st.pending[:n]...)
		st.pending = st.pending[n:]
		st.window -= int64(n)
		c.window -= int64(n)
		st.moved, st.taken = c.clock, true
		if last {
			c.sentLocked(st, out)
			return
		}
	}
	switch {
	case len(st.pending) == 0 && st.end:
		c.endLocked(st, out)
	case len(st.pending) == 0:
		st.pending = nil
		st.turn.Broadcast()
	case st.window > 0 && c.window > 0:
		c.queueLocked(st)
	case st.window > 0:
		st.queued = true
		c.starved = append(c.starved, st)
	}
}

// endLocked ends a stream whose last frame was not known to be the last.
func (c *conn) endLocked(st *stream, out *outBuffer) {
	if st.trailer != nil {
		out.b = appendBlock(out.b, st.id, true, c.tableUpdateLocked(), st.trailer)
	} else {
		out.b = appendHead(out.b, frameData, flagEndStream, st.id, 0)
	}
	c.sentLocked(st, out)
}

// sentLocked forgets a stream that we ended. If the client still sends a body, it is told that nobody reads it (section
// 8.1).
func (c *conn) sentLocked(st *stream, out *outBuffer) {
	if !st.heard {
		out.b = appendReset(out.b, st.id, codeNone)
		c.rememberLocked(st.id)
	}
	c.dropLocked(st, errDone)
}

// queueLocked lets a stream send when its turn comes.
func (c *conn) queueLocked(st *stream) {
	st.queued = true
	c.queue.push(st)
}

// feedLocked lets those go on that waited for the window of the connection.
func (c *conn) feedLocked() {
	for i, st := range c.starved {
		c.starved[i] = nil
		c.queue.push(st)
	}
	c.starved = c.starved[:0]
}

func (c *conn) tableUpdateLocked() []byte {
	update := c.tableUpdate
	c.tableUpdate = nil
	return update
}
