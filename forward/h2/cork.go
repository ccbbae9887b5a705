package h2

import (
	"net"
	"sync"
)

// corker is a connection below TLS that can gather what is written to it.
type corker interface {
	// BeforeRead wants f called before every Read: when TLS has no more records, that is, and may wait for the client.
	BeforeRead(f func())
	// Hold begins to gather.
	Hold()
	// Release writes what was gathered, and gathers no more.
	Release() error
}

// Cork gathers TLS records: crypto/tls makes a system call of each, which costs as much as its encryption. It also
// knows when all records that came were read: a client may send each of many requests in one of its own. Put it between
// the two, and Serve finds it:
//
//	conn := tls.Server(h2.NewCork(accepted), config)
//
// Without Serve it passes everything on as it comes.
type Cork struct {
	net.Conn
	before func() // nil: nobody wants to know of reads

	mu   sync.Mutex
	held *outBuffer // nil: nothing is held
}

// NewCork wraps a connection.
func NewCork(conn net.Conn) *Cork { return &Cork{Conn: conn} }

// NetConn is what was wrapped.
func (k *Cork) NetConn() net.Conn { return k.Conn }

// BeforeRead is for Serve. It may be called while nobody reads.
func (k *Cork) BeforeRead(f func()) { k.before = f }

// Read tells of it first.
func (k *Cork) Read(p []byte) (int, error) {
	if k.before != nil {
		k.before()
	}
	return k.Conn.Read(p)
}

// Hold is for Serve.
func (k *Cork) Hold() {
	k.mu.Lock()
	if k.held == nil {
		k.held = outBuffers.Get().(*outBuffer)
	}
	k.mu.Unlock()
}

// Write may keep a copy of p. If so, Release tells whether it could be written.
func (k *Cork) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held == nil {
		return k.Conn.Write(p)
	}
	if len(k.held.b)+len(p) > cap(k.held.b) {
		if _, err := k.Conn.Write(k.held.b); err != nil {
			return 0, err
		}
		k.held.b = k.held.b[:0]
	}
	k.held.b = append(k.held.b, p...)
	return len(p), nil
}

// Release is for Serve.
func (k *Cork) Release() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held == nil {
		return nil
	}
	held := k.held
	k.held = nil
	defer held.free()
	if len(held.b) == 0 {
		return nil
	}
	_, err := k.Conn.Write(held.b)
	return err
}

// CloseWrite says that nothing more is sent.
func (k *Cork) CloseWrite() error {
	if half, ok := k.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// findCork looks for one below conn. nil: there is none.
func findCork(conn net.Conn) corker {
	for {
		if found, ok := conn.(corker); ok {
			return found
		}
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = outer.NetConn()
	}
}
