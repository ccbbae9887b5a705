package h2

import (
	"os"
	"time"
)

// alarm is a deadline of a stream: when it passes, the stream is reset.
type alarm struct {
	at    time.Time // zero: none
	timer *time.Timer
}

// setLocked changes the deadline; ring is called when it passes.
func (a *alarm) setLocked(t time.Time, ring func()) {
	a.at = t
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

// SetWriteDeadline is for http.ResponseController. When it passes, the stream is reset.
func (w *response) SetWriteDeadline(t time.Time) error {
	st := w.st
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.gone {
		return st.err
	}
	st.writeBy.setLocked(t, st.writeLate)
	return nil
}

// writeLate resets a stream whose deadline has passed.
func (st *stream) writeLate() {
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.writeBy.due() && !st.gone {
		c.cutLocked(st.id, codeInternal, os.ErrDeadlineExceeded)
		c.kickLocked()
	}
}
