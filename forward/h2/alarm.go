package h2

import (
	"os"
	"time"
)

// alarm is a deadline of a stream: when it passes, the stream is reset.
type alarm struct {
	at    time.Time     // zero: none
	wait  time.Duration // until then, when it was set
	timer *time.Timer
}

// setLocked changes the deadline; ring is called when it passes.
func (a *alarm) setLocked(t time.Time, ring func()) {
	a.at, a.wait = t, time.Until(t)
	switch {
	case t.IsZero():
		a.stop()
	case a.timer == nil:
		a.timer = time.AfterFunc(time.Until(t), ring)
	default:
		a.timer.Reset(time.Until(t))
	}
}

// due says whether the deadline has passed: a timer may have fired just before it was set again.
func (a *alarm) due() bool { return !a.at.IsZero() && !time.Now().Before(a.at) }

func (a *alarm) stop() {
	a.at = time.Time{}
	if a.timer != nil {
		a.timer.Stop()
	}
}

// SetReadDeadline is for http.ResponseController. Reading fails from then on; the answer can still be sent.
func (w *response) SetReadDeadline(t time.Time) error {
	st := w.st
	st.c.mu.Lock()
	defer st.c.mu.Unlock()
	if st.gone {
		return st.err
	}
	st.readBy.setLocked(t, st.readLate)
	return nil
}

// readLate wakes a reader whose deadline may have passed.
func (st *stream) readLate() {
	st.c.mu.Lock()
	defer st.c.mu.Unlock()
	st.turn.Broadcast()
}

// SetWriteDeadline is for http.ResponseController. When it passes, the stream is reset, unless the client took something of
// the answer since it was set: then it has as long again.
func (w *response) SetWriteDeadline(t time.Time) error {
	st := w.st
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.gone {
		return st.err
	}
	st.taken = false
	st.writeBy.setLocked(t, st.writeLate)
	return nil
}

// writeLate resets a stream whose deadline has passed, if nothing of it was sent since. One that only waits for its turn has time:
// the connection, whose write is under way, has a deadline of its own.
func (st *stream) writeLate() {
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	waits := c.writing && st.window > 0 && c.window > 0
	switch {
	case !st.writeBy.due() || st.gone:
	case (st.taken || waits) && st.writeBy.wait > 0:
		st.taken = false
		st.writeBy.setLocked(time.Now().Add(st.writeBy.wait), st.writeLate)
	default:
		c.cutLocked(st.id, codeInternal, os.ErrDeadlineExceeded)
		c.kickLocked()
	}
}
