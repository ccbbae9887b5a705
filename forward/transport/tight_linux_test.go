package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/mark"
	"hither/forward/wiretest"
)

// narrowPath is a way on which long packets get lost: a handshake hangs, unless its connection carries short ones.
type narrowPath struct {
	t       *testing.T
	server  func(net.Conn)
	hangs   bool // short ones do not help
	wide    bool // long ones do not get lost
	refuses bool // nobody listens
	dials   []bool
}

func (n *narrowPath) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	n.t.Cleanup(func() { near.Close(); far.Close() })
	n.dials = append(n.dials, mark.IsTight(ctx))
	if n.refuses {
		return nil, errRefused
	}
	if n.hangs || !n.wide && !mark.IsTight(ctx) {
		go io.Copy(io.Discard, far)
	} else {
		go n.server(far)
	}
	return near, nil
}

// onNarrowPath runs a test with a pool and a server, to which a narrow path leads.
func onNarrowPath(t *testing.T, test func(t *testing.T, p *Pool, path *narrowPath)) {
	s, _ := slowHello(t, false, wiretest.Says("ok"))
	config := s.TLS.Clone()
	config.GetConfigForClient = nil
	serve := func(conn net.Conn) {
		for c := tls.Server(conn, config); ; {
			buf := make([]byte, 64<<10)
			if _, err := c.Read(buf); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}
	synctest.Test(t, func(t *testing.T) {
		path := &narrowPath{t: t, server: serve}
		p := New(Config{RootCAs: rootsOf(s), Dial: path.dial})
		defer p.Close()
		test(t, p, path)
	})
}

// asks wants an answer after so long, and such dials for it: T with short packets, l with long ones.
func (n *narrowPath) asks(what string, p *Pool, answer, dials string, after time.Duration) {
	n.t.Helper()
	n.dials = nil
	began := time.Now()
	got, made := wiretest.Get(n.t, p, "https://example.com/"), ""
	took := time.Since(began)
	for _, tight := range n.dials {
		made += map[bool]string{false: "l", true: "T"}[tight]
	}
	if got != answer || made != dials || took < after || took > after+time.Second {
		n.t.Errorf("%s\n got %s, dials %s, after %s\nwant %s, dials %s, after %s", what, got, made, took, answer, dials, after)
	}
	p.CloseIdle()
}

var errRefused = errors.New("refused")

const tooLate = "net/http: TLS handshake timeout"

// What a router loses without a word is lost to us alone: the first message of many clients fits in a packet, ours does not.
func TestAHandshakeThatHangsIsTriedWithShortPackets(t *testing.T) {
	onNarrowPath(t, func(_ *testing.T, p *Pool, path *narrowPath) {
		path.refuses = true
		path.asks("nobody listens", p, errRefused.Error(), "l", 0)
		path.refuses = false
		path.asks("they help", p, "200 ok", "lT", handshakePatience)
		path.asks("from then on", p, "200 ok", "T", 0)
		path.hangs = true
		path.asks("nobody answers for a while", p, tooLate, "T", handshakePatience)
		path.hangs = false
		path.asks("then they help as before", p, "200 ok", "T", 0)
		time.Sleep(tightFor - handshakePatience)
		path.asks("an hour after the first time", p, "200 ok", "lT", handshakePatience)
	})
	onNarrowPath(t, func(_ *testing.T, p *Pool, path *narrowPath) {
		path.hangs = true
		path.asks("they do not help", p, tooLate, "lT", 2*handshakePatience)
		path.asks("from then on", p, tooLate, "T", handshakePatience)
		path.hangs = false
		path.asks("somebody answers after all", p, "200 ok", "T", 0)
	})
}

func TestAnotherNetworkHasOtherPackets(t *testing.T) {
	onNarrowPath(t, func(_ *testing.T, p *Pool, path *narrowPath) {
		path.asks("on the one", p, "200 ok", "lT", handshakePatience)
		p.CloseIdleConnections()
		path.wide = true
		path.asks("on the other", p, "200 ok", "l", 0)
	})
	onNarrowPath(t, func(t *testing.T, p *Pool, path *narrowPath) {
		go wiretest.Get(t, p, "https://example.com/")
		time.Sleep(handshakePatience / 2)
		p.CloseIdleConnections()
		time.Sleep(handshakePatience)
		synctest.Wait()
		p.CloseIdle()
		path.wide = true
		path.asks("after a handshake that the change has cut off", p, "200 ok", "l", 0)
	})
}

// What is measured is what traffic gets, else a source that serves it is left alone because it seems to hang.
func TestAProbeHasTheShortPacketsOfThePool(t *testing.T) {
	onNarrowPath(t, func(t *testing.T, p *Pool, path *narrowPath) {
		probe, done, err := p.Single("")
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		path.asks("traffic", p, "200 ok", "lT", handshakePatience)
		path.dials = nil
		if got := wiretest.Get(t, probe, "https://example.com/"); got != "200 ok" || !slices.Equal(path.dials, []bool{true}) {
			t.Errorf("a probe\n got %s, with short packets %v\nwant 200 ok, [true]", got, path.dials)
		}
		p.CloseIdleConnections()
		path.wide, path.dials = true, nil
		if got := wiretest.Get(t, probe, "https://example.com/"); got != "200 ok" || !slices.Equal(path.dials, []bool{false}) {
			t.Errorf("on another network\n got %s, with short packets %v\nwant 200 ok, [false]", got, path.dials)
		}
	})
}

func TestHostsWithShortPacketsAreBounded(t *testing.T) {
	var hosts tightHosts
	for range maxOrigins + 10 {
		hosts.late(time.Now().String())
	}
	hosts.late("reg:443")
	if got := len(hosts.until); got > maxOrigins || !hosts.has("reg:443") {
		t.Errorf("known\n got %d\nwant %d at most, and the last one", got, maxOrigins)
	}
}

// A request that got another connection, over which it was lost, may have been done: that its own hangs says nothing of that.
func TestWhatWasSentIsNotTriedWithShortPackets(t *testing.T) {
	s, _ := slowHello(t, true, wiretest.Says("ok"))
	var posts atomic.Int64
	config := s.TLS.Clone()
	config.GetConfigForClient = nil
	synctest.Test(t, func(t *testing.T) {
		served := make(wiretest.Pipes)
		var carried net.Conn // by which that of another request goes
		server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodPost {
				posts.Add(1)
				time.Sleep(2 * handshakePatience)
				carried.Close()
			}
		})}
		go server.Serve(served)
		defer server.Close()
		var dials atomic.Int64
		p := New(Config{RootCAs: rootsOf(s), Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			t.Cleanup(func() { near.Close(); far.Close() })
			if dials.Add(1) == 1 {
				go io.Copy(io.Discard, far)
				return near, nil
			}
			carried = far
			served <- tls.Server(far, config)
			return near, nil
		}})
		defer p.Close()
		go func() {
			time.Sleep(headStart / 2)
			wiretest.Get(t, p, "https://example.com/")
		}()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com/", nil)
		if got := wiretest.Send(p, req); posts.Load() != 1 || dials.Load() != 2 {
			t.Errorf("\n got %s, asked %d times, dials %d\nwant it asked once", got, posts.Load(), dials.Load())
		}
	})
}
