package h2

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
)

// run calls the handler and ends the answer.
func (w *response) run(h http.Handler, r *http.Request) {
	c := w.st.c
	defer c.handlers.Done()
	whole := false
	defer func() {
		if whole {
			return
		}
		// recover is nil when the handler called runtime.Goexit.
		if v := recover(); v != nil && v != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
			c.server.complain("http2: panic serving %v: %v\n%s", c.remote, v, debug.Stack())
		}
		w.finish(false)
	}()
	h.ServeHTTP(w, r)
	whole = true
	w.finish(true)
}

// finish sends what is left and ends the stream. whole: the handler returned as it should.
func (w *response) finish(whole bool) {
	w.mu.Lock()
	if whole && w.status == 0 {
		w.decide(http.StatusOK)
	}
	w.done = true
	w.answered.Store(true)
	var p []byte
	if w.buffer != nil {
		p = w.buffer.b
	}
	short := mayHaveBody(w.status) && !w.head && w.declared >= 0 && w.written != w.declared
	if whole = whole && !short; whole && !w.sent {
		w.complete(p, int(w.written))
	}
	if w.head {
		p = nil
	}
	w.mu.Unlock()
	w.hand(whole, p)
}

// hand gives the rest of the answer to the connection. The goroutine, which has nothing else to do, writes it if nobody
// else does.
func (w *response) hand(whole bool, p []byte) {
	st := w.st
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	st.handled, st.moved = false, c.clock
	st.loan, w.buffer = w.buffer, nil
	st.cancel()
	st.cancel = nil
	st.closeBodyLocked()
	switch {
	case st.gone:
		st.repayLocked()
	case !whole:
		c.cutLocked(st.id, codeInternal, errDone)
	default:
		if !w.sent {
			st.block = w.block
		}
		st.pending, st.end = p, true
		st.trailer = w.trailerBlock()
		c.queueLocked(st)
	}
	if c.writing || c.idleLocked() || c.err != nil {
		return
	}
	c.writing = true
	c.mu.Unlock()
	runtime.Gosched() // other handlers may be about to finish, too
	c.mu.Lock()
	c.pumpLocked(1 << 30)
}

// trailerBlock is the fields after the body; nil: none.
func (w *response) trailerBlock() []byte {
	var block []byte
	for _, name := range w.trailers {
		for _, v := range w.header[name] {
			block = AppendField(block, name, v)
		}
	}
	for name, values := range w.header {
		if rest, ok := strings.CutPrefix(name, http.TrailerPrefix); ok && mayTrail(http.CanonicalHeaderKey(rest)) {
			for _, v := range values {
				block = AppendField(block, rest, v)
			}
		}
	}
	return block
}
