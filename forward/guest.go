package forward

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"hither/forward/fetch"
	"hither/forward/listener"
	"hither/forward/quick"
)

// guest is a client's connection that we looked at before we knew where it belongs.
type guest struct {
	net.Conn
	head   []byte        // read already, to be read again
	target string        // HOST:PORT of the CONNECT it came by; empty: it came by itself
	client *fetch.Client // the same for all requests that come by it; nil: nobody knows
	leave  func()        // closes client.Gone; nil: there is nobody to tell
	wait   time.Duration // for its first bytes; 0: headerWait
	quick  *quick.Conn   // reads and writes Conn; nil: Conn does it itself
	grace  atomic.Int64  // nanoseconds that whoever takes something gets for the next; not above 0: none
}

// newGuest is a client's connection, nothing of which was read. Requests that come by it share its fetch.Client.
func newGuest(c net.Conn) *guest {
	gone := make(chan struct{})
	client := &fetch.Client{From: addrPort(c.RemoteAddr()), To: addrPort(c.LocalAddr()), Gone: gone}
	if led, ok := c.(*listener.Conn); ok {
		if to, err := led.Original(); err == nil {
			client.To = to // so the client's own socket says
		}
	}
	return &guest{Conn: c, client: client, leave: sync.OnceFunc(func() { close(gone) }), quick: quick.New(tcpBelow(c))}
}

// again is the same client with bytes to be read again.
func (g *guest) again(head []byte) *guest {
	return &guest{Conn: g, head: head, target: g.target, client: g.client, leave: g.leave}
}

// unread is what was looked at and nobody has read, and the connection below, for who copies the rest: the kernel moves
// bytes only between two TCP connections that it can see.
func (g *guest) unread() (head []byte, below net.Conn) {
	below = g
	for {
		switch outer := below.(type) {
		case *guest:
			head, outer.head = append(head, outer.head...), nil
			below = outer.Conn
		case *listener.Conn:
			return head, outer.TCPConn
		default:
			return head, below
		}
	}
}

// tcpBelow is the TCP connection that c is; nil: it is none.
func tcpBelow(c net.Conn) *net.TCPConn {
	switch c := c.(type) {
	case *net.TCPConn:
		return c
	case *listener.Conn:
		return c.TCPConn
	}
	return nil
}

// addrPort is zero for what is no TCP address.
func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		at := tcp.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	return netip.AddrPort{}
}

// Close also tells who works for the client that it is gone. It may be called more than once.
func (g *guest) Close() error {
	g.left()
	return g.Conn.Close()
}

func (g *guest) left() {
	if g.leave != nil {
		g.leave()
	}
}

// Read gives the bytes that were looked at first.
func (g *guest) Read(p []byte) (int, error) {
	if len(g.head) > 0 {
		n := copy(p, g.head)
		g.head = g.head[n:]
		return n, nil
	}
	if g.quick != nil {
		return g.quick.Read(p)
	}
	return g.Conn.Read(p)
}

// peek waits for the first byte and leaves it where it is.
func (g *guest) peek() (byte, error) {
	if len(g.head) > 0 {
		return g.head[0], nil
	}
	g.SetReadDeadline(time.Now().Add(g.patience()))
	defer g.SetReadDeadline(time.Time{})
	first := make([]byte, 1)
	if _, err := io.ReadFull(g.Conn, first); err != nil {
		return 0, err
	}
	g.head = first
	return first[0], nil
}

func (g *guest) patience() time.Duration { return cmp.Or(g.wait, headerWait) }

// serverName reads the ClientHello, leaves it where it is, and returns its SNI; empty if it names no host or is no TLS.
func (g *guest) serverName() string {
	g.SetReadDeadline(time.Now().Add(g.patience()))
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
	if h, ok := conn.(*hot); ok {
		conn = h.bare()
	}
	n := rw.Reader.Buffered()
	seen, _ := rw.Reader.Peek(n)
	g, ok := conn.(*guest)
	switch {
	case ok && n > 0:
		return g.again(bytes.Clone(seen)), rw, nil
	case ok && len(g.head) == 0:
		return g.Conn, rw, nil
	case n > 0:
		g = newGuest(conn)
		g.head = bytes.Clone(seen)
		return g, rw, nil
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

type originKey struct{}

// origin is what a request knows of the connection that it came by.
type origin struct {
	target string               // HOST:PORT of the CONNECT around it; empty: none
	tls    *tls.ConnectionState // nil: in the clear
	client *fetch.Client
}

// withOrigin lets every request of a connection know it.
func withOrigin(ctx context.Context, c net.Conn) context.Context {
	var from origin
	if h, ok := c.(*hot); ok {
		from.tls = h.state
		c = h.Conn
	} else if sealed, ok := c.(*tls.Conn); ok {
		state := sealed.ConnectionState()
		from.tls = &state
	}
	if g := guestOf(c); g != nil {
		from.target, from.client = g.target, g.client
	}
	return context.WithValue(ctx, originKey{}, from)
}

// guestOf is the client's connection below what was put around it; nil: there is none.
func guestOf(c net.Conn) *guest {
	for {
		switch outer := c.(type) {
		case *guest:
			return outer
		case interface{ NetConn() net.Conn }: // *tls.Conn, *h2.Cork
			c = outer.NetConn()
		default:
			return nil
		}
	}
}

func cameFrom(r *http.Request) origin {
	from, _ := r.Context().Value(originKey{}).(origin)
	return from
}

// targetOf is HOST:PORT of the CONNECT that r came inside of; empty if it came in none.
func targetOf(r *http.Request) string { return cameFrom(r).target }
