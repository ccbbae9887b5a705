package mem

import (
	"errors"
	"io"
	"sync"
)

// pageSize is how much of a body is allocated at a time, in bytes: growing one slice would hold it twice.
const pageSize = 64 << 10

// body is bytes that grow while others read them.
type body struct {
	mu    sync.RWMutex
	pages [][]byte // all but the last are full
	size  int64
}

func (b *body) len() int64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.size
}

func (b *body) append(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.size += int64(len(p))
	for len(p) > 0 {
		last := len(b.pages) - 1
		if last < 0 || len(b.pages[last]) == pageSize {
			b.pages = append(b.pages, nil)
			last++
		}
		n := min(pageSize-len(b.pages[last]), len(p))
		b.pages[last] = append(b.pages[last], p[:n]...)
		p = p[n:]
	}
}

// ReadAt reads what there is; io.EOF at its end.
func (b *body) ReadAt(p []byte, off int64) (int, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if off < 0 {
		return 0, errors.New("an offset below zero")
	}
	n := 0
	for n < len(p) && off < b.size {
		k := copy(p[n:], b.pages[off/pageSize][off%pageSize:])
		n += k
		off += int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
