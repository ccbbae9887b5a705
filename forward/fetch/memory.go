package fetch

import (
	"sync"
	"time"
)

// memory remembers facts for a while. The zero value works. When it is full the expired go, and if that is not enough,
// any.
type memory[V any] struct {
	mu    sync.Mutex
	facts map[string]fact[V]
}

type fact[V any] struct {
	value V
	until time.Time
}

// over says that its time has passed, by either clock: the program's own stands still while the machine sleeps, and the wall's may be put back.
func (f fact[V]) over(now time.Time) bool {
	return !now.Before(f.until) || !now.Round(0).Before(f.until.Round(0))
}

const (
	maxFacts = 20_000 // bounds a memory of names to a few megabytes
	maxGones = 2_000  // bounds a memory of names with the bodies of their 404s, up to maxGone each, to 32 MiB
)

// put remembers one fact more, of at most most.
func (m *memory[V]) put(key string, value V, now time.Time, life time.Duration, most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.facts == nil {
		m.facts = make(map[string]fact[V])
	}
	if len(m.facts) >= most {
		m.shrinkLocked(now, most*9/10)
	}
	m.facts[key] = fact[V]{value, now.Add(life)}
}

func (m *memory[V]) get(key string, now time.Time) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.facts[key]
	if !ok || f.over(now) {
		var none V
		return none, false
	}
	return f.value, true
}

func (m *memory[V]) drop(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.facts, key)
}

// shrinkLocked leaves at most left facts.
func (m *memory[V]) shrinkLocked(now time.Time, left int) {
	for key, f := range m.facts {
		if f.over(now) {
			delete(m.facts, key)
		}
	}
	for key := range m.facts {
		if len(m.facts) <= left {
			return
		}
		delete(m.facts, key)
	}
}
