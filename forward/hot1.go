package forward

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"hither/forward/fetch"
	"hither/forward/h2"
)

const (
	// hotBuffer is for the heads of requests, in bytes. A longer one is for net/http, and with it the rest of its connection.
	hotBuffer = 4 << 10
	// manyRecords is from how many bytes on a write is more than one TLS record, and worth gathering.
	manyRecords = 32 << 10
	// refresh is by how much the deadlines of a busy connection may be off: setting one costs as much as reading a head.
	refresh = 15 * time.Second
)

// hot is a connection that answers by itself what lies ready, and shows net/http the rest. net/http reads from it as from
// any other.
//
// At the boundary between two requests, which net/http tells by its ConnState, Read looks at what the client sends next.
// As long as that is ready it is answered then and there, and Read goes on waiting; net/http takes the client for idle
// meanwhile. Any other request without a body is handed over, its head and not a byte more, so that the next boundary is
// known. After a request that may have a body, or one that could be read in two ways, the connection only passes bytes.
//
// Read, Write and what ConnState calls come from one goroutine at a time; deadlines and Close may come from any.
type hot struct {
	net.Conn          // *guest, or the *tls.Conn over it
	under    *h2.Cork // below TLS; nil: there is no TLS
	server   *Server
	realm    string
	state    *tls.ConnectionState // nil: in the clear
	client   *fetch.Client        // nil: nobody knows
	gone     <-chan struct{}      // closed with the connection; nil: never

	in   []byte // read and not yet handed over: in[r:w]
	r, w int
	due  int    // bytes of in that net/http is to see of the head it reads now
	key  []byte // scratch
	out  []byte // scratch, for small answers

	deaf   bool   // bytes are passed as they come, to the end
	broken error  // what comes behind in; nil: the connection knows
	busy   bool   // net/http answers, and has all it needs
	fresh  bool   // net/http has set no deadline of its own since the last head: it waits for the first request
	served bool   // what came last was answered here
	told   uint64 // number of the answer that Again was told of last, if the client got nothing else since; 0: none
	moved  bool   // the read deadline is ours
	begun  bool   // it is that of a head of which a part has come

	readBy  time.Time     // ours, if moved
	wake    chan struct{} // of size 1: net/http takes its read back
	limits  sync.Mutex    // guards the two below
	writeBy time.Time     // what writing was given at last; zero: no deadline
	applied time.Time     // what the connection knows of it
	gathers atomic.Bool   // a large write is under way
	hijack  atomic.Bool   // somebody else has the connection
}

// newHot is for connections that speak HTTP/1.1. Realm is what realm says of them.
func (s *Server) newHot(c net.Conn, realm string, state *tls.ConnectionState, client *fetch.Client) *hot {
	var under *h2.Cork
	if sealed, ok := c.(*tls.Conn); ok {
		under, _ = sealed.NetConn().(*h2.Cork)
	}
	h := &hot{under: under, Conn: c, server: s, realm: realm, state: state, client: client, fresh: true, wake: make(chan struct{}, 1)}
	if client != nil {
		h.gone = client.Gone
	}
	return h
}

// turn is told by net/http what the connection is to it.
func turn(c net.Conn, state http.ConnState) {
	h, ok := c.(*hot)
	if !ok {
		return
	}
	switch state {
	case http.StateIdle:
		h.busy, h.fresh = false, false
	case http.StateHijacked:
		h.hijack.Store(true)
	}
}

// Read gives net/http what it has to answer itself.
func (h *hot) Read(p []byte) (int, error) {
	switch {
	case h.hijack.Load() || h.deaf:
		return h.pass(p)
	case h.busy:
		return 0, h.watch()
	case h.due == 0:
		if err := h.serve(); err != nil {
			return 0, err
		}
		h.handOver()
	}
	if h.deaf {
		return h.pass(p)
	}
	n := copy(p, h.in[h.r:h.r+h.due])
	h.r += n
	h.due -= n
	h.busy = h.due == 0
	return n, nil
}

// pass gives what was read already, and then what comes.
func (h *hot) pass(p []byte) (int, error) {
	if h.r < h.w {
		n := copy(p, h.in[h.r:h.w])
		h.r += n
		return n, nil
	}
	h.in = nil
	h.r, h.w = 0, 0
	if h.broken != nil {
		return 0, h.broken
	}
	return h.Conn.Read(p)
}

// watch is for net/http while it answers: it wants to know whether the client leaves. What the client sends ahead of time
// stays here, for one byte of it in net/http's hands would hide the next boundary.
func (h *hot) watch() error {
	if h.r == h.w {
		if err := h.fill(); err != nil {
			return err
		}
	}
	select {
	case <-h.wake:
		return os.ErrDeadlineExceeded
	case <-h.gone:
		return net.ErrClosed
	}
}

// serve answers what lies ready until there is something else, which then stands at the beginning of in[r:w].
func (h *hot) serve() error {
	for {
		head, n := readHead(h.in[h.r:h.w])
		switch {
		case h.served && h.w-h.r < 4: // between two requests net/http waits for so many, and takes fewer for none
			if err := h.more(); err != nil {
				return err
			}
		case n == unfinished && h.w-h.r < hotBuffer:
			if err := h.more(); err != nil && h.r == h.w {
				return err
			} else if err != nil {
				h.deaf, h.broken = true, err // net/http shall see what came, and then the error
				return nil
			}
		case n > 0 && head.hot && !h.server.closing.Load() && !h.server.crowded.Load(): // net/http says goodbye
			ready, now := h.ready(head)
			if ready == nil {
				h.due = n
				return nil
			}
			if err := h.answer(ready, now); err != nil {
				return err
			}
			h.r += n
			h.served = true
		case n > 0:
			h.due = n
			return nil
		default:
			h.deaf = true
			return nil
		}
	}
}

// ready finds the answer to a head, if one lies ready.
func (h *hot) ready(head head) (*Ready, time.Time) {
	now := time.Now()
	host := head.host
	if head.target[0] != '/' {
		host = nil
	}
	h.key = appendKey(h.key[:0], h.realm, host, head.target, head.accept, head.integrity)
	return h.server.ready.find(h.key, h.server.Rules(), now), now
}

// answer sends what lies ready, in one write.
func (h *hot) answer(r *Ready, now time.Time) error {
	date := h.server.calendar.date(now)
	var err error
	h.limits.Lock()
	h.writeBy = now.Add(patience)
	h.limits.Unlock()
	if r.small() {
		h.out = r.appendTo(h.out[:0], now, date)
		_, err = h.Write(h.out)
	} else {
		buf := h.server.buffers.Get()
		_, err = h.Write(r.appendTo(buf[:0], now, date))
		h.server.buffers.Put(buf)
	}
	sent := int64(len(r.body))
	if err != nil {
		sent = 0
	}
	if h.told != r.number { // the same once more is no news
		h.told = r.number
		h.server.tellAgain(r, h.client, now)
	}
	h.server.tell(r, now, sent)
	if err == nil {
		h.begun = false
		h.moveDeadline(now, idleWait, refresh)
	}
	return err
}

// more reads on behind what is there. A head that has begun gets no more time by coming slowly.
func (h *hot) more() error {
	if h.r < h.w && !h.begun {
		h.begun = true
		h.moveDeadline(time.Now(), headerWait, 0)
	}
	return h.fill()
}

// fill reads what comes next into the room behind what is there.
func (h *hot) fill() error {
	if h.in == nil {
		h.in = make([]byte, hotBuffer)
	}
	if h.r > 0 {
		h.w = copy(h.in, h.in[h.r:h.w])
		h.r = 0
	}
	n, err := h.Conn.Read(h.in[h.w:])
	h.w += n
	if n > 0 {
		return nil // an error will come again
	}
	return err
}

// moveDeadline gives the client a while to send something. It does nothing while the last one is nearly as far away.
func (h *hot) moveDeadline(now time.Time, wait, slack time.Duration) {
	by := now.Add(wait)
	if h.moved && slack > 0 && by.Sub(h.readBy) < slack && by.After(h.readBy) {
		return
	}
	h.moved, h.readBy = true, by
	h.Conn.SetReadDeadline(by)
}

// handOver leaves a connection to net/http as that believes it to be.
func (h *hot) handOver() {
	if h.moved && h.fresh {
		h.Conn.SetReadDeadline(time.Now().Add(headerWait)) // as net/http has set it for a first request
	}
	h.moved, h.begun, h.served, h.told = false, false, false, 0
}

// SetReadDeadline is also how net/http takes a Read back.
func (h *hot) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		select {
		case h.wake <- struct{}{}:
		default:
		}
	} else {
		select {
		case <-h.wake:
		default:
		}
	}
	return h.Conn.SetReadDeadline(t)
}

// SetWriteDeadline is remembered until something is written: most answers set it several times.
func (h *hot) SetWriteDeadline(t time.Time) error {
	h.limits.Lock()
	defer h.limits.Unlock()
	h.writeBy = t
	if h.hijack.Load() || !t.IsZero() && time.Until(t) <= 0 {
		h.applied = t
		return h.Conn.SetWriteDeadline(t)
	}
	return nil
}

// SetDeadline is both.
func (h *hot) SetDeadline(t time.Time) error {
	err := h.SetReadDeadline(t)
	if werr := h.SetWriteDeadline(t); err == nil {
		err = werr
	}
	return err
}

// Write sends p within what SetWriteDeadline gave, or up to refresh less.
func (h *hot) Write(p []byte) (int, error) {
	h.limits.Lock()
	if late := h.writeBy.Sub(h.applied); h.writeBy.IsZero() != h.applied.IsZero() || late < 0 || late > refresh {
		h.applied = h.writeBy
		h.Conn.SetWriteDeadline(h.writeBy)
	}
	h.limits.Unlock()
	if h.under == nil || len(p) < manyRecords {
		return h.Conn.Write(p)
	}
	h.gathers.Store(true)
	defer h.gathers.Store(false)
	h.under.Hold()
	n, err := h.Conn.Write(p)
	if ferr := h.under.Release(); err == nil {
		err = ferr
	}
	return n, err
}

// Close breaks a write that waits for the client: TLS would first try to say goodbye behind it.
func (h *hot) Close() error {
	if h.gathers.Load() {
		h.under.Close()
	}
	return h.Conn.Close()
}

// CloseWrite says that nothing more is sent; http.Server uses it.
func (h *hot) CloseWrite() error { return closeWrite(h.Conn) }

// bare is the connection for who hijacks it: without us, unless we hold bytes of it.
func (h *hot) bare() net.Conn {
	h.limits.Lock()
	h.applied, h.writeBy = time.Time{}, time.Time{}
	h.Conn.SetWriteDeadline(time.Time{})
	h.limits.Unlock()
	if h.r == h.w {
		return h.Conn
	}
	return h
}
