package memory

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"hither/cache"
)

// Quiet gives memory back when clients have been quiet for a while. Go itself keeps what a large download has used, for it
// collects only while something is allocated, or after minutes. Make it with NewQuiet.
type Quiet struct {
	rest    func(context.Context) error // gives back what calms gives time for
	log     *slog.Logger
	stirred atomic.Bool   // since it was last looked at
	woken   chan struct{} // of size 1: somebody stirred after a rest
}

// NewQuiet is for a store that may have a Rest of its own.
func NewQuiet(store cache.Store, log *slog.Logger) *Quiet {
	q := &Quiet{rest: resting(store), log: log, woken: make(chan struct{}, 1)}
	q.Stir() // to open a store takes memory, too
	return q
}

// calms is how long nobody must stir until memory is given back, and until that is done once more: answers that lie ready,
// and connections, are kept for some time after their last use.
func calms() []time.Duration { return []time.Duration{4 * time.Second, 2 * time.Minute} }

// Stir says that there is something to do. It costs next to nothing, and may be called from many goroutines.
func (q *Quiet) Stir() {
	if q.stirred.Load() || q.stirred.Swap(true) {
		return
	}
	select {
	case q.woken <- struct{}{}:
	default: // it has been told
	}
}

// Run rests after each time of stirring, until ctx ends. While nobody stirs, it does not wake up.
func (q *Quiet) Run(ctx context.Context) error {
	for done := len(calms()); ctx.Err() == nil; {
		if !q.calm(ctx, done) {
			done = 0
			continue
		}
		if err := q.rest(ctx); err != nil && ctx.Err() == nil {
			q.log.Debug("memory is not given back", "err", err)
		}
		done++
	}
	return nil
}

// calm waits for a time in which nobody stirs, the one that comes after so many; with none left, for ever. False: somebody
// stirred, or ctx has ended.
func (q *Quiet) calm(ctx context.Context, done int) bool {
	var over <-chan time.Time
	if done < len(calms()) {
		timer := time.NewTimer(calms()[done])
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-q.woken:
		return false
	case <-over:
		return !q.stirred.Swap(false)
	}
}

// resting collects twice, because what lies in a pool outlives the first time.
func resting(store cache.Store) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		if mapped, ok := store.(interface{ Rest(context.Context) error }); ok {
			err = mapped.Rest(ctx)
		}
		runtime.GC()
		debug.FreeOSMemory()
		return err
	}
}
