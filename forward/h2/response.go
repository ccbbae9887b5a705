package h2

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// bodySize is how much of an answer is kept until it is known whether that was all, in bytes.
const bodySize = 32 << 10

// bodyBuffer is for the body of an answer.
type bodyBuffer struct{ b []byte }

var bodyBuffers = sync.Pool{New: func() any { return &bodyBuffer{make([]byte, 0, bodySize)} }}

func (b *bodyBuffer) free() {
	b.b = b.b[:0]
	bodyBuffers.Put(b)
}

// response is the http.ResponseWriter of one request. After its handler has returned, everything fails.
type response struct {
	st       *stream
	head     bool // the method is HEAD
	header   http.Header
	answered atomic.Bool // the status was decided

	mu       sync.Mutex // one writes at a time, and nobody after the handler
	done     bool
	status   int
	block    []byte // header block, until it is sent
	sent     bool   // the block was given to the stream
	typed    bool   // there is a Content-Type, or must be none
	dated    bool
	declared int64 // Content-Length; -1: none
	written  int64
	trailers []string // announced
	buffer   *bodyBuffer
	room     [512]byte // for most blocks
}

// Header is for http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader is for http.ResponseWriter. What is below 200 is sent at once and may be followed by others.
func (w *response) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done {
		w.decide(status)
	}
}

// decide encodes the header as it is now.
func (w *response) decide(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if w.status != 0 || status == http.StatusSwitchingProtocols {
		return
	}
	if status < 200 {
		block := AppendHeader(AppendStatus(nil, status), w.header)
		st := w.st
		st.c.mu.Lock()
		st.informLocked(block)
		st.c.mu.Unlock()
		return
	}
	w.status = status
	w.answered.Store(true)
	w.block = AppendStatus(w.room[:0], status)
	w.typed = !mayHaveBody(status)
	for name, values := range w.header {
		w.encode(name, values)
	}
}

// encode adds one field to the block, and notes what it means for the answer.
func (w *response) encode(name string, values []string) {
	if perConnection(name) {
		if name == "Connection" && len(values) > 0 && strings.EqualFold(values[0], "close") {
			w.st.c.sayGoodbye()
		}
		return
	}
	switch name {
	case "Content-Length":
		if len(values) != 1 {
			return
		}
		n, err := strconv.ParseUint(values[0], 10, 63)
		if err != nil {
			return
		}
		w.declared = int64(n)
		if !mayHaveBody(w.status) && w.status != http.StatusNotModified {
			return
		}
	case "Content-Type", "Content-Encoding":
		w.typed = w.typed || name == "Content-Type" || len(values) > 0 && values[0] != ""
	case "Date":
		w.dated = true
	case "Trailer":
		for _, line := range values {
			for t := range strings.SplitSeq(line, ",") {
				if t = http.CanonicalHeaderKey(strings.TrimSpace(t)); mayTrail(t) {
					w.trailers = append(w.trailers, t)
				}
			}
		}
	}
	if strings.HasPrefix(name, http.TrailerPrefix) {
		return
	}
	for _, v := range values {
		w.block = AppendField(w.block, name, v)
	}
}

// complete adds what depends on the body: first is how it begins, length all of it; -1: more follows.
func (w *response) complete(first []byte, length int) {
	if w.head && w.buffer != nil {
		first = w.buffer.b
	}
	if !w.typed && len(first) > 0 {
		w.block = AppendField(w.block, "content-type", http.DetectContentType(first))
	}
	if w.declared < 0 && length >= 0 && mayHaveBody(w.status) && (!w.head || length > 0) {
		w.block = AppendField(w.block, "content-length", strconv.Itoa(length))
	}
	if !w.dated {
		w.block = append(w.block, w.st.c.server.dateBlock()...)
	}
}

func mayHaveBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// Write keeps up to [bodySize] bytes, and sends what is more. It returns when they are under way.
func (w *response) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.admit(len(p)); err != nil {
		return 0, err
	}
	if w.head {
		w.sniff(p)
		return len(p), nil
	}
	if len(p) >= bodySize {
		if err := w.flush(); err != nil {
			return 0, err
		}
		return len(p), w.send(p)
	}
	for rest := p; len(rest) > 0; {
		buffer := w.space()
		n := min(len(rest), bodySize-len(buffer.b))
		buffer.b = append(buffer.b, rest[:n]...)
		if rest = rest[n:]; len(rest) > 0 {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// WriteString is for io.StringWriter.
func (w *response) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// ReadFrom is for io.ReaderFrom: what does not fit into the first buffer is moved in large pieces.
func (w *response) ReadFrom(src io.Reader) (n int64, err error) {
	large := outBuffers.Get().(*outBuffer)
	defer large.free()
	for err == nil {
		var m int
		if m, err = io.ReadAtLeast(src, large.b[:outGoal], bodySize); m > 0 {
			written, failed := w.Write(large.b[:m])
			n += int64(written)
			if failed != nil {
				return n, failed
			}
		}
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}

// admit says whether n bytes more may be written.
func (w *response) admit(n int) error {
	if w.done {
		return errDone
	}
	if w.status == 0 {
		w.decide(http.StatusOK)
	}
	if !mayHaveBody(w.status) {
		return http.ErrBodyNotAllowed
	}
	if w.written += int64(n); w.declared >= 0 && w.written > w.declared {
		return http.ErrContentLength
	}
	return nil
}

// sniff keeps the beginning of what HEAD leaves out, for the Content-Type.
func (w *response) sniff(p []byte) {
	if buffer := w.space(); len(buffer.b) < 512 {
		buffer.b = append(buffer.b, p[:min(len(p), 512-len(buffer.b))]...)
	}
}

func (w *response) space() *bodyBuffer {
	if w.buffer == nil {
		w.buffer = bodyBuffers.Get().(*bodyBuffer)
	}
	return w.buffer
}

// flush sends what was kept.
func (w *response) flush() error {
	if w.buffer == nil || len(w.buffer.b) == 0 {
		return nil
	}
	err := w.send(w.buffer.b)
	w.buffer.b = w.buffer.b[:0]
	return err
}

// send waits until p is on its way, and the header in front of it.
func (w *response) send(p []byte) error {
	st := w.st
	c := st.c
	block := []byte(nil)
	if !w.sent {
		w.sent = true
		w.complete(p, -1)
		block = w.block
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.err != nil {
		return st.err
	}
	st.block, st.pending = block, p
	if block != nil || len(p) > 0 {
		c.queueLocked(st)
		c.kickLocked()
	}
	for st.err == nil && (st.block != nil || len(st.pending) > 0) {
		st.turn.Wait()
	}
	return st.err
}

// informLocked sends an interim answer. It waits while the client does not read.
func (st *stream) informLocked(block []byte) {
	c := st.c
	for c.out != nil && len(c.out.b) > outMost && st.err == nil {
		c.kickLocked()
		c.drained.Wait()
	}
	if st.err != nil {
		return
	}
	out := c.outLocked()
	out.b = appendBlock(out.b, st.id, false, c.tableUpdateLocked(), block)
	c.kickLocked()
}

// Flush is for http.Flusher.
func (w *response) Flush() { _ = w.FlushError() } // the next Write says the same

// FlushError is for http.ResponseController. It sends what was written until now, and the header.
func (w *response) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return errDone
	}
	if w.status == 0 {
		w.decide(http.StatusOK)
	}
	if w.head || w.buffer == nil || len(w.buffer.b) == 0 {
		return w.send(nil)
	}
	return w.flush()
}

// EnableFullDuplex is for http.ResponseController. HTTP/2 knows nothing else.
func (w *response) EnableFullDuplex() error { return nil }
