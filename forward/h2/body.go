package h2

import (
	"errors"
	"io"
	"net/http"
	"os"
)

// body is what came of a request's, and was not read yet. It is guarded by conn.mu.
type body struct {
	data     []byte
	at       int   // what of data was read
	window   int   // bytes that the client may send
	credit   int   // bytes that were read, and of which the client does not know
	declared int64 // Content-Length; -1: none
	came     int64
	whole    bool // nothing more will come
	closed   bool // nobody reads it
	expect   bool // the client waits for 100 (Continue)
	trailer  http.Header
}

// take adds what came in one frame; size counts its padding.
func (b *body) take(p []byte, size int, end bool) *streamError {
	if b.window -= size; b.window < 0 {
		return &streamError{code: codeFlowControl, why: "more data than the stream's window allows"}
	}
	b.came += int64(len(p))
	if b.declared >= 0 && (b.came > b.declared || end && b.came < b.declared) {
		return &streamError{code: codeProtocol, why: "a body that is not as long as announced"}
	}
	if len(p) > 0 && !b.closed {
		if b.at > 0 && len(b.data)+len(p) > cap(b.data) {
			b.data = b.data[:copy(b.data, b.data[b.at:])]
			b.at = 0
		}
		b.data = append(b.data, p...)
	}
	b.whole = b.whole || end
	return nil
}

// drop forgets what was not read, and says how much it was.
func (b *body) drop() int {
	n := len(b.data) - b.at
	b.data, b.at, b.closed = nil, 0, true
	return n
}

func (b *body) addTrailer(name, value string) {
	if b.trailer == nil {
		b.trailer = http.Header{}
	}
	b.trailer[name] = append(b.trailer[name], value)
}

// bodyReader is a body as its handler sees it.
type bodyReader struct {
	st      *stream
	w       *response
	trailer http.Header // of the request: what was announced
}

// Read waits for more. It asks the client to go on, if that waits to be asked.
func (r *bodyReader) Read(p []byte) (int, error) {
	st := r.st
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &st.body
	if b.expect && !b.closed {
		b.expect = false
		if !r.w.answered.Load() && len(b.data) == 0 && !b.whole {
			st.informLocked(AppendStatus(nil, http.StatusContinue))
		}
	}
	for b.at == len(b.data) {
		switch {
		case st.readBy.due():
			return 0, os.ErrDeadlineExceeded
		case b.whole && !b.closed:
			for name, values := range b.trailer {
				if _, ok := r.trailer[name]; ok {
					r.trailer[name] = values
				}
			}
			return 0, io.EOF
		case st.err != nil && !b.closed, st.err != nil && st.handled:
			return 0, bodyError(st.err)
		case b.closed:
			return 0, http.ErrBodyReadAfterClose
		case len(p) == 0:
			return 0, nil
		}
		st.turn.Wait()
	}
	n := copy(p, b.data[b.at:])
	if b.at += n; b.at == len(b.data) {
		b.data, b.at = b.data[:0], 0
	}
	st.returnLocked(n)
	return n, nil
}

// bodyError hides the ways in which a client can go.
func bodyError(err error) error {
	if errors.Is(err, errReset) || errors.Is(err, errClosed) {
		return errBody
	}
	return err
}

// returnLocked lets the client send as much as was read.
func (st *stream) returnLocked(n int) {
	c := st.c
	c.creditLocked(n)
	if st.body.credit += n; st.body.credit >= streamWindow/4 && !st.heard && !st.gone {
		out := c.outLocked()
		out.b = appendWindow(out.b, st.id, uint32(st.body.credit))
		st.body.window += st.body.credit
		st.body.credit = 0
	}
	c.kickLocked()
}

// Close gives up what was not read. The client may go on sending until its window is full, or the answer ends.
func (r *bodyReader) Close() error {
	st := r.st
	st.c.mu.Lock()
	defer st.c.mu.Unlock()
	st.closeBodyLocked()
	return nil
}

func (st *stream) closeBodyLocked() {
	st.c.creditLocked(st.body.drop())
	st.turn.Broadcast()
	st.c.kickLocked()
}
