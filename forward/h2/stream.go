package h2

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"
)

var (
	errDone  = errors.New("the handler of this HTTP/2 request has returned")
	errReset = gone("the client has cancelled this HTTP/2 request")
	errStuck = errors.New("the client takes nothing of this answer")
	errBody  = gone("the client has broken off its HTTP/2 request")
)

// gone is the error of a client that left. It is net.ErrClosed to errors.Is, as such errors of HTTP/1 connections are.
type gone string

func (g gone) Error() string        { return string(g) }
func (g gone) Is(target error) bool { return target == net.ErrClosed }

// stream is a request and its answer, from the head of the one to the end of the other. All fields are guarded by
// conn.mu but those that never change.
type stream struct {
	c       *conn
	id      uint32
	handled bool // a handler runs
	heard   bool // the client has sent all
	gone    bool // ended; nothing more is sent
	queued  bool // in a queue, or starved
	end     bool // after pending, and trailer, nothing follows
	moved   int  // conn.clock when something of it was last sent
	taken   bool // something was since writeBy was set
	window  int64
	block   []byte // header block to be sent; nil: it was
	pending []byte // body to be sent; whoever gave it must not touch it until it is gone
	trailer []byte // header block after the body; nil: none
	err     error  // why it ended; nil: it did not
	turn    sync.Cond
	cancel  context.CancelFunc // of the request; nil: there is no handler
	loan    *bodyBuffer        // what pending lies in; given back at the end
	body    body

	readBy, writeBy alarm
}

// long says that a stream takes turns.
func (st *stream) long() bool { return len(st.pending) > shortBody }

// openLocked begins a stream. heard: its client will send no body.
func (c *conn) openLocked(id uint32, heard bool) *stream {
	st := &stream{c: c, id: id, heard: heard, window: c.initialWindow, moved: c.clock}
	st.turn.L = &c.mu
	st.body.window, st.body.declared = streamWindow, -1
	if c.err == nil {
		c.streams[id] = st
	} else {
		st.err, st.gone = c.err, true
	}
	if !heard {
		c.uploads++
	}
	if c.leaving { // since the request was read: the farewell speaks of it as heard
		c.nc.SetReadDeadline(time.Time{})
	}
	c.served++
	return st
}

// dropLocked forgets a stream that has ended, and wakes who waits for it.
func (c *conn) dropLocked(st *stream, err error) {
	if st.gone {
		return
	}
	delete(c.streams, st.id)
	if i := slices.Index(c.starved, st); i >= 0 {
		c.starved = slices.Delete(c.starved, i, i+1)
	}
	c.hearLocked(st)
	st.gone, st.err = true, err
	st.block, st.pending, st.trailer = nil, nil, nil
	c.creditLocked(st.body.drop())
	st.readBy.stop()
	st.writeBy.stop()
	if !st.handled {
		st.repayLocked()
	}
	if st.cancel != nil {
		st.cancel()
	}
	st.turn.Broadcast()
	c.restLocked()
}

// repayLocked gives the buffer of an answer back to the pool.
func (st *stream) repayLocked() {
	if st.loan != nil {
		st.loan.free()
		st.loan = nil
	}
}

// hearLocked notes that the client sends no more of a body.
func (c *conn) hearLocked(st *stream) {
	if !st.heard {
		st.heard = true
		c.uploads--
	}
}

// cutLocked resets a stream.
func (c *conn) cutLocked(id uint32, why code, err error) {
	if c.err != nil {
		return
	}
	out := c.outLocked()
	out.b = appendReset(out.b, id, why)
	st := c.streams[id]
	if st == nil || !st.heard {
		c.rememberLocked(id)
	}
	if st != nil {
		c.dropLocked(st, err)
	}
}

// breakStream answers a client that broke the rules on one stream. To do so on purpose is a way to make work for us
// (made-you-reset).
func (c *conn) breakStream(e streamError) error {
	c.mu.Lock()
	idle := c.idleStreamLocked(e.id)
	if !idle {
		c.cutLocked(e.id, e.code, e)
	}
	c.mu.Unlock()
	if idle {
		return connError{e.code, e.why} // what was not begun cannot be reset (section 6.4)
	}
	return c.notice(costNotice)
}

// rememberLocked keeps the last streams that we ended before the client did: what it sent in the meantime is no fault.
func (c *conn) rememberLocked(id uint32) {
	c.cut[c.cutAt%len(c.cut)] = id
	c.cutAt++
}

func (c *conn) wasCutLocked(id uint32) bool {
	for _, known := range c.cut {
		if known == id {
			return true
		}
	}
	return false
}

// creditLocked lets the client send n bytes more, when enough have come together to be worth a frame.
func (c *conn) creditLocked(n int) {
	if c.credit += int64(n); c.credit >= connWindow/4 && c.err == nil {
		out := c.outLocked()
		out.b = appendWindow(out.b, 0, uint32(c.credit))
		c.recv += c.credit
		c.credit = 0
	}
}
