package forward

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"hither/rules"
)

// script is a connection whose client sends all of its bytes, a step at a time, and then leaves.
type script struct {
	step int

	mu     sync.Mutex
	in     []byte
	out    bytes.Buffer
	closed chan struct{}
	late   bool
}

func (c *script) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.late:
		return 0, os.ErrDeadlineExceeded
	case len(c.in) == 0:
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.step)], c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *script) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

func (c *script) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return nil
}

func (c *script) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = !t.IsZero() && t.Before(time.Now())
	return nil
}

func (c *script) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *script) SetWriteDeadline(time.Time) error { return nil }
func (c *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// hotKey is the one thing that lies ready in the tests here.
func hotKey() string { return string(appendKey(nil, realm("http", ""), "h.test", "/hot", "", "")) }

// echo answers what would lie ready as it lies ready, and tells of anything else what it was.
func echo(w http.ResponseWriter, r *http.Request) {
	if readyKey(r) == hotKey() {
		w.Header()["Age"] = []string{"0"}
		w.Header()["Content-Length"] = []string{"3"}
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "hot")
		return
	}
	body, err := io.ReadAll(r.Body)
	text := fmt.Sprintf("%s %s %s %q %q %v", r.Method, r.RequestURI, r.Host, r.Header, body, err)
	w.Header()["Content-Length"] = []string{fmt.Sprint(len(text))}
	io.WriteString(w, text)
}

// newReadyServer has the one thing lying ready. Its user cancels it and closes what is ready.
func newReadyServer(t *testing.T) *Server {
	set := new(rules.Set)
	s := &Server{Rules: func() *rules.Set { return set }}
	s.ctx, s.cancel = context.WithCancel(t.Context())
	now := time.Now()
	s.ready.add(&Ready{
		key: hotKey(), set: set, until: now.Add(time.Hour), checked: now, body: []byte("hot"),
		front: []byte("HTTP/1.1 200 OK\r\n"), back: []byte("Content-Length: 3\r\n"),
	}, 0, now)
	return s
}

// converse has net/http answer a client, with what lies ready in front of it or alone.
func converse(t *testing.T, text []byte, step int, front bool) string {
	t.Helper()
	s := newReadyServer(t)
	defer s.cancel()
	defer s.ready.close()
	client := &script{in: bytes.Clone(text), step: step, closed: make(chan struct{})}
	var conn net.Conn = client
	if front {
		conn = s.newHot(client, realm("http", ""), nil, nil)
	}
	door := newHandoff()
	server := &http.Server{Handler: http.HandlerFunc(echo), ConnState: turn, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	go server.Serve(door)
	defer server.Close()
	door.offer(conn)
	select {
	case <-client.closed:
	case <-time.After(time.Minute):
		t.Fatalf("%q in steps of %d (ready in front: %v)\ngot:  a connection that does not end\nwant: one that ends with its client", text, step, front)
	}
	client.mu.Lock()
	defer client.mu.Unlock()
	return dates.ReplaceAllString(client.out.String(), "Date\r\n")
}

var dates = regexp.MustCompile(`Date: [^\r]*\r\n`)

const hotGet = "GET /hot HTTP/1.1\r\nHost: h.test\r\n\r\n"

// FuzzHot wants the same bytes out, whoever answers.
func FuzzHot(f *testing.F) {
	for _, seed := range []string{
		hotGet, hotGet + hotGet + "GET /cold HTTP/1.1\r\nHost: h.test\r\n\r\n" + hotGet,
		"GET /hot HTTP/1.1\r\nHost: h.test\r\nContent-Length: 38\r\n\r\n" + hotGet + hotGet,
		"POST /x HTTP/1.1\r\nHost: h.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + hotGet,
		"HEAD /hot HTTP/1.1\r\nHost: h.test\r\n\r\n" + hotGet,
		"GET /hot HTTP/1.1\nHost: h.test\n\n" + hotGet,
		"GET /hot HTTP/1.1\r\nHost: h.test\r\n folded: x\r\n\r\n" + hotGet,
		"GET /hot HTTP/1.1\r\nHost: h.test\r\nHost: h.test\r\n\r\n" + hotGet,
		"GET /hot HTTP/1.1\r\nHost : h.test\r\n\r\n" + hotGet,
		"GET /hot HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\n\r\n" + hotGet,
		"GET /hot HTTP/1.0\r\nHost: h.test\r\n\r\n" + hotGet,
		"\r\n" + hotGet, "GET  /hot HTTP/1.1\r\nHost: h.test\r\n\r\n", "GET /hot HTTP/1.1\r\n\r\n" + hotGet, "GET /hot HTTP/1.1\r\nHost: h",
		"GET /hot HTTP/1.1\r\nHost: h.test\r\nExpect: 100-continue\r\n\r\n" + hotGet, "GET http://h.test/hot HTTP/1.1\r\nHost: h.test\r\n\r\n" + hotGet,
		"GET /hot HTTP/1.1\r\nHost: h.test\r\nAccept:\r\n\r\n" + hotGet, "GET /hot HTTP/1.1\r\nhost:\th.test \r\n\r\n" + hotGet,
	} {
		f.Add([]byte(seed), uint16(4096))
		f.Add([]byte(seed), uint16(1))
		f.Add([]byte(seed), uint16(40))
	}
	f.Fuzz(func(t *testing.T, text []byte, step uint16) {
		if len(text) > 16<<10 || step == 0 {
			return
		}
		got, want := converse(t, text, int(step), true), converse(t, text, int(step), false)
		if got != want {
			t.Errorf("%q in steps of %d\ngot:  %q\nwant: %q", text, step, got, want)
		}
	})
}

// What lies ready is looked for before net/http sees a head, and the time of that counts.
func TestHalfAHeadIsWaitedForOnce(t *testing.T) {
	for what, before := range map[string]string{
		"at first":                          "",
		"behind what lay ready":             hotGet,
		"behind what net/http has answered": "GET /cold HTTP/1.1\r\nHost: h.test\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newReadyServer(t)
			defer s.cancel()
			defer s.ready.close()
			near, far := net.Pipe()
			defer near.Close()
			door := newHandoff()
			server := &http.Server{Handler: http.HandlerFunc(echo), ConnState: turn, ReadHeaderTimeout: headerWait, IdleTimeout: idleWait}
			go server.Serve(door)
			defer server.Close()
			door.offer(s.newHot(far, realm("http", ""), nil, nil))
			began := time.Now()
			go io.WriteString(near, before+"GET /cold HTTP/1.1\r\nHos")
			_, _ = io.Copy(io.Discard, near)
			if got := time.Since(began); got != headerWait {
				t.Errorf("%s\ngot:  the connection ended after %s\nwant: %s", what, got, headerWait)
			}
		})
	}
}

func TestHeadsThatAreKnown(t *testing.T) {
	for text, want := range map[string]struct {
		length int
		hot    bool
	}{
		hotGet:                {len(hotGet), true},
		hotGet + "GET /":      {len(hotGet), true},
		hotGet[:20]:           {unfinished, true},
		"":                    {unfinished, false},
		"HE":                  {unfinished, false},
		"POST":                {strange, false},
		"GET /a HTTP/1.1\r\n": {unfinished, true},
		"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n":                                   {37, false},
		"GET /a HTTP/1.1\r\n\r\n":                                                         {19, false},
		"GET /a HTTP/1.1\r\nHost: a\r\nCookie: a\r\n\r\n":                                 {39, false},
		"GET /a HTTP/1.1\r\nHost: a\r\nAccept: b\r\nAccept: c\r\n\r\n":                    {50, false},
		"GET /a HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n":                    {52, true},
		"GET /a HTTP/1.1\r\nHost: a\r\nA-Name-That-Is-Longer-Than-Any-We-Know: b\r\n\r\n": {71, false},
		"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n":                         {strange, true},
		"GET /a HTTP/1.1\r\nHost: a\n\r\n":                                                {strange, true},
		"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n":                                            {strange, true},
		"GET /a HTTP/1.1\r\nHost: \x01\r\n\r\n":                                           {strange, true},
	} {
		head, length := readHead([]byte(text))
		if length != want.length || length > 0 && head.hot != want.hot {
			t.Errorf("%q\ngot:  %d, hot: %v\nwant: %d, hot: %v", text, length, head.hot, want.length, want.hot)
		}
	}
}

func TestWhatLiesReadyIsBounded(t *testing.T) {
	var s readies
	defer s.close()
	now := time.Now()
	for i := range 2000 {
		s.add(&Ready{key: fmt.Sprint(i), until: now.Add(readyLife), body: make([]byte, readyBody)}, 0, now)
		if s.bytes > readyRoom {
			t.Fatalf("bytes\ngot:  %d\nwant: at most %d", s.bytes, readyRoom)
		}
	}
	if s.find([]byte("0"), nil, now) != nil || s.find([]byte("1999"), nil, now) == nil {
		t.Error("the oldest stayed, or the newest went")
	}
	if s.find([]byte("1999"), nil, now.Add(readyLife)) != nil {
		t.Error("it outlived its time")
	}
	s.add(&Ready{key: "x", until: now.Add(2 * readyLife)}, 0, now.Add(readyLife))
	if len(s.byKey) != 1 || len(s.order) != 1 {
		t.Errorf("kept when their time is over\ngot:  %d\nwant: 1", len(s.order))
	}
	found := s.age.Load()
	s.forget()
	s.add(&Ready{key: "y", until: now.Add(2 * readyLife)}, found, now)
	if len(s.byKey) != 0 || len(s.order) != 0 || s.bytes != 0 {
		t.Errorf("what was found before it was forgotten\ngot:  %d kept\nwant: none", len(s.order))
	}
}

// TestAConnectionThatWaitsKeepsNoAnswer lets what a client got be forgotten while its connection stays.
func TestAConnectionThatWaitsKeepsNoAnswer(t *testing.T) {
	s := &Server{Rules: func() *rules.Set { return nil }}
	defer s.ready.close()
	h := s.newHot(nothing{}, realm("http", ""), nil, nil)
	now := time.Now()
	s.ready.add(&Ready{key: hotKey(), until: now.Add(time.Hour), body: make([]byte, readyBody)}, 0, now)
	ready := weak.Make(s.ready.find([]byte(hotKey()), nil, now))
	if err := h.answer(ready.Value(), now); err != nil {
		t.Fatal(err)
	}
	s.ready.forget()
	runtime.GC()
	if ready.Value() != nil {
		t.Error("an answer is in memory\ngot:  as long as its last client stays\nwant: as long as it lies ready")
	}
	runtime.KeepAlive(h)
}

func TestFieldsStandAsNetHTTPWritesThem(t *testing.T) {
	front, back := fields(http.Header{"Via": {"a", "b"}, "Age": {"1"}, "Accept-Ranges": {"bytes"}, "Content-Type": nil, "Etag": {"x"}})
	got := string(slices.Concat(front, []byte("|"), back))
	want := "HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\n|Etag: x\r\nVia: a\r\nVia: b\r\n"
	if got != want {
		t.Errorf("got:  %q\nwant: %q", got, want)
	}
}

// BenchmarkReady is a request that lies ready, without the wire.
func BenchmarkReady(b *testing.B) {
	set := new(rules.Set)
	s := &Server{Rules: func() *rules.Set { return set }, ctx: b.Context()}
	now := time.Now()
	s.ready.add(&Ready{key: hotKey(), set: set, until: now.Add(time.Hour), checked: now, body: make([]byte, 1024), front: make([]byte, 50), back: make([]byte, 300)}, 0, now)
	defer s.ready.close()
	h := s.newHot(nothing{}, realm("http", ""), nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		head, _ := readHead([]byte(hotGet))
		ready, at := h.ready(head)
		if err := h.answer(ready, at); err != nil {
			b.Fatal(err)
		}
	}
}

// nothing takes everything and says nothing.
type nothing struct{ net.Conn }

func (nothing) Write(p []byte) (int, error)      { return len(p), nil }
func (nothing) SetReadDeadline(time.Time) error  { return nil }
func (nothing) SetWriteDeadline(time.Time) error { return nil }
