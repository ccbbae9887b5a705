package fetch

import (
	"sync"
	"time"
)

// memory remembers facts for a while. The zero value works. It holds at most maxFacts; when it is full the expired go,
// and if that is not enough, any.
type memory[V any] struct {
	mu    sync.Mutex
	facts map[string]fact[V]
}

type fact[V any] struct {
	value V
	until time.Time
}

// maxFacts bounds one memory to a few megabytes.
const maxFacts = 20_000

func (m *memory[V]) put(key string, value V, now time.Time, life time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.facts == nil {
		m.facts = make(map[string]fact[V])
	}
	if len(m.facts) >= maxFacts {
		m.shrinkLocked(now)
	}
	m.facts[key] = fact[V]{value, now.Add(life)}
}

func (m *memory[V]) get(key string, now time.Time) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.facts[key]
	if !ok || !now.Before(f.until) {
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

// shrinkLocked makes room for at least a tenth of the whole.
func (m *memory[V]) shrinkLocked(now time.Time) {
	for key, f := range m.facts {
		if !now.Before(f.until) {
			delete(m.facts, key)
		}
	}
	for key := range m.facts {
		if len(m.facts) <= maxFacts*9/10 {
			return
		}
		delete(m.facts, key)
	}
}
