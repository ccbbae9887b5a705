package split

import (
	"cmp"
	"sync"
)

// ownMemory is enough to keep 1 Gbit/s waiting for a quarter of a second, or three slow mirrors for many.
const ownMemory = 32 << 20

// Memory bounds the bytes that wait out of order, in all jobs that share it. The zero value works. What is handed over at
// once is not counted: up to half a megabyte a job, so that each job can go on even when others hold everything.
type Memory struct {
	Limit int64 // bytes; 0: 32 MiB

	mu   sync.Mutex
	held int64
}

// reserve takes n bytes for a job that holds own already. A job gets at most twice what stays free, so that the next one
// finds room, too.
func (m *Memory) reserve(own, n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if left := m.limit() - m.held - n; left < 0 || own+n > 2*left {
		return false
	}
	m.held += n
	return true
}

func (m *Memory) release(n int64) {
	m.mu.Lock()
	m.held -= n
	m.mu.Unlock()
}

func (m *Memory) limit() int64 { return cmp.Or(m.Limit, ownMemory) }
