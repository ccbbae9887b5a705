package transport

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hither/forward/dial"
	"hither/forward/wiretest"
)

// The connection of a network that is gone takes the request and loses it.
func TestWhatALostConnectionSwallowedIsAskedOnceMore(t *testing.T) {
	for _, c := range []struct {
		name, method, body string
		h2, ok             bool
		asked              int64
	}{
		{"HTTP/2", http.MethodGet, "", true, true, 3},
		{"HTTP/1.1", http.MethodHead, "", false, true, 3},
		{"what may not be asked twice", http.MethodPost, "an upload", true, false, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int64
			var dial dialling
			s, _ := upstream(t, c.h2, func(w http.ResponseWriter, req *http.Request) {
				if asked.Add(1) == 2 {
					dial.cut()
					<-req.Context().Done()
					return
				}
				io.WriteString(w, "here")
			})
			pool := New(Config{RootCAs: rootsOf(s), Dial: dial.DialContext})
			t.Cleanup(pool.CloseIdleConnections)
			want(t, wiretest.Get(t, pool, s.URL), "200 here")
			req, _ := http.NewRequestWithContext(t.Context(), c.method, s.URL, strings.NewReader(c.body))
			if c.body == "" {
				req.Body, req.GetBody = http.NoBody, nil
			}
			resp, err := pool.RoundTrip(req)
			if err == nil {
				resp.Body.Close()
			}
			if (err == nil) != c.ok || asked.Load() != c.asked {
				t.Errorf("\n got %v, asked %d times\nwant %t, %d", err, asked.Load(), c.ok, c.asked)
			}
		})
	}
}

// Where the ground is gone, nothing comes over HTTP/3 either, and nobody says so.
func TestWhatALostConnectionSwallowedDoesNotWaitForHTTP3(t *testing.T) {
	w := newTwin(t, false)
	var cutting dialling
	p := w.pool(t, func(c *Config) {
		c.Dial, c.Datagrams, c.HeaderTimeout = cutting.DialContext, new(dial.Dialer).Datagrams, time.Minute
	})
	prefer(t, w, p)
	var asked atomic.Int64
	w.set(func() {
		w.answer = func(rw http.ResponseWriter, req *http.Request) {
			if req.ProtoMajor == 2 && asked.Add(1) > 1 {
				io.WriteString(rw, req.Proto)
				return
			}
			if req.ProtoMajor == 2 {
				cutting.cut()
			}
			<-req.Context().Done()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	if got := wiretest.Send(p, req); got != "200 HTTP/2.0" || asked.Load() != 2 {
		t.Errorf("got  %s, asked %d times over TCP\nwant 200 HTTP/2.0, twice", got, asked.Load())
	}
}

// A host that closes each connection is asked twice at most.
func TestWhatIsLostOverANewConnectionIsNotAskedAgain(t *testing.T) {
	var asked atomic.Int64
	var dial dialling
	s, _ := upstream(t, true, func(http.ResponseWriter, *http.Request) { asked.Add(1); dial.cut() })
	pool := New(Config{RootCAs: rootsOf(s), Dial: dial.DialContext})
	t.Cleanup(pool.CloseIdleConnections)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	if _, err := pool.RoundTrip(req); err == nil || asked.Load() != 1 {
		t.Errorf("\n got %v, asked %d times\nwant an error, once", err, asked.Load())
	}
}

// A connection that carries the refusal of a request is not lost.
func TestWhatIsRefusedIsNotAskedAgain(t *testing.T) {
	var asked atomic.Int64
	s, _ := upstream(t, true, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 1 {
			panic(http.ErrAbortHandler) // resets the stream
		}
		io.WriteString(w, "here")
	})
	pool := New(Config{RootCAs: rootsOf(s)})
	t.Cleanup(pool.CloseIdleConnections)
	want(t, wiretest.Get(t, pool, s.URL), "200 here")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	if _, err := pool.RoundTrip(req); err == nil || asked.Load() != 2 {
		t.Errorf("\n got %v, asked %d times\nwant an error, twice in all", err, asked.Load())
	}
}

// Behind a sign-in page all names lead to it, and when it lets go they are remembered for as long as it said.
func TestWhereAStrangerAnswersTheNameIsLookedUpAnew(t *testing.T) {
	s, _ := upstream(t, true, wiretest.Says("here"))
	stranger := strings.TrimPrefix(certified(t, "login.test"), "https://")
	for _, c := range []struct {
		name, method string
		moved        bool
		want         string
		doubts       int
	}{
		{"it has let go", http.MethodGet, true, "200 here", 1},
		{"it has not", http.MethodGet, false, "sign in", 1},
		{"what has a body", http.MethodPost, true, "sign in", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			leads, doubts, dialled := stranger, 0, time.Time{}
			pool := New(Config{
				RootCAs: rootsOf(s),
				Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
					dialled = time.Now()
					return new(dial.Dialer).DialContext(ctx, network, leads)
				},
				Doubt: func(host string, since time.Time) bool {
					want(t, host, "example.com")
					if since.After(dialled) {
						t.Errorf("got  doubted since %s later than it was connected to\nwant since before", since.Sub(dialled))
					}
					if doubts++; c.moved {
						leads = s.Listener.Addr().String()
					}
					return c.moved
				},
			})
			t.Cleanup(pool.CloseIdleConnections)
			req, _ := http.NewRequestWithContext(t.Context(), c.method, "https://example.com/", nil)
			if c.method == http.MethodPost {
				req.Body = io.NopCloser(strings.NewReader("an upload"))
			}
			if got := wiretest.Send(pool, req); !strings.HasSuffix(got, c.want) || doubts != c.doubts {
				t.Errorf("got  %s, doubted %d times\nwant …%s, %d times", got, doubts, c.want, c.doubts)
			}
		})
	}
}

// dialling knows its connections.
type dialling struct {
	mu   sync.Mutex
	open []net.Conn
}

func (d *dialling) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(dial.Dialer).DialContext(ctx, network, addr)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = append(d.open, conn)
	return conn, err
}

func (d *dialling) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range d.open {
		conn.Close()
	}
	d.open = nil
}
