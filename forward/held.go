package forward

import (
	"context"
	"io"
	"sync"
)

// held is what has to be closed when the server ends. The zero value is empty and open.
type held struct {
	mu     sync.Mutex
	closed bool
	items  map[io.Closer]struct{}
	work   sync.WaitGroup
}

// during holds c while f runs. After close it closes c, runs nothing, and returns false.
func (h *held) during(c io.Closer, f func()) bool {
	if !h.add(c) {
		return false
	}
	defer h.remove(c)
	f()
	return true
}

// start is during in a goroutine that close waits for.
func (h *held) start(c io.Closer, f func()) {
	if !h.add(c) {
		return
	}
	go func() {
		defer h.remove(c)
		f()
	}()
}

// add is for what ends by itself and calls remove then.
func (h *held) add(c io.Closer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		c.Close()
		return false
	}
	if h.items == nil {
		h.items = make(map[io.Closer]struct{})
	}
	h.items[c] = struct{}{}
	h.work.Add(1)
	return true
}

func (h *held) remove(c io.Closer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.items[c]; ok {
		delete(h.items, c)
		h.work.Done()
	}
}

func (h *held) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// drain takes nothing more and waits until its users have let go of what it has. When ctx ends it closes what is left.
func (h *held) drain(ctx context.Context) {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	defer context.AfterFunc(ctx, h.close)()
	h.work.Wait()
}

// close closes everything and waits until its users have let go of it.
func (h *held) close() {
	h.mu.Lock()
	h.closed = true
	items := make([]io.Closer, 0, len(h.items))
	for c := range h.items {
		items = append(items, c)
	}
	h.mu.Unlock()
	for _, c := range items {
		c.Close()
	}
	h.work.Wait()
}
