package forward

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"hither/forward/fetch"
	"hither/forward/h2"
	"hither/rules"
)

const (
	// patience is for a client that takes nothing. Without it, one that went to sleep holds its goroutine for ever.
	patience = 2 * time.Minute
	// bufferSize is for bodies, in bytes.
	bufferSize = 256 << 10
	// wideSize is for bodies above wideBody, in bytes: a cache that keeps those in chunks of that size need not keep a piece
	// of one aside.
	wideSize = 1 << 20
	wideBody = 64 << 20
	// trickle is a read so short that its sender is slow: the client gets it at once.
	trickle = 4 << 10
)

// reply is a ResponseWriter that gives up on a dead client, and remembers what the log wants to know.
type reply struct {
	http.ResponseWriter
	control *http.ResponseController
	buffers *buffers
	old     bool // HTTP/1.0
	given   bool // the connection belongs to somebody else now, and so do its deadlines

	gateway  bool // what a registry says is said under our own name
	verbatim bool // what the origin does not say is not guessed

	status  int   // 0: no answer yet
	sent    int64 // of body, in bytes
	rule    string
	state   string
	source  string
	problem error

	request *fetch.Request // what was asked of Fetch; nil: nothing
	set     *rules.Set     // the rules that told so
	age     uint64         // of what lies ready, when it was asked
}

// Unwrap is for http.ResponseController.
func (w *reply) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack is for tunnels and upgrades.
func (w *reply) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.control.Hijack()
	w.given = err == nil
	return conn, rw, err
}

// cut breaks the connection so that nobody takes it for the end of a body: to HTTP/1.0 every orderly end is one.
func (w *reply) cut() {
	if w.given {
		return
	}
	conn, _, err := w.Hijack()
	if err != nil {
		return
	}
	for {
		switch c := conn.(type) {
		case *tls.Conn:
			conn = c.NetConn() // whose own way to end says that all is well
			continue
		case *hot:
			conn = c.Conn
			continue
		case *h2.Cork:
			conn = c.NetConn()
			continue
		case *guest:
			c.left()
			conn = c.Conn
			continue
		case *net.TCPConn:
			_ = c.SetLinger(0) // a reset
		}
		conn.Close()
		return
	}
}

// ErrAsleep is a client that takes nothing within patience. That is no failure of those who send.
var ErrAsleep = errors.New("the client took nothing for two minutes")

// extend gives the client a while from now to take what is written.
func (w *reply) extend() { w.deadline(time.Now().Add(patience)) }

// rest stops that clock while nothing is written: an HTTP/2 stream would be reset when it runs out.
func (w *reply) rest() { w.deadline(time.Time{}) }

func (w *reply) deadline(t time.Time) {
	if !w.given {
		w.control.SetWriteDeadline(t)
	}
}

// WriteHeader may be called with several 1xx before the status. HTTP/1.0 knows none of those (RFC 9110, 15.2).
func (w *reply) WriteHeader(status int) {
	h := w.Header()
	switch {
	case status >= 200 || status == http.StatusSwitchingProtocols:
		w.status = status
	case w.old:
		return
	default:
		h.Del("Alt-Svc")
	}
	if _, said := h["Content-Type"]; !said && w.verbatim {
		h["Content-Type"] = nil
	}
	if w.gateway {
		enclose(h)
	}
	w.extend()
	w.ResponseWriter.WriteHeader(status)
	w.rest()
}

// Write sends p within patience.
func (w *reply) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.extend()
	defer w.rest()
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrAsleep
	}
	return n, err
}

// FlushError is for http.ResponseController.
func (w *reply) FlushError() error {
	w.extend()
	defer w.rest()
	return w.control.Flush()
}

// ReadFrom is for io.Copy. The wait for src is not the client's fault and has no deadline here.
func (w *reply) ReadFrom(src io.Reader) (sent int64, err error) {
	buf := w.buffers.Get()
	defer w.buffers.Put(buf)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			m, werr := w.Write(buf[:n])
			sent += int64(m)
			if werr != nil {
				return sent, werr
			}
			if n < trickle {
				if err := w.FlushError(); err != nil && !errors.Is(err, http.ErrNotSupported) {
					return sent, err
				}
			}
		}
		if err == io.EOF {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
	}
}

// buffers are shared by all answers; it is also httputil.BufferPool.
type buffers struct {
	size int // of each, in bytes; 0: bufferSize
	pool sync.Pool
}

// Get returns a buffer.
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, cmp.Or(b.size, bufferSize))
}

// Put takes it back.
func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
