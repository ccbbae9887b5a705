package h2

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
)

func TestABodyIsAsLongAsAnnounced(t *testing.T) {
	for _, row := range []struct {
		what  string
		parts []string // the last one ends the body
		sound bool
	}{
		{"as announced", []string{"ab", "cde"}, true},
		{"too short", []string{"ab", ""}, false},
		{"too long, at the end", []string{"ab", "cdefg"}, false},
		{"too long, before the end", []string{"abcdefg", ""}, false},
	} {
		read := make(chan error, 1)
		r := newRaw(t, &Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			read <- err
		})})
		r.ask(1, false, ":method", "PUT", ":scheme", "https", ":authority", "a.test", ":path", "/", "content-length", "5")
		for i, part := range row.parts {
			r.framer.WriteData(1, i == len(row.parts)-1, []byte(part))
		}
		want := "END"
		if !row.sound {
			want = "RST PROTOCOL_ERROR"
		}
		if got := r.fate(1); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", row.what, got, want)
		}
		if err := <-read; (err == nil) != row.sound {
			t.Errorf("%s: the handler\ngot  %v\nwant success: %v", row.what, err, row.sound)
		}
	}
}

// TestPaddingIsGivenBack: a client that pads must not run out of window for it.
func TestPaddingIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
		})}
		r := newRaw(t, s)
		r.ask(1, false, ":method", "POST", ":scheme", "https", ":authority", "a.test", ":path", "/")
		stream, conn := int64(streamWindow), int64(connWindow)
		frames := make(chan http2.Frame)
		go func() {
			defer close(frames)
			for {
				f, err := r.framer.ReadFrame()
				if err != nil {
					return
				}
				if u, ok := f.(*http2.WindowUpdateFrame); ok {
					f = &http2.WindowUpdateFrame{FrameHeader: u.FrameHeader, Increment: u.Increment}
				}
				frames <- f
			}
		}()
		for range 6000 {
			for stream < 1256 || conn < 1256 {
				f, ok := <-frames
				if !ok {
					t.Fatal("got  the end of the connection\nwant a window")
				}
				if u, ok := f.(*http2.WindowUpdateFrame); ok && u.Header().StreamID == 1 {
					stream += int64(u.Increment)
				} else if ok {
					conn += int64(u.Increment)
				}
			}
			r.framer.WriteDataPadded(1, false, make([]byte, 1000), make([]byte, 255))
			stream, conn = stream-1256, conn-1256
		}
		r.framer.WriteData(1, true, nil)
		for f := range frames {
			if d, ok := f.(*http2.DataFrame); ok {
				if got := string(d.Data()); got != "6000000" {
					t.Errorf("got  %s\nwant 6000000", got)
				}
				break
			}
		}
		r.conn.Close()
		for f := range frames {
			t.Errorf("after the end\ngot  %v\nwant nothing", f)
		}
	})
}

func TestAPartialUploadIsStoppedWithoutHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRaw(t, server(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "enough") }))
		for id := uint32(1); id < 200; id += 2 {
			r.ask(id, false, ":method", "POST", ":scheme", "https", ":authority", "a.test", ":path", "/")
			if got := r.fate(id); got != "END" {
				t.Fatalf("got  %s\nwant END", got)
			}
			if got := r.fate(id); got != "RST NO_ERROR" {
				t.Fatalf("then\ngot  %s\nwant RST NO_ERROR", got)
			}
			for range 4 { // under way when the reset came; more, over all, than the window of the connection
				r.framer.WriteData(id, false, make([]byte, maxFrame))
			}
			r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: true, EndHeaders: true, BlockFragment: r.fields("sum", "1")})
		}
		r.framer.WritePing(false, [8]byte{1})
		for {
			switch f := r.read().(type) {
			case *http2.PingFrame:
				return
			case *http2.RSTStreamFrame, *http2.GoAwayFrame:
				t.Fatalf("got  %v\nwant the late data ignored", f)
			}
		}
	})
}

// TestAClientMaySendAllBeforeItReads: one with a single thread does.
func TestAClientMaySendAllBeforeItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
		})
		s.Ready = func(*Head) (*Reply, bool) {
			return &Reply{Block: AppendStatus(nil, 200), Body: make([]byte, 1000)}, true
		}
		r := newRaw(t, s)
		line := r.conn.(*roomy)
		line.setDeaf(true)
		r.ask(1, false, ":method", "POST", ":scheme", "https", ":authority", "a.test", ":path", "/")
		for id := uint32(3); id < 23; id += 2 {
			r.get(id, "/")
			r.framer.WriteData(1, false, make([]byte, 10000))
			synctest.Wait()
		}
		r.framer.WriteData(1, true, nil)
		line.setDeaf(false)
		ends := 0
		for ends < 11 {
			if d, ok := r.read().(*http2.DataFrame); ok && d.StreamEnded() {
				if ends++; d.StreamID == 1 && string(d.Data()) != "100000" {
					t.Errorf("got  %s\nwant 100000", d.Data())
				}
			}
		}
	})
}

func TestAClientIsAskedToGoOnOnlyWhenItsBodyIsRead(t *testing.T) {
	for _, row := range []struct {
		path, want string
	}{{"/read", "100 200"}, {"/ignore", "200"}} {
		r := newRaw(t, server(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/read" {
				io.ReadAll(r.Body)
			}
		}))
		r.ask(1, false, ":method", "PUT", ":scheme", "https", ":authority", "a.test", ":path", row.path, "expect", "100-continue")
		got := r.status()
		if got == "100" {
			r.framer.WriteData(1, true, []byte("x"))
			got += " " + r.status()
		}
		if got != row.want {
			t.Errorf("%s\ngot  %s\nwant %s", row.path, got, row.want)
		}
	}
}

// TestWindowsOfTheServerAreObeyed is section 6.9.1, and what bounds the memory that bodies take.
func TestWindowsOfTheServerAreObeyed(t *testing.T) {
	for _, row := range []struct {
		what    string
		streams int
		want    string
	}{{"a stream", 1, "RST FLOW_CONTROL_ERROR"}, {"the connection", 5, "GOAWAY FLOW_CONTROL_ERROR"}} {
		t.Run(row.what, func(t *testing.T) {
			r := newRaw(t, server(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			last := uint32(2*row.streams - 1)
			for id := uint32(1); id <= last; id += 2 {
				r.ask(id, false, ":method", "PUT", ":scheme", "https", ":authority", "a.test", ":path", "/")
				for range streamWindow / maxFrame {
					r.framer.WriteData(id, false, make([]byte, maxFrame))
				}
			}
			r.framer.WriteData(1, false, make([]byte, 1))
			if got := r.fate(1); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

// TestWhatNobodyReadsIsGivenBack: else a connection would be of no use after some uploads were cancelled.
func TestWhatNobodyReadsIsGivenBack(t *testing.T) {
	r := newRaw(t, server(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/close" {
			r.Body.Close()
		}
		<-r.Context().Done()
	}))
	window := connWindow
	for id := uint32(1); id < 100; id += 2 {
		path := "/wait"
		if id%4 == 1 {
			path = "/close"
		}
		r.ask(id, false, ":method", "PUT", ":scheme", "https", ":authority", "a.test", ":path", path)
		for range 10 {
			for window < maxFrame {
				if u, ok := r.read().(*http2.WindowUpdateFrame); ok && u.StreamID == 0 {
					window += int(u.Increment)
				}
			}
			r.framer.WriteData(id, false, make([]byte, maxFrame))
			window -= maxFrame
		}
		r.framer.WriteRSTStream(id, http2.ErrCodeCancel)
	}
}
