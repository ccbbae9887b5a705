package h2

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// FuzzServe: whatever a client sends, nothing panics, what comes back is what a server may say, the books of a connection at
// rest are in order, Serve returns, and no goroutine stays.
// synctest sees to the last: its bubble does not end while one is left.
func FuzzServe(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		if len(said) > 1<<18 {
			return
		}
		synctest.Test(t, func(t *testing.T) { talk(t, said) })
	})
}

// talk sends said after a sound beginning, and then nothing.
func talk(t *testing.T, said []byte) {
	s := fuzzed(t)
	near, far := net.Pipe()
	ended := make(chan struct{})
	go func() { s.Serve(far, nil); close(ended) }()
	heard := make(chan error)
	ear := newWitness()
	ear.grant(said)
	go func() { heard <- ear.listen(near) }()
	near.SetWriteDeadline(time.Now().Add(time.Hour))
	io.WriteString(near, http2.ClientPreface)
	near.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0})
	near.Write(said)
	leave(t, s, near, heard)
	<-ended
}

// leave looks into the books when all is at rest, and ends the connection.
func leave(t *testing.T, s *Server, near net.Conn, heard <-chan error) {
	t.Helper()
	time.Sleep(2 * time.Second)
	synctest.Wait()
	audit(t, s)
	near.Close()
	if err := <-heard; err != nil {
		t.Errorf("the server says\ngot  %v\nwant what it may", err)
	}
}

// fuzzed is a server that does all that handlers do.
func fuzzed(t *testing.T) *Server {
	return &Server{
		MaxStreams: 5,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/wait":
				http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second))
			case "/hints":
				w.WriteHeader(http.StatusEarlyHints)
				w.Header().Set("Trailer", "Sum")
			case "/ignore":
				w.WriteHeader(http.StatusForbidden)
				return
			case "/late":
				http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
			}
			io.Copy(w, r.Body)
			w.Write(make([]byte, 40000))
			w.Header().Set("Sum", "1")
			if r.URL.Path == "/panic" {
				panic(http.ErrAbortHandler)
			}
		}),
		Ready: func(h *Head) (*Reply, bool) {
			for _, v := range []string{h.Method, h.Scheme, h.Authority, h.Path} {
				if !validValue(v) {
					t.Errorf("Ready sees %q\nwant what is sound", v)
				}
			}
			for _, field := range h.Fields {
				if checkField(field) != "" {
					t.Errorf("Ready sees %v\nwant what is sound", field)
				}
			}
			return &Reply{Block: AppendStatus(nil, 200), Body: make([]byte, 30000)}, h.Path == "/ready"
		},
	}
}

func seeds() [][]byte {
	var all [][]byte
	add := func(say func(f *http2.Framer, block func(pairs ...string) []byte)) {
		var b, h bytes.Buffer
		enc := hpack.NewEncoder(&h)
		framer := http2.NewFramer(&b, nil)
		framer.AllowIllegalWrites = true
		say(framer, func(pairs ...string) []byte {
			h.Reset()
			for i := 0; i < len(pairs); i += 2 {
				enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
			}
			return bytes.Clone(h.Bytes())
		})
		all = append(all, b.Bytes())
	}
	head := func(method, path string) []string {
		return []string{":method", method, ":scheme", "https", ":authority", "a", ":path", path}
	}
	for _, path := range []string{"/", "/ready", "/panic", "/wait"} {
		add(func(f *http2.Framer, block func(...string) []byte) {
			f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(head("GET", path)...), EndStream: true, EndHeaders: true})
			f.WriteWindowUpdate(1, 100000)
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block(head("POST", path)...), EndHeaders: true, PadLength: 3})
			f.WriteDataPadded(3, false, []byte("hello"), []byte{0, 0})
			f.WriteWindowUpdate(0, 1<<30)
			f.WriteData(3, true, []byte("hello"))
			f.WriteRSTStream(3, http2.ErrCodeCancel)
		})
	}
	add(func(f *http2.Framer, block func(...string) []byte) {
		fragment := block(append(head("PUT", "/"), "content-length", "10", "trailer", "x", "expect", "100-continue")...)
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: fragment[:4]})
		f.WriteContinuation(1, true, fragment[4:])
		f.WriteData(1, false, []byte("0123456789"))
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block("x", "y"), EndStream: true, EndHeaders: true})
		f.WritePing(false, [8]byte{1})
		f.WritePriority(1, http2.PriorityParam{StreamDep: 3})
		f.WriteGoAway(0, 0, nil)
	})
	return all
}

// FuzzStory is FuzzServe with a client that knows the language: what it says is drawn from said, two bytes a frame.
func FuzzStory(f *testing.F) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		story := make([]byte, 200)
		for i := range story {
			story[i] = byte(random.Uint32())
		}
		f.Add(story)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		if len(said) > 2000 {
			return
		}
		synctest.Test(t, func(t *testing.T) { tell(t, said) })
	})
}

// tell plays a client that does what the bytes of said stand for.
func tell(t *testing.T, said []byte) {
	s := fuzzed(t)
	near, far := newPipe()
	ended := make(chan struct{})
	go func() { s.Serve(far, nil); close(ended) }()
	heard := make(chan error)
	ear := newWitness()
	ear.initial = 0 // the settings that come first say more
	go func() { heard <- ear.listen(near) }()
	near.SetWriteDeadline(time.Now().Add(time.Hour))
	io.WriteString(near, http2.ClientPreface)
	var b bytes.Buffer
	teller := &raw{t: t, framer: http2.NewFramer(&b, nil)}
	teller.framer.AllowIllegalWrites = true
	teller.enc = hpack.NewEncoder(&teller.block)
	teller.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 20000})
	next := uint32(1)
	for ; len(said) > 1; said = said[2:] {
		switch what := said[0] % 16; {
		case what == 15 && said[1] < 8:
			go s.Shutdown(t.Context()) // Serve returns in any case
		case what > 13:
			time.Sleep(time.Duration(said[1]) * 10 * time.Millisecond)
		default:
			next = teller.say(what, said[1], next)
		}
		ear.grant(b.Bytes())
		if b.Len() > 0 { // a pipe would wake its reader for nothing
			near.Write(b.Bytes())
		}
		b.Reset()
	}
	leave(t, s, near, heard)
	<-ended
}

// say is one frame, or two: a says which stream, or how much. next is the stream that was not begun yet.
func (r *raw) say(what, a byte, next uint32) uint32 {
	path := []string{"/", "/ready", "/panic", "/wait", "/hints", "/ignore", "/late"}[a%7]
	id := next - 2*uint32(a%8) - 2 // mostly one of the last eight
	switch {
	case next == 1:
		what &= 1 // to begin with
	case a == 0:
		id = next
	case id > next:
		id = 1
	}
	head := []string{":method", "GET", ":scheme", "https", ":authority", "a", ":path", path}
	switch what {
	case 0, 1:
		head[1] = []string{"GET", "POST", "PUT", "HEAD"}[a>>6]
		if a&0x20 != 0 {
			head = append(head, "expect", "100-continue", "trailer", "x")
		}
		r.ask(next, what == 0, head...)
		return next + 2
	case 2, 3:
		r.framer.WriteData(id, what == 3, make([]byte, int(a)*64))
	case 4:
		r.framer.WriteRSTStream(id, http2.ErrCodeCancel)
	case 5:
		r.framer.WriteWindowUpdate(id, uint32(a)*500)
	case 6:
		r.framer.WriteWindowUpdate(0, uint32(a)*100)
	case 7:
		r.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(a) * 100}, http2.Setting{ID: http2.SettingHeaderTableSize})
	case 8:
		r.framer.WritePing(a&1 != 0, [8]byte{a})
	case 9:
		if a < 64 {
			r.ask(id, a < 60, "x", "y")
		}
	case 10:
		block := r.fields(append(head, "content-length", "64")...)
		r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: next, BlockFragment: block[:4], EndStream: a&0x80 != 0})
		r.framer.WriteContinuation(next, a&0x40 == 0, block[4:])
		return next + 2
	case 11:
		r.framer.WriteDataPadded(id, a&0x80 != 0, make([]byte, a&0x3f), make([]byte, a))
	case 12:
		if a < 8 {
			r.framer.WriteGoAway(0, http2.ErrCodeNo, nil)
		}
	case 13:
		r.framer.WritePriority(id, http2.PriorityParam{StreamDep: uint32(a)})
	}
	return next
}
