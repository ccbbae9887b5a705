//go:build linux

package main

import (
	"net"
	"sync"
	"time"
)

// gatherer makes connections that gather small writes which follow each other closely: the front ends of the real
// registries put many answers into one segment, and net/http writes two for each.
type gatherer struct {
	net.Listener
	mu   sync.Mutex
	open map[*gathered]struct{}
}

// Accept implements net.Listener.
func (g *gatherer) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	accepted := &gathered{Conn: conn, listener: g}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = map[*gathered]struct{}{}
	}
	g.open[accepted] = struct{}{}
	return accepted, nil
}

// cut ends all connections without a farewell. When the emulator of the line has ended, nobody takes a farewell, and tls.Conn
// waits 5 s to have said it.
func (g *gatherer) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for conn := range g.open {
		conn.Conn.Close()
	}
}

func (g *gatherer) forget(conn *gathered) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, conn)
}

const (
	gatherFor  = 300 * time.Microsecond // how long a write waits for others
	gatherMost = 8 << 10                // bytes that wait
)

// gathered is such a connection. An error of what was held is told by the next Write.
type gathered struct {
	net.Conn
	listener *gatherer
	mu       sync.Mutex
	held     []byte
	timer    *time.Timer // nil: nothing was held yet
	failed   error
}

// Write implements net.Conn.
func (g *gathered) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		return 0, g.failed
	}
	if len(g.held)+len(p) > gatherMost {
		if g.send(); g.failed != nil {
			return 0, g.failed
		}
		if len(p) > gatherMost {
			return g.Conn.Write(p)
		}
	}
	if g.held = append(g.held, p...); g.timer == nil {
		g.timer = time.AfterFunc(gatherFor, g.flush)
	} else if len(g.held) == len(p) {
		g.timer.Reset(gatherFor)
	}
	return len(p), nil
}

func (g *gathered) send() {
	if len(g.held) > 0 && g.failed == nil {
		_, g.failed = g.Conn.Write(g.held)
		g.held = g.held[:0]
	}
}

// SetWriteDeadline implements net.Conn. What is held was written before: tls.Conn lets no more through when it closes.
func (g *gathered) SetWriteDeadline(t time.Time) error {
	g.flush()
	return g.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (g *gathered) SetDeadline(t time.Time) error {
	g.flush()
	return g.Conn.SetDeadline(t)
}

func (g *gathered) flush() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.send()
}

// Close implements net.Conn.
func (g *gathered) Close() error {
	g.flush()
	g.listener.forget(g)
	return g.Conn.Close()
}
