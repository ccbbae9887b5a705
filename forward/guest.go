package forward

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// guest is a client's connection that we looked at before we knew where it belongs.
type guest struct {
	net.Conn
	head   []byte // read already, to be read again
	target string // HOST:PORT of the CONNECT it came by; empty: it came by itself
}

// Read gives the bytes that were looked at first.
func (g *guest) Read(p []byte) (int, error) {
	if len(g.head) > 0 {
		n := copy(p, g.head)
		g.head = g.head[n:]
		return n, nil
	}
	return g.Conn.Read(p)
}

// peek waits for the first byte and leaves it where it is.
func (g *guest) peek() (byte, error) {
	if len(g.head) > 0 {
		return g.head[0], nil
	}
	g.SetReadDeadline(time.Now().Add(headerWait))
	defer g.SetReadDeadline(time.Time{})
	first := make([]byte, 1)
	if _, err := io.ReadFull(g.Conn, first); err != nil {
		return 0, err
	}
	g.head = first
	return first[0], nil
}

// serverName reads the ClientHello, leaves it where it is, and returns its SNI; empty if it names no host or is no TLS.
func (g *guest) serverName() string {
	g.SetReadDeadline(time.Now().Add(headerWait))
	defer g.SetReadDeadline(time.Time{})
	var seen bytes.Buffer
	name := ""
	config := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		name = hello.ServerName
		return nil, io.EOF // seen enough
	}}
	_ = tls.Server(muted{g, io.TeeReader(g, &seen)}, config).Handshake() // it always fails
	g.head = append(seen.Bytes(), g.head...)
	return name
}

// muted hears the client and does not answer: the alert that ends the look at a ClientHello must not reach it.
type muted struct {
	net.Conn
	in io.Reader
}

func (m muted) Read(p []byte) (int, error)  { return m.in.Read(p) }
func (m muted) Write(p []byte) (int, error) { return len(p), nil }

// CloseWrite says that nothing more is sent; goproxy's tunnels and http.Server use it.
func (g *guest) CloseWrite() error { return closeWrite(g.Conn) }

// CloseRead says that nothing more is read.
func (g *guest) CloseRead() error { return closeRead(g.Conn) }

// replay is a ResponseWriter whose Hijack keeps what net/http has read beyond the request: goproxy throws it away, and
// a client that sends its ClientHello together with the CONNECT would wait for ever.
type replay struct{ http.ResponseWriter }

// Hijack returns the bare connection whenever nothing is to be replayed, so that tunnels between two TCP connections
// are spliced by the kernel.
func (w replay) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if g, ok := conn.(*guest); ok && len(g.head) == 0 {
		conn = g.Conn
	}
	if n := rw.Reader.Buffered(); n > 0 {
		seen, _ := rw.Reader.Peek(n)
		conn = &guest{Conn: conn, head: bytes.Clone(seen)}
	}
	return conn, rw, nil
}

// handoff is a net.Listener for connections that were accepted elsewhere.
type handoff struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandoff() *handoff {
	return &handoff{conns: make(chan net.Conn), done: make(chan struct{})}
}

// offer gives c away, or closes it if nobody will take it any more.
func (h *handoff) offer(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		c.Close()
	}
}

// Accept is for http.Server.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close may be called more than once.
func (h *handoff) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr has no meaning of its own; a connection knows its addresses.
func (h *handoff) Addr() net.Addr { return &net.TCPAddr{} }

type targetKey struct{}

// withTarget lets a request know which CONNECT its connection came by.
func withTarget(ctx context.Context, c net.Conn) context.Context {
	if sealed, ok := c.(*tls.Conn); ok {
		c = sealed.NetConn()
	}
	if g, ok := c.(*guest); ok {
		return context.WithValue(ctx, targetKey{}, g.target)
	}
	return ctx
}

// targetOf is HOST:PORT of the CONNECT that r came inside of; empty if it came in none.
func targetOf(r *http.Request) string {
	target, _ := r.Context().Value(targetKey{}).(string)
	return target
}
