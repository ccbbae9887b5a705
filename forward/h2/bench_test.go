package h2

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// The client here costs as much as the server, and takes turns with it: compare servers by h2load and /proc/PID/stat.

func BenchmarkSmall(b *testing.B) { benchmark(b, make([]byte, 1024), 16) }
func BenchmarkLarge(b *testing.B) { benchmark(b, make([]byte, 16<<20), 1) }

func benchmark(b *testing.B, body []byte, together int) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	})
	reply := &Reply{Block: AppendHeader(AppendStatus(nil, 200), http.Header{"Content-Length": {strconv.Itoa(len(body))}}), Body: body}
	b.Run("net/http", func(b *testing.B) {
		std := httptest.NewUnstartedServer(handler)
		std.EnableHTTP2 = true
		std.StartTLS()
		defer std.Close()
		load(b, std.Listener.Addr().String(), len(body), together)
	})
	b.Run("handler", func(b *testing.B) {
		w := newWorld(b, &Server{Handler: handler})
		load(b, w.url[len("https://"):], len(body), together)
	})
	b.Run("ready", func(b *testing.B) {
		w := newWorld(b, &Server{Handler: handler, Ready: func(*Head) (*Reply, bool) { return reply, true }})
		load(b, w.url[len("https://"):], len(body), together)
	})
}

// load asks for so many at once, over one connection.
func load(b *testing.B, addr string, size, together int) {
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	framer := http2.NewFramer(conn, conn)
	framer.SetReuseFrames()
	io.WriteString(conn, http2.ClientPreface)
	framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxWindow})
	block := hpack.AppendHuffmanString(nil, "") // nothing; the four fields follow
	block = append(block, 0x82, 0x87, 0x84, 0x41, 1, 'a')
	b.SetBytes(int64(size))
	b.ResetTimer()
	next, open, left := uint32(1), 0, 0
	for done := 0; done < b.N; {
		for ; open < together && done+open < b.N; open++ {
			if left -= size; left < size {
				framer.WriteWindowUpdate(0, 1<<30)
				left += 1 << 30
			}
			framer.WriteHeaders(http2.HeadersFrameParam{StreamID: next, EndStream: true, EndHeaders: true, BlockFragment: block})
			next += 2
		}
		f, err := framer.ReadFrame()
		if err != nil {
			b.Fatal(err)
		}
		if d, ok := f.(*http2.DataFrame); ok && d.StreamEnded() {
			open--
			done++
		}
	}
}
