package mirrors

import (
	"cmp"
	"context"
	"sync"
	"time"

	"hither/forward/measure"
)

const (
	// turnTell is how often one who waits for his turn hears that he still does.
	turnTell = 10 * time.Second
	// restUsual is for an upstream that asks to be left alone and does not say for how long, and restMost for one that
	// says for days: a person who measures wants to know whether it is back.
	restUsual, restMost = time.Minute, time.Hour
)

// Turns lets one round of measurements be under way at a time, of all surveys, so that they do not measure each other. The
// zero value works.
type Turns struct {
	once sync.Once
	slot chan struct{}
}

// take waits for a turn, in the order of coming, and returns what ends it. It calls waiting from time to time. Its error is
// that of ctx.
func (t *Turns) take(ctx context.Context, waiting func()) (over func(), err error) {
	t.once.Do(func() { t.slot = make(chan struct{}, 1) })
	tell := time.NewTicker(turnTell)
	defer tell.Stop()
	for {
		select {
		case t.slot <- struct{}{}:
			return func() { <-t.slot }, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tell.C:
			waiting()
		}
	}
}

// Pauses remembers who asked to be left alone, for surveys ask again and again. The zero value works.
type Pauses struct {
	mu    sync.Mutex
	until map[string]time.Time // by base
}

// note remembers what a measurement came to.
func (p *Pauses) note(result measure.Result) {
	if result.Outcome != measure.Limited {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for base, until := range p.until { // rule files may change without end
		if !time.Now().Before(until) {
			delete(p.until, base)
		}
	}
	if p.until == nil {
		p.until = map[string]time.Time{}
	}
	p.until[result.Base] = time.Now().Add(min(cmp.Or(result.RetryAfter, restUsual), restMost))
}

// has says that an upstream is not to be asked now.
func (p *Pauses) has(base string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.until[base])
}
