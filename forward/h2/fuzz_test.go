package h2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// FuzzServe: whatever a client sends, nothing panics, what comes back are frames, Serve returns, and no goroutine stays.
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
	s := &Server{
		MaxStreams: 5,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second))
			}
			io.Copy(w, r.Body)
			w.Write(make([]byte, 40000))
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
	near, far := net.Pipe()
	ended := make(chan struct{})
	go func() { s.Serve(far, nil); close(ended) }()
	heard := make(chan error)
	go func() { heard <- listen(near) }()
	near.SetWriteDeadline(time.Now().Add(time.Hour))
	io.WriteString(near, http2.ClientPreface)
	near.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0})
	near.Write(said)
	time.Sleep(time.Second)
	near.Close()
	if err := <-heard; err != nil {
		t.Errorf("the server says\ngot  %v\nwant frames", err)
	}
	<-ended
}

// listen reads frames to the end.
func listen(conn net.Conn) error {
	framer := http2.NewFramer(nil, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		_, err := framer.ReadFrame()
		var connection http2.ConnectionError
		var stream http2.StreamError
		if errors.As(err, &connection) || errors.As(err, &stream) {
			return err
		}
		if err != nil {
			return nil
		}
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
