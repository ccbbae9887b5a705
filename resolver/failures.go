package resolver

import (
	"sync"
	"time"
)

const (
	// firstFailure and lastFailure bound how long a question that failed is not asked again (RFC 9520, 3.2).
	firstFailure = time.Second
	lastFailure  = 30 * time.Second
	// maxFailures bounds the memory: about 1 MB.
	maxFailures = 4096
)

// failures remembers the questions that no upstream could answer, by key. The zero value has none.
type failures struct {
	mu sync.Mutex
	by map[string]failure
}

type failure struct {
	rcode byte
	until time.Time // not asked before
	wait  time.Duration
}

// over says whether f no longer matters, not even for how long the next one is remembered. A clock that went back ends
// it too.
func (f failure) over(now time.Time) bool {
	return now.Sub(f.until) > f.wait || f.until.Sub(now) > f.wait
}

// recent returns the rcode of a failure that is still remembered.
func (f *failures) recent(key []byte, now time.Time) (rcode byte, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, ok := f.by[string(key)]
	return known.rcode, ok && now.Before(known.until) && !known.over(now)
}

// add remembers a failure, for twice as long as the one just before it.
func (f *failures) add(key []byte, rcode byte, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = map[string]failure{}
	}
	wait := firstFailure
	if known, ok := f.by[string(key)]; ok && !known.over(now) {
		wait = min(2*known.wait, lastFailure)
	} else if len(f.by) >= maxFailures {
		f.makeRoomLocked(now)
	}
	f.by[string(key)] = failure{rcode: rcode, until: now.Add(wait), wait: wait}
}

func (f *failures) makeRoomLocked(now time.Time) {
	for key, known := range f.by {
		if known.over(now) {
			delete(f.by, key)
		}
	}
	if len(f.by) >= maxFailures {
		clear(f.by)
	}
}

func (f *failures) forget(key []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.by, string(key))
}

func (f *failures) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.by)
}
