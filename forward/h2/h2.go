// Package h2 is an HTTP/2 server (RFC 9113) for connections that somebody else accepted and whose TLS handshake is done.
// It exists because net/http spends three times what nginx does on a small answer: a goroutine for each frame it writes,
// two TLS records for each it fills, and a handler for what lies ready.
//
//	s := &h2.Server{Handler: handler, Ready: store.Ready}
//	state := conn.ConnectionState()
//	s.Serve(conn, &state) // returns when the connection has ended
//
// One goroutine reads a connection. What [Server.Ready] knows it answers at once, and writes when no more requests are at
// hand. Every other request gets a goroutine for its handler. Whoever has something to send first becomes the writer of
// the connection, and gathers what the others add meanwhile into writes of [outGoal] bytes. A [Cork] under the TLS
// connection makes one system call of each.
//
// There is no push, no priority (small answers go first, the others take turns), and no CONNECT.
package h2

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server is set up once, then it serves any number of connections until Shutdown. Handler must be set.
type Server struct {
	// Handler answers what Ready does not, each request in a goroutine of its own. The request's context ends when its
	// stream is reset, its connection closed, or its answer written. Panics are logged, and reset the stream.
	Handler http.Handler
	// Ready answers requests without a body at once, from memory. It is called on the goroutine that reads the connection,
	// so it must not block; several connections call it at the same time. nil: nothing lies ready.
	Ready func(*Head) (*Reply, bool)
	// IdleTimeout ends a connection without streams, give or take a quarter. 0: 3 minutes.
	IdleTimeout time.Duration
	// ReadHeaderTimeout is for the client's first frame, and, roughly, for the head of one request. 0: 30 s.
	ReadHeaderTimeout time.Duration
	// WriteTimeout ends a connection whose client takes nothing of what was written to it, and an answer that waits
	// without a handler for leave to be sent. Handlers have deadlines of their own (http.ResponseController). 0: 2 minutes.
	WriteTimeout time.Duration
	// MaxHeaderBytes is for the head of one request, as RFC 9113 section 6.5.2 counts it: 32 more for each field. A longer
	// one is answered by 431, unless it is longer even as it comes, encoded: that ends the connection. 0: 64 KiB.
	MaxHeaderBytes int
	// MaxStreams is how many requests of one connection may run at once, those counted that were reset and whose handlers
	// have not returned. Others are refused in a way that lets the client repeat them. 0: 250.
	MaxStreams int
	// BaseContext and ConnContext make the context of a connection as those of http.Server do; the listener is always nil,
	// for there is none. nil: a context without values.
	BaseContext func(net.Listener) context.Context
	ConnContext func(context.Context, net.Conn) context.Context
	// ErrorLog hears of handlers that panic. nil: nobody does.
	ErrorLog *log.Logger

	date atomic.Pointer[date]

	mu      sync.Mutex
	closing bool
	conns   map[*conn]struct{}
	none    chan struct{} // closed when the last connection ended; nil: nobody waits
}

const (
	defaultIdle       = 3 * time.Minute
	defaultHeaderWait = 30 * time.Second
	defaultWriteWait  = 2 * time.Minute
	defaultMaxHeader  = 64 << 10 // bytes; registry tokens reach 8 KiB
	defaultMaxStreams = 250
)

// Serve speaks HTTP/2 over nc until either side ends the connection and every handler has returned. It closes nc. state is
// what requests have as TLS; nil: they came in the clear.
func (s *Server) Serve(nc net.Conn, state *tls.ConnectionState) {
	c := newConn(s, nc, state)
	if !s.enter(c) {
		nc.Close()
		return
	}
	defer s.leave(c)
	c.serve()
}

// Shutdown tells every client to send no more requests, and waits for the running ones. When ctx ends first, it breaks
// them and returns ctx's error. Serve closes new connections at once from then on.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	if len(s.conns) == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.none == nil {
		s.none = make(chan struct{})
	}
	none := s.none
	for c := range s.conns {
		go c.sayGoodbye() // its own goroutine, because the lock of a connection may be waited for
	}
	s.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.snap()
	}
	return ctx.Err()
}

func (s *Server) enter(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	if s.conns == nil {
		s.conns = map[*conn]struct{}{}
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.none != nil {
		close(s.none)
		s.none = nil
	}
}

// context makes a connection's.
func (s *Server) context(nc net.Conn) (context.Context, context.CancelFunc) {
	ctx := context.Background() //nolint:forbidigo // the end of the connection ends it
	if s.BaseContext != nil {
		ctx = s.BaseContext(nil)
	}
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, nc.LocalAddr())
	if s.ConnContext != nil {
		ctx = s.ConnContext(ctx, nc)
	}
	return context.WithCancel(ctx)
}

func (s *Server) complain(format string, v ...any) {
	if s.ErrorLog != nil {
		s.ErrorLog.Printf(format, v...)
	}
}

// or is the setting, or what stands for its zero.
func or[T int | time.Duration](setting, otherwise T) T {
	if setting <= 0 {
		return otherwise
	}
	return setting
}

// date is the Date field of one second (RFC 9110 section 6.6.1), encoded.
type date struct {
	second int64
	block  []byte
}

// dateBlock is the Date field of now. Formatting it costs more than the rest of a small answer.
func (s *Server) dateBlock() []byte {
	now := time.Now()
	d := s.date.Load()
	if d == nil || d.second != now.Unix() {
		d = &date{now.Unix(), AppendField(nil, "date", now.UTC().Format(http.TimeFormat))}
		s.date.Store(d)
	}
	return d.block
}
