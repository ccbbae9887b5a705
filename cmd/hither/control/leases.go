package control

import "sync"

// leases counts who needs this process to stay. The zero value has none.
type leases struct {
	mu      sync.Mutex
	taken   int
	closing bool
	empty   chan struct{} // closed when closing and none is taken; nil before drain
}

// take returns false if no more are given.
func (l *leases) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.taken++
	return true
}

func (l *leases) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken--
	if l.closing && l.taken == 0 {
		close(l.empty)
	}
}

// drain gives no more leases; the channel is closed when the last one is back. It may be called again.
func (l *leases) drain() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closing {
		l.closing, l.empty = true, make(chan struct{})
		if l.taken == 0 {
			close(l.empty)
		}
	}
	return l.empty
}
