package h2

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// witness hears a server and knows what it may say when (RFC 9113 sections 5.1, 6.9 and 8.1).
type witness struct {
	mu      sync.Mutex
	streams map[uint32]*testimony
	window  int64 // of the connection: what the client gave and the server did not use
	initial int64 // the most that the client gave to new streams
}

// testimony is what was heard of one stream.
type testimony struct {
	final bool // the status came
	over  bool // by END_STREAM or RST_STREAM
	given int64
	used  int64
}

func newWitness() *witness {
	return &witness{streams: map[uint32]*testimony{}, window: defaultWindow, initial: defaultWindow}
}

func (w *witness) of(id uint32) *testimony {
	if w.streams[id] == nil {
		w.streams[id] = &testimony{}
	}
	return w.streams[id]
}

// grant notes what a client is about to say. What a server may refuse counts, too: this bounds what it may send.
func (w *witness) grant(said []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(said) >= frameHead {
		f, length := parseHead(said)
		if said = said[frameHead:]; length > len(said) {
			return
		}
		p := said[:length]
		said = said[length:]
		switch {
		case f.kind == frameWindow && length == 4 && f.stream == 0:
			w.window += int64(uint32(p[0]&0x7f)<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3]))
		case f.kind == frameWindow && length == 4:
			w.of(f.stream).given += int64(uint32(p[0]&0x7f)<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3]))
		case f.kind == frameSettings:
			for ; len(p) >= 6; p = p[6:] {
				if p[1] == settingInitialWindow {
					w.initial = max(w.initial, int64(uint32(p[2])<<24|uint32(p[3])<<16|uint32(p[4])<<8|uint32(p[5])))
				}
			}
		}
	}
}

// listen reads frames to the end, and tells of the first that should not have come.
func (w *witness) listen(conn net.Conn) error {
	framer := http2.NewFramer(nil, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		f, err := framer.ReadFrame()
		var connection http2.ConnectionError
		var stream http2.StreamError
		if errors.As(err, &connection) || errors.As(err, &stream) {
			return err
		}
		if err != nil {
			return nil
		}
		if why := w.hear(f); why != "" {
			return fmt.Errorf("%v: %s", f, why)
		}
	}
}

func (w *witness) hear(f http2.Frame) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := f.Header().StreamID
	if id == 0 {
		return ""
	}
	st := w.of(id)
	if _, reset := f.(*http2.RSTStreamFrame); st.over && !reset {
		return "the stream is over"
	}
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		interim := strings.HasPrefix(f.PseudoValue("status"), "1")
		if st.final && (len(f.PseudoFields()) > 0 || !f.StreamEnded()) || !st.final && len(f.PseudoFields()) != 1 {
			return "neither an answer nor trailers"
		}
		st.final = st.final || !interim
		st.over = f.StreamEnded()
	case *http2.DataFrame:
		n := int64(f.Header().Length)
		st.used, w.window = st.used+n, w.window-n
		switch {
		case !st.final:
			return "a body without an answer"
		case w.window < 0 || st.used > w.initial+st.given:
			return "more than the client's window allows"
		}
		st.over = f.StreamEnded()
	case *http2.RSTStreamFrame:
		st.over = true
	}
	return ""
}

// audit looks into the books of connections on which nothing moves.
func audit(t *testing.T, s *Server) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.mu.Lock()
		if c.err == nil {
			for _, fault := range c.faultsLocked() {
				t.Errorf("a connection at rest\ngot  %s", fault)
			}
		}
		c.mu.Unlock()
	}
}

func (c *conn) faultsLocked() (faults []string) {
	expect := func(what string, got, want any) {
		if got != want {
			faults = append(faults, fmt.Sprintf("%s %v\nwant %v", what, got, want))
		}
	}
	running, uploads, unread := 0, 0, 0
	for _, st := range c.streams {
		b := &st.body
		left := len(b.data) - b.at
		unread += left
		if st.handled {
			running++
		}
		if !st.heard {
			uploads++
		}
		if !b.closed {
			expect("window of a body", b.window+b.credit+left, streamWindow)
		}
		if len(st.pending) > 0 {
			expect("an answer with leave to be sent", st.window > 0 && c.window > 0, false)
			expect("an answer that waits for its window alone", st.window > 0 && !st.queued, false)
		}
		expect("in line", st.queued, slices.Contains(c.starved, st))
		expect("a block not sent", st.block != nil, false)
		expect("a stream that is gone", st.gone, false)
	}
	for _, st := range c.starved {
		expect("a starved stream that is gone", st.gone, false)
	}
	expect("handlers", c.running, running)
	expect("uploads", c.uploads, uploads)
	expect("window of the connection", c.recv+c.credit+int64(unread), int64(connWindow))
	expect("somebody writes", c.writing, false)
	expect("nothing to write", c.idleLocked(), true)
	return faults
}
