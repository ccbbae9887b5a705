package h2

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// world is a server on loopback, and a client that trusts it.
type world struct {
	server *Server
	url    string
	roots  *x509.CertPool
	client *http.Client
	log    *safeBuffer
}

// newWorld serves until the test ends. It fails the test if Serve does not return then.
func newWorld(t testing.TB, s *Server) *world {
	t.Helper()
	std := httptest.NewUnstartedServer(nil)
	std.StartTLS()
	std.Close() // only its certificate is of use
	w := &world{server: s, roots: x509.NewCertPool(), log: &safeBuffer{}}
	w.roots.AddCert(std.Certificate())
	if s.ErrorLog == nil {
		s.ErrorLog = log.New(w.log, "", 0)
	}
	config := &tls.Config{Certificates: std.TLS.Certificates, NextProtos: []string{"h2"}, DynamicRecordSizingDisabled: true}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { serveTLS(s, conn, config) })
		}
	})
	w.url = "https://" + l.Addr().String()
	w.client = newClient(t, w.roots)
	t.Cleanup(func() {
		l.Close()
		w.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		serving.Wait()
	})
	return w
}

func serveTLS(s *Server, conn net.Conn, config *tls.Config) {
	sealed := tls.Server(NewCork(conn), config)
	if sealed.Handshake() != nil {
		conn.Close()
		return
	}
	state := sealed.ConnectionState()
	s.Serve(sealed, &state)
}

func newClient(t testing.TB, roots *x509.CertPool) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DisableCompression: true,
		ExpectContinueTimeout: 5 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// raw is a client that says what a real one would not.
type raw struct {
	t      testing.TB
	conn   net.Conn
	framer *http2.Framer
	block  bytes.Buffer
	enc    *hpack.Encoder
	ended  chan struct{} // Serve has returned
}

// newRaw connects to s in the clear and exchanges settings.
func newRaw(t testing.TB, s *Server, settings ...http2.Setting) *raw {
	r := newSilent(t, s)
	r.hello(settings...)
	return r
}

// newSilent connects and says nothing.
func newSilent(t testing.TB, s *Server) *raw {
	t.Helper()
	near, far := newPipe()
	r := &raw{t: t, conn: near, framer: http2.NewFramer(near, near), ended: make(chan struct{})}
	r.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.framer.AllowIllegalWrites = true
	r.enc = hpack.NewEncoder(&r.block)
	go func() {
		defer close(r.ended)
		s.Serve(far, nil)
	}()
	t.Cleanup(func() {
		near.Close()
		<-r.ended
	})
	return r
}

func (r *raw) hello(settings ...http2.Setting) {
	io.WriteString(r.conn, http2.ClientPreface)
	r.framer.WriteSettings(settings...)
	for {
		f := r.read()
		if s, ok := f.(*http2.SettingsFrame); ok && s.IsAck() {
			return
		}
	}
}

// read is the next frame. It fails the test if there is none.
func (r *raw) read() http2.Frame {
	r.t.Helper()
	f, err := r.framer.ReadFrame()
	if err != nil {
		r.t.Fatalf("reading a frame\ngot  %v\nwant one", err)
	}
	return f
}

// fields encodes name, value, name, value.
func (r *raw) fields(pairs ...string) []byte {
	r.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		r.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return bytes.Clone(r.block.Bytes())
}

// ask sends the head of a request.
func (r *raw) ask(id uint32, end bool, pairs ...string) {
	r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: end, EndHeaders: true, BlockFragment: r.fields(pairs...)})
}

func (r *raw) get(id uint32, path string) {
	r.ask(id, true, ":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", path)
}

// status is that of the next answer; other frames are skipped.
func (r *raw) status() string {
	r.t.Helper()
	for {
		if h, ok := r.read().(*http2.MetaHeadersFrame); ok {
			return h.PseudoValue("status")
		}
	}
}

// fate is how a stream or the connection ends: "END", "RST name", "GOAWAY name", "EOF".
func (r *raw) fate(id uint32) string {
	for {
		f, err := r.framer.ReadFrame()
		if err != nil {
			return "EOF"
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			return "GOAWAY " + f.ErrCode.String()
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return "RST " + f.ErrCode.String()
			}
		case *http2.DataFrame:
			if f.StreamID == id && f.StreamEnded() {
				return "END"
			}
		case *http2.MetaHeadersFrame:
			if f.StreamID == id && f.StreamEnded() {
				return "END"
			}
		}
	}
}

// newPipe is net.Pipe with room for what is not read yet: a client that writes must not wait for a server that writes.
func newPipe() (near, far net.Conn) {
	near, far = net.Pipe()
	return newRoomy(near), far
}

// roomy reads ahead without bounds.
type roomy struct {
	net.Conn
	mu   sync.Mutex
	deaf bool // one more write is heard, and no other
	come *sync.Cond
	data []byte
	err  error
}

func newRoomy(c net.Conn) *roomy {
	r := &roomy{Conn: c}
	r.come = sync.NewCond(&r.mu)
	go func() {
		p := make([]byte, 64<<10)
		for {
			r.mu.Lock()
			for r.deaf {
				r.come.Wait()
			}
			r.mu.Unlock()
			n, err := c.Read(p)
			r.mu.Lock()
			r.data, r.err = append(r.data, p[:n]...), err
			r.come.Broadcast()
			r.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return r
}

func (r *roomy) setDeaf(deaf bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaf = deaf
	r.come.Broadcast()
}

func (r *roomy) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.data) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.come.Wait()
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}
