package logbook

import (
	"io"
	"time"
)

// Late hands lines on to a writer that may block for ever, a terminal that was stopped with Ctrl-S for instance,
// without waiting for it. Lines that have no room are lost.
type Late struct {
	lines chan []byte
	done  chan struct{}
}

// lateLines is how many lines wait at most, and lateTime how long Close waits for them.
const (
	lateLines = 64
	lateTime  = time.Second
)

// NewLate writes to out. Close it in the end.
func NewLate(out io.Writer) *Late {
	w := &Late{lines: make(chan []byte, lateLines), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for line := range w.lines {
			_, _ = out.Write(line) // there is nowhere to say that nobody hears
		}
	}()
	return w
}

// Write never fails and never waits.
func (w *Late) Write(line []byte) (int, error) {
	select {
	case w.lines <- append([]byte(nil), line...):
	default:
	}
	return len(line), nil
}

// Close waits a moment for what is still to be written. Nothing may be written afterwards.
func (w *Late) Close() error {
	close(w.lines)
	select {
	case <-w.done:
	case <-time.After(lateTime):
	}
	return nil
}
