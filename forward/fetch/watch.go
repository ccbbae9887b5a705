package fetch

import (
	"context"
	"sync"
	"time"
)

// watch ends a context when nothing happened for a while.
type watch struct {
	ctx    context.Context //nolint:containedctx // it is what the watch is about
	cancel context.CancelCauseFunc
	timer  *time.Timer

	mu   sync.Mutex
	what string
	wait time.Duration
	// spare is asked when the wait is over, and that has been extended for so long already (0: not yet), by how much more it shall be, and whether
	// that is the last time. nil, or 0: it is over.
	spare  func(extended time.Duration) (more time.Duration, last bool)
	over   time.Time // when spare was first asked in this wait; zero: not yet
	last   bool
	begins int // how often a wait began
}

func newWatch(ctx context.Context, patience time.Duration) *watch {
	w := &watch{what: "no answer came", wait: patience}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(patience, w.end)
	return w
}

// end is when a wait is over.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.spare != nil && !w.last {
		this, spare, extended := w.begins, w.spare, w.extendedLocked()
		if extended == 0 {
			w.over = time.Now()
		}
		w.mu.Unlock()
		more, last := spare(extended)
		w.mu.Lock()
		if this != w.begins { // something happened meanwhile
			return
		}
		if w.last = last; more > 0 {
			w.timer.Reset(more)
			return
		}
	}
	w.cancel(errLate{w.what, w.wait})
}

// reset begins the wait anew, for what.
func (w *watch) reset(patience time.Duration, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.what, w.wait, w.over, w.last = what, patience, time.Time{}, false
	w.begins++
	w.timer.Reset(patience)
}

// extended is for how long this wait was extended.
func (w *watch) extended() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.extendedLocked()
}

func (w *watch) extendedLocked() time.Duration {
	if w.over.IsZero() {
		return 0
	}
	return max(time.Since(w.over), 1)
}

// spares has spare asked from now on.
func (w *watch) spares(spare func(extended time.Duration) (more time.Duration, last bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spare = spare
}

// rest ends the wait: somebody else looks at the clock now.
func (w *watch) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begins++
	w.timer.Stop()
}

func (w *watch) stop() {
	w.rest()
	w.cancel(nil)
}

// slots bounds how many transfers run at once. The zero value works.
type slots struct {
	once sync.Once
	free chan struct{}
}

// maxTransfers is more than any client opens, with what is fetched ahead for it and what authorities are asked beside, and
// less than the file descriptors a process may have.
const maxTransfers = 320

// take waits for a slot and returns how to give it back.
func (s *slots) take(ctx context.Context) (release func()) {
	s.once.Do(s.make)
	select {
	case s.free <- struct{}{}:
		return s.giveBack
	case <-ctx.Done():
		return func() {}
	}
}

// try takes a slot if one is free.
func (s *slots) try() (release func(), ok bool) {
	s.once.Do(s.make)
	select {
	case s.free <- struct{}{}:
		return s.giveBack, true
	default:
		return nil, false
	}
}

func (s *slots) make()     { s.free = make(chan struct{}, maxTransfers) }
func (s *slots) giveBack() { <-s.free }
