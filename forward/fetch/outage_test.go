package fetch_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/dial"
	"hither/forward/fetch"
	"hither/forward/wiretest"
)

// network fails between two moments: nobody can be connected to, and what was under way stands still for good.
type network struct {
	http.RoundTripper
	down, up time.Time
	lasts    bool         // a connection outlives that: what is on its way comes when the network is back, or some time later
	hangs    bool         // it does not fail: the host takes connections, and is silent on them
	stands   bool         // nor that: the host is silent on one that was there
	refuses  bool         // nor that: nobody listens
	probes   atomic.Int64 // of reg
}

func (n *network) away() bool { return time.Now().After(n.down) && time.Now().Before(n.up) }

func (n *network) reach(_ context.Context, base string) error {
	if base == "https://reg" {
		n.probes.Add(1)
	}
	if n.RoundTripper.(*world).hosts[strings.TrimPrefix(base, "https://")].dead { // else it may be seen before reg is
		return errors.New("connection refused")
	}
	if n.away() && !n.hangs && !n.stands && !n.refuses {
		return errors.New("network is unreachable")
	}
	return nil
}

// lacks says that a mirror, which another way leads to, has not what is asked for.
func (n *network) lacks(req *http.Request) bool {
	h := n.RoundTripper.(*world).hosts[req.URL.Host]
	return !h.dead && h.files[req.URL.Path] == nil
}

func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	switch {
	case n.away() && n.hangs:
		httptrace.ContextClientTrace(req.Context()).ConnectDone("tcp", "reg", nil)
		return nil, cmp.Or(pause(req.Context(), 10*time.Second), errors.New("TLS handshake timeout"))
	case n.away() && n.stands:
		<-req.Context().Done()
		return nil, req.Context().Err()
	case n.away() && !n.lacks(req):
		return nil, errors.New("network is unreachable, or nobody listens")
	}
	before := time.Now().Before(n.down)
	resp, err := n.RoundTripper.RoundTrip(req)
	if err == nil && before {
		ctx, cancel := context.WithCancel(req.Context())
		resp.Body = &severed{resp.Body, ctx, cancel, n.down, nil}
		if n.lasts {
			resp.Body.(*severed).until = time.After(time.Until(n.up) + n.up.Sub(n.down)*3/4)
		}
	}
	return resp, err
}

// severed is a body whose connection is lost at a moment, without a word.
type severed struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelFunc
	from   time.Time
	until  <-chan time.Time // nil: for ever
}

func (s *severed) Close() error {
	s.cancel()
	return s.ReadCloser.Close()
}

func (s *severed) Read(p []byte) (int, error) {
	if !time.Now().Before(s.from) {
		select {
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		case <-s.until:
			s.from = s.from.Add(time.Hour)
		}
	}
	return s.ReadCloser.Read(p)
}

// cutOff makes a world of one slow origin, whose network is away from the fifth second on.
func cutOff(t *testing.T, away time.Duration) (*world, *network) {
	w := newWorld(t)
	w.hosts["reg"].rate = 1 << 20
	w.hosts["near"].dead, w.hosts["far"].dead = true, true
	down := time.Now().Add(5 * time.Second)
	n := &network{RoundTripper: w, down: down, up: down.Add(away)}
	w.Transport, w.Reach = n, n.reach
	return w, n
}

// Without us the client's connection outlives that: its sender only sends again.
func TestABodyGoesOnWhenTheNetworkIsBack(t *testing.T) {
	for _, c := range []struct {
		name string
		away time.Duration
		took time.Duration // at most
		ok   bool
	}{
		{"after a moment", 5 * time.Second, 30 * time.Second, true},
		{"after a while", 60 * time.Second, 80 * time.Second, true},
		{"never", time.Hour, 100 * time.Second, false},
	} {
		for kind, parts := range map[string]bool{"pinned": false, "pinned, in parts": true, "not pinned": false} {
			t.Run(c.name+", "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w, _ := cutOff(t, c.away)
					w.parts = parts
					body := noise(12 << 20)
					path := w.blob(body)
					if kind == "not pinned" {
						path = "/zip/m@v1"
						w.put(path, body)
						w.notary["gosum"].digest, w.notary["gosum"].err = h1mod(string(body)), nil
					}
					began := time.Now()
					got, err := "", error(nil)
					a, err := w.open(w.request(path))
					if err == nil {
						var all []byte
						all, err = io.ReadAll(a.Body)
						got = string(all)
						a.Body.Close()
					}
					if took := time.Since(began); (err == nil) != c.ok || took > c.took || c.ok && got != string(body) {
						t.Errorf("\n got %d bytes, %v after %s\nwant %t within %s", len(got), err, took, c.ok, c.took)
					}
				})
			})
		}
	}
}

// What is no outage ends as soon as without all that.
func TestWhatIsNoOutage(t *testing.T) {
	for _, c := range []struct {
		name   string
		wire   func(*world, *network)
		probes int64 // at most
	}{
		{"a server that hangs on new connections", func(_ *world, n *network) { n.hangs = true }, 1},
		{"a server that hangs on an old connection", func(_ *world, n *network) { n.stands = true }, 1},
		{"a server that refuses is asked once more", func(_ *world, n *network) { n.refuses = true }, 2},
		{"mirrors that lack it answer", func(w *world, _ *network) {
			for _, name := range []string{"near", "far"} {
				w.hosts[name].dead, w.hosts[name].files = false, nil
			}
		}, 0},
		{"nothing has come yet, since the start", func(_ *world, n *network) { n.down = n.down.Add(-time.Minute) }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			took := func(reach bool) (took time.Duration) {
				synctest.Test(t, func(t *testing.T) {
					w, n := cutOff(t, time.Hour)
					path := w.blob(noise(12 << 20))
					if c.wire(w, n); !reach {
						w.Reach = nil
					}
					began := time.Now()
					a, err := w.open(w.request(path))
					if err == nil {
						_, err = io.ReadAll(a.Body)
						a.Body.Close()
					}
					if err == nil {
						t.Error("a body that never came\n got its end\nwant an error")
					}
					if got := n.probes.Load(); got > c.probes || reach && got == 0 && c.probes > 0 {
						t.Errorf("probes\n got %d\nwant %d at most, and one if any", got, c.probes)
					}
					took = time.Since(began)
				})
				return took
			}
			if with, without := took(true), took(false); with > without {
				t.Errorf("until it is given up\n got %s\nwant %s", with, without)
			}
		})
	}
}

func TestAClientThatGoesEndsTheWaitForTheNetwork(t *testing.T) {
	for _, waits := range []bool{false, true} { // on its connection
		synctest.Test(t, func(t *testing.T) {
			w, n := cutOff(t, time.Hour)
			path := w.blob(noise(12 << 20))
			if n.lasts = waits; waits {
				path = "/doc/x"
				w.put(path, noise(12<<20))
			}
			a, err := w.open(w.request(path))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
			if got := w.Waiting(); got != 1 {
				t.Errorf("waiting, on its connection %t\n got %d\nwant 1", waits, got)
			}
			a.Body.Close()
			time.Sleep(2 * time.Second)
			if got := w.Waiting(); got != 0 {
				t.Errorf("waiting after the client has gone, on its connection %t\n got %d\nwant none", waits, got)
			}
			before := n.probes.Load()
			if before == 0 {
				t.Fatal("probes amid the outage\n got none\nwant some")
			}
			time.Sleep(20 * time.Second)
			if got := n.probes.Load() - before; got > 0 {
				t.Errorf("probes after the client has gone, %t\n got %d\nwant none", waits, got)
			}
		})
	}
}

// What cannot be asked for in ranges would come from its first byte; over its connection it goes on, as without us.
func TestABodyWithoutRangesWaitsOnItsConnection(t *testing.T) {
	for _, away := range []time.Duration{5 * time.Second, 40 * time.Second, time.Hour} {
		t.Run(away.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, n := cutOff(t, away)
				n.lasts, w.hosts["reg"].noRange = true, true
				body := noise(12 << 20)
				w.put("/doc/x", body)
				a, err := w.open(w.request("/doc/x"))
				if err != nil {
					t.Fatal(err)
				}
				defer a.Body.Close()
				began := time.Now()
				got, err := io.ReadAll(a.Body)
				if back := away < outage; back != (err == nil) || back && string(got) != string(body) || !back && time.Since(began) > 2*outage {
					t.Errorf("\n got %d bytes, %v after %s\nwant %d, unless the network stays away", len(got), err, time.Since(began), len(body))
				}
				if got := w.seen(); len(got) != 1 && away < outage {
					t.Errorf("asked\n got %v\nwant once", got)
				}
			})
		})
	}
}

// outage is for how long a body waits.
const outage = 75 * time.Second

func TestTheErrorAfterAnOutageNamesTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := cutOff(t, time.Hour)
		var told []string
		w.Trace.Waits = func(_ fetch.Request, err error) { told = append(told, err.Error()) }
		a, err := w.open(w.request(w.blob(noise(12 << 20))))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if _, err := io.ReadAll(a.Body); err == nil || !strings.Contains(err.Error(), "nothing could be connected to for 1m15s") {
			t.Errorf("\n got %v\nwant one that names the network", err)
		}
		if want := "network is unreachable"; len(told) != 1 || !strings.Contains(told[0], want) {
			t.Errorf("told of the wait\n got %q\nwant once: %s", told, want)
		}
	})
}

// refuse is what the dialer says of an upstream proxy that refuses, after a second and a half.
func refuse(ctx context.Context) error {
	return cmp.Or(pause(ctx, 1500*time.Millisecond), fmt.Errorf("upstream proxy: %w", dial.ErrDenied))
}

// It has answered in the place of whomever it stands before, so that there is a network, and to ask again helps nobody.
func TestAProxyThatRefusesIsNoAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.get("/doc/somebody has answered before")
		asked := 0
		w.Transport = wiretest.RoundTrip(func(req *http.Request) (*http.Response, error) {
			asked++
			return nil, refuse(req.Context())
		})
		w.Reach = func(ctx context.Context, _ string) error { return refuse(ctx) }
		for name, ask := range map[string]func() error{
			"a fill": func() error { _, err := w.all(w.request("/doc/x")); return err },
			"what is passed on": func() error {
				return w.Persist(t.Context(), "https://reg", func(ctx context.Context) error { asked++; return refuse(ctx) })
			},
		} {
			began := time.Now()
			asked = 0
			err := ask()
			if took := time.Since(began); err == nil || took > 1500*time.Millisecond || asked != 1 || strings.Contains(err.Error(), "this machine's network") {
				t.Errorf("%s\n got %v after %s, asked %d times\nwant its refusal after 1.5s, asked once", name, err, took, asked)
			}
		}
	})
}
