package forward_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"hither/forward"
	"hither/forward/fetch"
	"hither/forward/wiretest"
	"hither/rules"
)

// slow is a connection on which a kilobyte comes a second, and in the end nothing more.
type slow struct {
	net.Conn
	left int         // bytes until then
	out  chan []byte // a pipe has no buffer, and two who both write first would wait for each other
	gone chan struct{}
	once sync.Once
}

func newSlow(c net.Conn, left int) *slow {
	s := &slow{Conn: c, left: left, out: make(chan []byte, 100), gone: make(chan struct{})}
	go func() {
		for {
			select {
			case p := <-s.out:
				s.Conn.Write(p)
			case <-s.gone:
				return
			}
		}
	}()
	return s
}

func (s *slow) Write(p []byte) (int, error) {
	select {
	case s.out <- bytes.Clone(p):
		return len(p), nil
	case <-s.gone:
		return 0, net.ErrClosed
	}
}

func (s *slow) Read(p []byte) (int, error) {
	next := time.After(time.Second)
	if s.left <= 0 {
		next = nil
	}
	select {
	case <-next:
	case <-s.gone:
		return 0, net.ErrClosed
	}
	n, err := s.Conn.Read(p[:min(len(p), s.left, 1<<10)])
	s.left -= n
	return n, err
}

func (s *slow) Close() error {
	s.once.Do(func() { close(s.gone) })
	return s.Conn.Close()
}

// slowWays are the ways to a client on which Hither writes.
var slowWays = []struct {
	what, scheme string
	h2           bool
}{
	{"in the clear", "http", false},
	{"HTTP/1.1 in TLS", "https", false},
	{"HTTP/2", "https", true},
}

// slowSize is more than we write at once, so that some of it waits for the client.
const slowSize = 600 << 10

// askSlowly asks for it over a slow way on which so many bytes come. It returns how many of the body did, when the answer had ended for
// us, and how.
func askSlowly(t *testing.T, scheme string, h2 bool, most int) (came int64, took time.Duration, failed error) {
	ca, l, done := newTestCA(t), make(wiretest.Pipes), make(chan error, 1)
	set, err := rules.Load(fstest.MapFS{"reg.toml": {Data: []byte(strings.ReplaceAll(regFile, "ORIGIN", "https://origin.test"))}})
	if err != nil {
		t.Fatal(err)
	}
	script := content(strings.Repeat("x", slowSize), nil)
	s := &forward.Server{
		Rules: func() *rules.Set { return set },
		Fetch: func(_ context.Context, req fetch.Request) (*fetch.Answer, error) { return script(req) },
		CA:    ca,
		Done:  func(d forward.Done) { done <- d.Err },
	}
	go s.Serve(l)
	defer s.Shutdown(t.Context())
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	carrier := &http.Transport{
		Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: ca.pool()}, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			l <- far
			return newSlow(near, most), nil
		},
	}
	defer carrier.CloseIdleConnections()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+"/forever/a", nil)
	began := time.Now()
	res, err := carrier.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var reader sync.WaitGroup
	reader.Go(func() { came, _ = io.Copy(io.Discard, res.Body) })
	failed = <-done
	took = time.Since(began)
	if failed != nil {
		cancel()
	}
	reader.Wait()
	return came, took, failed
}

func TestAClientThatReadsSlowlyGetsAll(t *testing.T) {
	for _, way := range slowWays {
		t.Run(way.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				came, took, err := askSlowly(t, way.scheme, way.h2, math.MaxInt)
				if came != slowSize || err != nil {
					t.Errorf("\ngot:  %d bytes, and after %s %v\nwant: %d", came, took, err, slowSize)
				}
			})
		})
	}
}

func TestAClientThatTakesNothingMoreIsDropped(t *testing.T) {
	for _, way := range slowWays {
		t.Run(way.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, took, err := askSlowly(t, way.scheme, way.h2, 20<<10)
				if !errors.Is(err, forward.ErrAsleep) || took > 6*time.Minute {
					t.Errorf("\ngot:  %v after %s\nwant: the client's fault within six minutes", err, took)
				}
			})
		})
	}
}
