package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

const (
	// inSize is what is read at once, in bytes: a TLS record and the rest of a frame, at least.
	inSize = 2*maxFrame + 2*frameHead
	// streamWindow is how much of a request's body may wait for its handler, in bytes.
	streamWindow = 256 << 10
	// connWindow is the same for all bodies of a connection.
	connWindow = 1 << 20
	// lingering is for the client to read why the connection ends: what it still sends would else erase that.
	lingering = 500 * time.Millisecond
)

var errClosed = gone("the client's HTTP/2 connection is closed")

// conn is one connection. The fields above mu belong to the goroutine that reads.
type conn struct {
	server *Server
	nc     net.Conn
	cork   corker // nil: nothing gathers TLS records
	tls    *tls.ConnectionState
	remote string
	ctx    context.Context
	cancel context.CancelFunc

	in       []byte
	from, to int // what of in was read and not yet used
	block    block
	decoder  *hpack.Decoder
	head     Head
	names    map[string]string // canonical forms of field names
	temper   temper
	handlers sync.WaitGroup

	mu            sync.Mutex
	err           error              // why the connection ended; nil: it lives
	streams       map[uint32]*stream // open ones
	last          uint32             // the highest stream of the client
	told          uint32             // last, when the client was told that we leave
	cut           [64]uint32         // streams that were ended while the client may still be sending
	cutAt         int
	running       int    // handlers
	uploads       int    // open streams whose client has not ended its body
	leaving       bool   // GOAWAY was sent, or has come
	inBlock       bool   // a header block has begun, and not ended
	served        uint64 // requests
	seen          uint64 // served, at the last tick
	clock         int    // ticks
	quiet         int    // ticks without anything happening
	ticker        *time.Timer
	window        int64  // bytes of bodies that the client lets us send
	initialWindow int64  // the same for each new stream
	recv          int64  // bytes of bodies that we let the client send
	credit        int64  // bytes taken and not yet given back to the client
	tableUpdate   []byte // must begin the next header block
	sender
}

func newConn(s *Server, nc net.Conn, state *tls.ConnectionState) *conn {
	c := &conn{
		server: s, nc: nc, cork: findCork(nc), tls: state, remote: nc.RemoteAddr().String(),
		in: make([]byte, inSize), names: map[string]string{}, temper: newTemper(),
		streams: map[uint32]*stream{}, window: defaultWindow, initialWindow: defaultWindow, recv: connWindow,
	}
	c.sender.init(c)
	c.ctx, c.cancel = s.context(nc)
	c.head.Context = c.ctx
	c.decoder = hpack.NewDecoder(4096, c.block.emit)
	c.block.limit = or(s.MaxHeaderBytes, defaultMaxHeader)
	c.decoder.SetMaxStringLength(2 * max(c.block.limit, maxFrame)) // so much can come; Huffman's shortest code has five bits
	if c.cork != nil {
		c.cork.BeforeRead(c.settle)
	}
	out := c.outLocked() // before anybody can send something else
	out.b = appendSettings(out.b, settingMaxStreams, uint32(c.maxStreams()), settingInitialWindow, streamWindow,
		settingMaxHeaderList, uint32(c.block.limit))
	out.b = appendWindow(out.b, 0, connWindow-defaultWindow)
	return c
}

// serve returns when the connection is closed and every handler has returned.
func (c *conn) serve() {
	err := c.greet()
	for err == nil {
		var f frame
		if f, err = c.next(); err == nil {
			err = c.receive(&f)
		}
		var broken streamError
		if err != nil && errors.As(err, &broken) {
			err = c.breakStream(broken)
		}
	}
	c.part(err)
	c.nc.Close()
	c.mu.Lock()
	c.failLocked(err)
	c.ticker.Stop()
	for c.writing {
		c.drained.Wait()
	}
	c.mu.Unlock()
	c.cancel()
	c.handlers.Wait()
}

// greet exchanges the prefaces (section 3.4).
func (c *conn) greet() error {
	c.mu.Lock()
	c.ticker = time.AfterFunc(c.tickTime(), c.tick)
	c.nc.SetReadDeadline(time.Now().Add(or(c.server.ReadHeaderTimeout, defaultHeaderWait)))
	c.restLocked()
	c.mu.Unlock()
	for c.to-c.from < len(preface) {
		if err := c.fill(); err != nil {
			return err
		}
	}
	if string(c.in[c.from:c.from+len(preface)]) != preface {
		return connError{codeProtocol, "the client does not begin as HTTP/2 does"}
	}
	c.from += len(preface)
	f, err := c.next()
	if err != nil {
		return err
	}
	if f.kind != frameSettings || f.has(flagAck) {
		return connError{codeProtocol, "the client does not begin with its settings"}
	}
	c.nc.SetReadDeadline(time.Time{})
	c.mu.Lock()
	c.restLocked()
	c.mu.Unlock()
	return c.receive(&f)
}

// next reads one frame, which is valid until the next call.
func (c *conn) next() (frame, error) {
	for c.to-c.from < frameHead {
		if err := c.fill(); err != nil {
			return frame{}, err
		}
	}
	f, length := parseHead(c.in[c.from:])
	if length > maxFrame {
		return frame{}, connError{codeFrameSize, "a frame longer than was agreed"}
	}
	for c.to-c.from < frameHead+length {
		if err := c.fill(); err != nil {
			return frame{}, err
		}
	}
	f.payload = c.in[c.from+frameHead : c.from+frameHead+length]
	c.from += frameHead + length
	return f, nil
}

// fill waits for more bytes. What is to be sent goes first: the client may wait for it.
func (c *conn) fill() error {
	if c.cork == nil {
		c.settle()
	}
	if c.from > 0 {
		c.to = copy(c.in, c.in[c.from:c.to])
		c.from = 0
	}
	n, err := c.nc.Read(c.in[c.to:])
	c.to += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// part tells the client why, if it is its fault, and gives it time to read that. A connection that ends in peace has
// said all it has to say.
func (c *conn) part(err error) {
	var fault connError
	c.mu.Lock()
	peace := c.leaving && len(c.streams) == 0 && errors.Is(err, os.ErrDeadlineExceeded)
	if !errors.As(err, &fault) && !peace || c.err != nil {
		c.mu.Unlock()
		return
	}
	if !peace { // else the end of an answer may still be on its way, and has the time that all answers have
		c.nc.SetWriteDeadline(time.Now().Add(lingering))
		c.deadline = time.Now().Add(time.Hour) // nobody sets another
		c.queue = queue{}
		if !c.leaving {
			c.told = c.last
		}
		out := c.outLocked()
		out.b = appendGoAway(out.b, c.told, fault.code)
	}
	for c.writing && c.err == nil {
		c.drained.Wait()
	}
	c.writing = true
	c.pumpLocked(1)
	c.mu.Unlock()
	c.linger()
}

// linger closes our side and hears the client out, for a moment.
func (c *conn) linger() {
	for inner := c.nc; ; {
		if half, ok := inner.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // the connection is closed in any case
		}
		outer, ok := inner.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		inner = outer.NetConn()
	}
	c.nc.SetReadDeadline(time.Now().Add(lingering))
	for {
		if _, err := c.nc.Read(c.in); err != nil {
			return
		}
	}
}

// failLocked ends everything that belongs to the connection.
func (c *conn) failLocked(err error) {
	if c.err != nil {
		return
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = errClosed
	}
	c.err = err
	for _, st := range c.streams {
		c.dropLocked(st, err)
	}
	c.drained.Broadcast()
	c.releaseLocked()
}

// sayGoodbye lets the open streams end, and then the connection.
func (c *conn) sayGoodbye() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaveLocked()
}

// leaveLocked takes no more requests. The client is told, and knows which of its requests were not heard.
func (c *conn) leaveLocked() {
	if c.err != nil {
		return
	}
	if !c.leaving {
		c.leaving, c.told = true, c.last
		out := c.outLocked()
		out.b = appendGoAway(out.b, c.told, codeNone)
		c.kickLocked()
	}
	c.restLocked()
}

// restLocked wakes the reader to close a connection on which nothing more will happen.
func (c *conn) restLocked() {
	if c.leaving && len(c.streams) == 0 {
		c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// snap closes the connection without a word: even the alert of TLS would have to be written.
func (c *conn) snap() {
	if t, ok := c.nc.(*tls.Conn); ok {
		t.NetConn().Close()
		return
	}
	c.nc.Close()
}

func (c *conn) maxStreams() int { return or(c.server.MaxStreams, defaultMaxStreams) }
