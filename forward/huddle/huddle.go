// Package huddle lets small writes to a connection that follow each other closely leave together.
//
//	transport.DialContext = huddle.Gathering(dialer.DialContext)
package huddle

import (
	"context"
	"net"
	"sync"
	"time"
)

const (
	// calm is for how long nothing was written before a write goes out at once: it is no part of a burst.
	calm = time.Millisecond
	// huddled is how long the others wait for more.
	huddled = 300 * time.Microsecond
	// crowd is from how many bytes on there is nothing to wait for.
	crowd = 8 << 10
)

// huddle gathers small writes that follow each other closely. net/http writes the head of each HTTP/2 request by itself, and
// each write is a segment; a new connection may have ten under way before the first is acknowledged (RFC 6928), so that the
// rest of a hundred requests would wait for a round trip. An error of what was gathered is told by the next write.
type huddle struct {
	net.Conn

	mu     sync.Mutex
	held   []byte
	last   time.Time   // of the last write
	timer  *time.Timer // calls flush; nil: it never ran
	failed error
}

// Gathering is dial, not nil, whose connections gather small writes. An error of what was gathered is told by the next write; Close
// sends what is left. It may be used from many goroutines, if dial may.
func Gathering(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &huddle{Conn: conn}, nil
	}
}

// NetConn is what it writes to.
func (h *huddle) NetConn() net.Conn { return h.Conn }

// Write sends p, or keeps a copy of it for a moment.
func (h *huddle) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed != nil {
		return 0, h.failed
	}
	now := time.Now()
	alone := len(h.held) == 0 && now.Sub(h.last) > calm
	h.last = now
	if alone || len(p) >= crowd {
		if err := h.sendLocked(); err != nil {
			return 0, err
		}
		return h.Conn.Write(p)
	}
	if h.held = append(h.held, p...); len(h.held) >= crowd {
		return len(p), h.sendLocked()
	}
	switch {
	case h.timer == nil:
		h.timer = time.AfterFunc(huddled, h.flush)
	case len(h.held) == len(p):
		h.timer.Reset(huddled)
	}
	return len(p), nil
}

// flush sends what is held.
func (h *huddle) flush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.sendLocked() // the next Write tells
}

func (h *huddle) sendLocked() error {
	if len(h.held) == 0 || h.failed != nil {
		return h.failed
	}
	_, h.failed = h.Conn.Write(h.held)
	if h.held = h.held[:0]; cap(h.held) > 2*crowd {
		h.held = nil
	}
	return h.failed
}

// Close sends what is held, unless a write stands still: then it ends that.
func (h *huddle) Close() error {
	if h.mu.TryLock() {
		if len(h.held) > 0 {
			_ = h.Conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			_ = h.sendLocked()
		}
		h.mu.Unlock()
	}
	return h.Conn.Close()
}
