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
}

func newWatch(ctx context.Context, patience time.Duration) *watch {
	w := &watch{what: "no answer came", wait: patience}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(patience, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cancel(errLate{w.what, w.wait})
	})
	return w
}

// reset begins the wait anew, for what.
func (w *watch) reset(patience time.Duration, what string) {
	w.mu.Lock()
	w.what, w.wait = what, patience
	w.mu.Unlock()
	w.timer.Reset(patience)
}

// rest ends the wait: somebody else looks at the clock now.
func (w *watch) rest() { w.timer.Stop() }

func (w *watch) stop() {
	w.timer.Stop()
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
