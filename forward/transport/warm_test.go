package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hither/forward/wiretest"
)

func TestWarmConnectsAhead(t *testing.T) {
	for _, c := range []struct {
		name  string
		h2    bool
		plain bool
		n     int
	}{{"HTTP/2", true, false, 0}, {"HTTP/2 in three lanes", true, false, 3}, {"HTTP/1.1", false, false, 2}, {"without TLS", false, true, 1}} {
		t.Run(c.name, func(t *testing.T) {
			var conns, requests atomic.Int64
			var warm sync.Map
			var frozen atomic.Bool
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				requests.Add(1)
				remote(w, req)
			}))
			s.EnableHTTP2 = c.h2
			s.Config.ConnState = func(conn net.Conn, state http.ConnState) {
				if state == http.StateNew {
					if !frozen.Load() {
						warm.Store(conn.RemoteAddr().String(), true)
					}
					conns.Add(1)
				}
			}
			known := func(addr string) bool { _, ok := warm.Load(addr); return ok }
			start := s.StartTLS
			if c.plain {
				start = s.Start
			}
			start()
			defer s.Close()
			config := Config{}
			if !c.plain {
				config.RootCAs = rootsOf(s)
			}
			p := New(config)
			defer p.Close()
			want := int64(c.n) + 1
			for range 2 { // the second time there is nothing to do
				if err := p.Warm(t.Context(), s.URL+"/base/", c.n); err != nil {
					t.Fatal(err)
				}
			}
			until(t, "all are accepted", func() bool { return conns.Load() >= want })
			if requests.Load() != 0 {
				t.Errorf("got  %d requests\nwant none", requests.Load())
			}
			if got := conns.Load(); got != want {
				t.Errorf("got  %d connections\nwant %d", got, want)
			}
			time.Sleep(50 * time.Millisecond) // net/http tells nobody that it has put a connection by, some moments after it is made
			frozen.Store(true)
			for lane := range c.n + 1 {
				if from := lined(t, p, s.URL, lane); !known(from) {
					t.Errorf("lane %d\ngot  %s, a new connection\nwant one of those that are warm", lane, from)
				}
			}
		})
	}
}

func TestWarmTellsWhatIsWrong(t *testing.T) {
	s := httptest.NewUnstartedServer(wiretest.Says("ok"))
	s.Config.ErrorLog = discardLog
	s.StartTLS()
	defer s.Close()
	p := New(Config{})
	defer p.Close()
	if err := p.Warm(t.Context(), s.URL, 1); err == nil || strings.Count(err.Error(), "not vouched for") != 2 {
		t.Errorf("got  %v\nwant twice that the certificate is not vouched for", err)
	}
	if p.chosen.census(0).has(strings.TrimPrefix(s.URL, "https://")) {
		t.Error("a connection is counted that is none any more")
	}
	s.Close()
	if err := p.Warm(t.Context(), s.URL, 0); err == nil {
		t.Error("nobody listens\ngot  no error")
	}
	for _, base := range []string{"", "one.example", "ftp://one.example/", "https://"} {
		if err := p.Warm(t.Context(), base, 0); err == nil || !strings.Contains(err.Error(), "write https://HOST") {
			t.Errorf("%q\ngot  %v", base, err)
		}
	}
	hang := New(Config{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }})
	defer hang.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	leave := errors.New("the client left")
	cancel(leave)
	if err := hang.Warm(ctx, "https://192.0.2.1/", 0); !errors.Is(err, leave) {
		t.Errorf("got  %v\nwant %v", err, leave)
	}
}
