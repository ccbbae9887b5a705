package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hither/forward/dial"
	"hither/forward/wiretest"
)

// slowHello is a server whose handshakes take a while. It counts the connections it accepted.
func slowHello(t *testing.T, h2 bool, answer http.HandlerFunc) (s *httptest.Server, accepted *atomic.Int64) {
	t.Helper()
	accepted = new(atomic.Int64)
	s = httptest.NewUnstartedServer(answer)
	s.EnableHTTP2 = h2
	s.Config.ErrorLog = discardLog
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepted.Add(1)
		}
	}
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		time.Sleep(50 * time.Millisecond)
		return nil, nil
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, accepted
}

// burst sends n requests at once, and tells how many were not answered with 200.
func burst(t *testing.T, rt http.RoundTripper, url string, n int) (failed int64) {
	t.Helper()
	var all sync.WaitGroup
	var bad atomic.Int64
	for range n {
		all.Go(func() {
			if got := wiretest.Get(t, rt, url); got != "200 ok" {
				bad.Add(1)
			}
		})
	}
	all.Wait()
	return bad.Load()
}

// Without the gate, 64 connections were made for the first 90 requests, and 63 of them thrown away.
func TestManyRequestsToANewHostMakeOneConnection(t *testing.T) {
	s, accepted := slowHello(t, true, wiretest.Says("ok"))
	p := New(Config{RootCAs: rootsOf(s)})
	defer p.Close()
	if bad := burst(t, p, s.URL, 90); bad > 0 {
		t.Errorf("got  %d requests that failed\nwant none", bad)
	}
	if got := accepted.Load(); got > 2 { // one that comes between the handshake and its end may dial again
		t.Errorf("got  %d connections\nwant one", got)
	}
}

// A host that speaks HTTP/1.1 needs a connection for each request: only the first handshake ever is waited for.
func TestAPlainHostIsDialledFreely(t *testing.T) {
	const n = 20
	var meet sync.WaitGroup
	meet.Add(n)
	s, accepted := slowHello(t, false, func(w http.ResponseWriter, _ *http.Request) {
		meet.Done()
		meet.Wait() // all are under way at once, or none is answered
		io.WriteString(w, "ok")
	})
	file := filepath.Join(t.TempDir(), "sessions")
	for _, start := range []string{"the first", "the second"} {
		var dials atomic.Int64
		all := make(chan struct{})
		p := New(Config{RootCAs: rootsOf(s), Sessions: file, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials.Add(1) == n {
				close(all)
			}
			if start == "the second" {
				select {
				case <-all:
				case <-time.After(headStart / 2):
					return nil, errors.New("not everybody dials at once")
				}
			}
			return new(dial.Dialer).DialContext(ctx, network, addr)
		}})
		if bad := burst(t, p, s.URL, n); bad > 0 {
			t.Errorf("%s time\ngot  %d requests that failed\nwant none", start, bad)
		}
		p.Close()
		meet.Add(n)
	}
	if got := accepted.Load(); got != 2*n {
		t.Errorf("got  %d connections\nwant %d", got, 2*n)
	}
}

func TestAFirstDialThatComesToNothingHoldsNobody(t *testing.T) {
	s, accepted := slowHello(t, true, wiretest.Says("ok"))
	for _, c := range []struct {
		name        string
		first       func(context.Context) error
		failed      int64
		connections int64
	}{
		{"it fails", func(context.Context) error { return errors.New("refused") }, 1, 64},
		{"it hangs", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 0, 2},
	} {
		var dials atomic.Int64
		p := New(Config{RootCAs: rootsOf(s), Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				ctx, cancel := context.WithTimeout(ctx, 2*headStart)
				defer cancel()
				if err := c.first(ctx); err != nil {
					return nil, err
				}
			}
			return new(dial.Dialer).DialContext(ctx, network, addr)
		}})
		before := accepted.Load()
		if failed := burst(t, p, s.URL, 90); failed > c.failed {
			t.Errorf("%s\ngot  %d requests that failed\nwant %d", c.name, failed, c.failed)
		}
		if got := accepted.Load() - before; got > c.connections {
			t.Errorf("%s\ngot  %d connections\nwant at most %d", c.name, got, c.connections)
		}
		p.Close()
	}
}

// A client that leaves does not wait for a handshake that others make.
func TestWaitingForAFirstConnectionEndsWithTheRequest(t *testing.T) {
	hang := make(chan struct{})
	begun := make(chan struct{}, 9)
	p := New(Config{Dial: func(context.Context, string, string) (net.Conn, error) {
		begun <- struct{}{}
		<-hang
		return nil, errors.New("nobody there")
	}})
	defer p.Close()
	var all sync.WaitGroup
	defer all.Wait()
	defer close(hang)
	all.Go(func() { wiretest.Get(t, p, "https://192.0.2.1/") })
	<-begun
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("the client left")
	time.AfterFunc(20*time.Millisecond, func() { cancel(left) })
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://192.0.2.1/", nil)
	if _, err := p.RoundTrip(req); !errors.Is(err, left) {
		t.Errorf("got  %v\nwant %v", err, left)
	}
	if err := p.Warm(ctx, "https://192.0.2.1/", 0); err != nil {
		t.Errorf("got  %v\nwant nothing to do: a connection is on its way", err)
	}
	if len(begun) > 0 {
		t.Error("it dialled too")
	}
}

// A server that takes few requests on a connection gets more connections.
func TestAFullConnectionIsJoinedByOthers(t *testing.T) {
	const n = 12
	var meet sync.WaitGroup
	meet.Add(n)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		meet.Done()
		meet.Wait()
		io.WriteString(w, "ok")
	}))
	s.EnableHTTP2 = true
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 4}
	s.StartTLS()
	defer s.Close()
	p := New(Config{RootCAs: rootsOf(s)})
	defer p.Close()
	if bad := burst(t, p, s.URL, n); bad > 0 {
		t.Errorf("got  %d requests that failed\nwant none", bad)
	}
}
