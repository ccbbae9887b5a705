package fetch_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache/digest"
	"hither/forward/fetch"
	"hither/forward/notary"
	"hither/rules"
)

// air is a network that carries nothing between two moments.
type air struct {
	http.RoundTripper
	down, up time.Time
	silent   bool   // packets are lost; else the machine says at once that it has no network
	spared   string // host that can be connected to all the while
	vain     bool   // what cannot be connected to never can
	asked    atomic.Int64
	probes   atomic.Int64
	told     atomic.Int64
}

func (n *air) RoundTrip(req *http.Request) (*http.Response, error) {
	n.asked.Add(1)
	if err := n.fails(req.Context(), req.URL.Host, 10*time.Second); err != nil {
		return nil, err
	}
	return n.RoundTripper.RoundTrip(req)
}

func (n *air) reach(ctx context.Context, base string) error {
	n.probes.Add(1)
	return n.fails(ctx, strings.TrimPrefix(base, "https://"), time.Hour)
}

// fails is why a host cannot be connected to, of which silence tells after so long.
func (n *air) fails(ctx context.Context, host string, silence time.Duration) error {
	now := time.Now()
	switch {
	case now.Before(n.down) || !now.Before(n.up) || host == n.spared:
		return nil
	case n.vain:
		return fetch.ErrInVain
	case n.silent:
		return cmp.Or(pause(ctx, silence), errors.New("i/o timeout"))
	}
	return errors.New("network is unreachable")
}

// airless makes a world whose network has carried something, and is away for so long from now on.
func airless(t *testing.T, away time.Duration) (*world, *air) {
	w := newWorld(t)
	n := &air{RoundTripper: w}
	w.Transport, w.Reach = n, n.reach
	w.Trace.Waits = func(fetch.Request, error) { n.told.Add(1) }
	w.put("/doc/before", []byte("x"))
	w.get("/doc/before")
	n.down, n.up = time.Now(), time.Now().Add(away)
	return w, n
}

// all opens and reads.
func (w *world) all(req fetch.Request) (string, error) {
	a, err := w.open(req)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	return string(body), err
}

// Without us a client's packets are only sent again, as long as it has patience: go 30 s, npm minutes.
func TestARequestOutlastsTheNetwork(t *testing.T) {
	for _, away := range []time.Duration{time.Second, 14 * time.Second, 27 * time.Second, 45 * time.Second, time.Hour} {
		for _, silent := range []bool{true, false} {
			for _, path := range []string{"/doc/x", "/list/x", "/tag/x", "/tar/x/x.tgz", "/zip/m@v1"} {
				synctest.Test(t, func(t *testing.T) {
					w, n := airless(t, away)
					n.silent = silent
					w.put(path, []byte("abc"))
					began := time.Now()
					got, err := w.all(w.request(path))
					took, back := time.Since(began), away < outage
					if back && (err != nil || got != "abc") || !back && err == nil || took > min(away, 2*outage)+40*time.Second {
						t.Errorf("%s, away for %s, silent %t\n got %q, %v after %s\nwant it, if the network comes back", path, away, silent, got, err, took)
					}
					if want := "look at this machine's network"; !back && !strings.Contains(err.Error(), want) {
						t.Errorf("%s\n got %v\nwant %s", path, err, want)
					}
					if told := n.told.Load(); !back && told == 0 {
						t.Errorf("%s: nobody was told that it waits", path)
					}
					if got := w.Waiting(); got != 0 {
						t.Errorf("waiting, in the end\n got %d\nwant none", got)
					}
				})
			}
		}
	}
}

// A thousand that wait for the same wait no longer than one, and who comes later hears at once.
func TestAnAbsenceIsWaitedForOnce(t *testing.T) {
	for _, silent := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w, n := airless(t, time.Hour)
			n.silent = silent
			began := time.Now()
			var all sync.WaitGroup
			for range 30 {
				for _, path := range []string{"/doc/a", "/doc/b", "/doc/c"} {
					all.Go(func() { _, _ = w.all(w.request(path)) })
				}
				time.Sleep(time.Second)
			}
			if got := w.Waiting(); got != 3 {
				t.Errorf("waiting\n got %d\nwant 3", got)
			}
			all.Wait()
			if took := time.Since(began); took > outage+30*time.Second {
				t.Errorf("all of them, silent %t\n took %s\nwant about %s", silent, took, outage)
			}
			for range 10 {
				began = time.Now()
				_, err := w.all(w.request("/doc/d"))
				if took := time.Since(began); err == nil || took > 20*time.Second || !silent && took > 0 {
					t.Errorf("after that, silent %t\n got %v after %s\nwant an error at once", silent, err, took)
				}
			}
		})
	}
}

// The machine is offline, and has been: whoever asks without us hears so at once.
func TestOfflineIsToldAtOnce(t *testing.T) {
	for _, heard := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w, n := airless(t, time.Hour)
			if !heard {
				w.Close()
				w.Fetcher = &fetch.Fetcher{Store: w.disk, Board: &w.board, Transport: n, Reach: n.reach}
			}
			time.Sleep(2 * outage)
			began := time.Now()
			_, err := w.all(w.request("/doc/x"))
			if took := time.Since(began); err == nil || took > 0 || !strings.Contains(err.Error(), "look at this machine's network") {
				t.Errorf("heard before: %t\n got %v after %s\nwant at once that the network is away", heard, err, took)
			}
		})
	}
}

// Packets may be lost from the start on, and then not.
func TestSilenceSinceTheStartIsWaitedForAsByClients(t *testing.T) {
	for _, away := range []time.Duration{20 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			n := &air{RoundTripper: w, down: time.Now(), up: time.Now().Add(away), silent: true}
			w.Transport, w.Reach = n, n.reach
			w.put("/doc/x", []byte("abc"))
			began := time.Now()
			got, err := w.all(w.request("/doc/x"))
			if took := time.Since(began); (got == "abc") != (away < time.Hour) || took > 50*time.Second {
				t.Errorf("away for %s\n got %q, %v after %s", away, got, err, took)
			}
		})
	}
}

// Who is away while the network is not is given up as soon as without all that, or asked once more where that is free.
func TestWhatIsNoAbsence(t *testing.T) {
	for _, c := range []struct {
		name string
		wire func(*world, *air)
	}{
		{"a host that drops all, while one that answered before takes connections", func(_ *world, n *air) { n.silent, n.spared = true, "near" }},
		{"a host that cannot be reached, likewise", func(_ *world, n *air) { n.spared = "near" }},
		{"a name that is none", func(_ *world, n *air) { n.vain = true }},
		{"a server that refuses", func(w *world, n *air) { w.hosts["reg"].dead, n.up = true, n.down }},
		{"a server that fails", func(w *world, n *air) { w.hosts["reg"].status, n.up = 503, n.down }},
		{"a server that hangs", func(w *world, n *air) { w.hosts["reg"].lag, n.up = time.Hour, n.down }},
	} {
		t.Run(c.name, func(t *testing.T) {
			took := func(reach bool) (took time.Duration, asked int) {
				synctest.Test(t, func(t *testing.T) {
					w, n := airless(t, time.Hour)
					w.put("/blob/"+string(sum([]byte("b"))), []byte("b"))
					n.up = n.down // near is known for what it is
					w.hosts["reg"].dead = true
					w.get("/blob/" + string(sum([]byte("b"))))
					w.hosts["reg"].dead = false
					n.up = n.down.Add(time.Hour)
					if c.wire(w, n); !reach {
						w.Reach = nil
					}
					began, before := time.Now(), n.asked.Load()
					_, err := w.all(w.request("/doc/x"))
					took, asked = time.Since(began), int(n.asked.Load()-before)
					if err == nil || n.told.Load() > 0 {
						t.Errorf("\n got %v, told %d times that it waits\nwant an error, and no wait", err, n.told.Load())
					}
				})
				return took, asked
			}
			with, asked := took(true)
			if without, once := took(false); with > without+time.Second || asked > once+1 {
				t.Errorf("until it is given up\n got %s, asked %d times\nwant %s, or a second more, %d times, or once more", with, asked, without, once)
			}
		})
	}
}

// What nobody waits for does not wait: a guess, what is served from an old copy, whom a client has left.
func TestOnlyAClientWaitsForTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := airless(t, time.Hour)
		guess := w.request("/list/x")
		guess.Ahead = true
		began := time.Now()
		if _, err := w.all(guess); err == nil || time.Since(began) > time.Second {
			t.Errorf("a guess\n got %v after %s\nwant an error at once", err, time.Since(began))
		}
		n.up = time.Now()
		time.Sleep(2 * time.Minute)
		w.put("/doc/now", []byte("y"))
		w.get("/doc/now")
		n.down, n.up = time.Now(), time.Now().Add(time.Hour)
		if got := w.get("/doc/before"); !strings.Contains(got, "(stale)") || time.Since(n.down) > 0 {
			t.Errorf("what is kept, after %s\n got %s\nwant the old copy at once", time.Since(n.down), got)
		}
		w.Parts = func(rules.Match) []fetch.Part { return []fetch.Part{{Of: w.request("/doc/now").Match, Size: 1}} }
		if got := w.get("/doc/half"); !strings.HasPrefix(got, "y from reg") || time.Since(n.down) > 0 {
			t.Errorf("what is kept as a part, after %s\n got %s\nwant it at once", time.Since(n.down), got)
		}
		if got := n.told.Load(); got > 0 {
			t.Errorf("told of a wait\n got %d times\nwant never", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w, n := airless(t, time.Hour)
		ctx, leave := context.WithTimeout(t.Context(), 10*time.Second)
		defer leave()
		if _, err := w.Fetch(ctx, w.request("/doc/x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("\n got %v\nwant that it has left", err)
		}
		time.Sleep(2 * time.Second)
		before := n.probes.Load()
		time.Sleep(20 * time.Second)
		if got := n.probes.Load() - before; before == 0 || got > 0 || w.Waiting() > 0 {
			t.Errorf("probes after the client has gone\n got %d, %d before, %d wait\nwant some before, and none after", got, before, w.Waiting())
		}
	})
}

// gotConn is a server that takes a connection and closes it.
func gotConn(ctx context.Context) error {
	httptrace.ContextClientTrace(ctx).GotConn(httptrace.GotConnInfo{})
	return io.ErrUnexpectedEOF
}

// tlsHangs is a server that takes a connection and says nothing, not even in TLS.
func tlsHangs(ctx context.Context) error {
	httptrace.ContextClientTrace(ctx).ConnectDone("tcp", "reg:443", nil)
	return errors.New("TLS handshake timeout")
}

func TestPersistAsksAgainWhenTheNetworkIsBack(t *testing.T) {
	for _, c := range []struct {
		name  string
		away  time.Duration
		here  func(context.Context) error // what becomes of it where the network is not away
		asked int
		ok    bool
	}{
		{"away for a while", 40 * time.Second, nil, 2, true},
		{"away for too long", time.Hour, nil, 1, false},
		{"not away", 0, gotConn, 1, false},
		{"not away, but TLS hangs", 0, tlsHangs, 1, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, n := airless(t, c.away)
			asked := 0
			err := w.Persist(t.Context(), "https://reg", func(ctx context.Context) error {
				asked++
				if c.here != nil {
					return c.here(ctx)
				}
				return n.fails(ctx, "reg", 10*time.Second)
			})
			if (err == nil) != c.ok || asked != c.asked || err != nil && strings.Contains(err.Error(), "look at") { // who answers says what to do
				t.Errorf("%s\n got %v, asked %d times\nwant %t, %d times", c.name, err, asked, c.ok, c.asked)
			}
		})
	}
}

// A host of the LAN that is switched off takes seconds to be missed, too, and nothing shows that it is not the network that is away.
func TestPersistWaitsForNobodyBeforeAnyRegistryHasAnswered(t *testing.T) {
	for _, spoke := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			n := &air{RoundTripper: w, silent: true}
			w.Reach = n.reach
			err := w.Persist(t.Context(), "https://reg", func(ctx context.Context) error {
				if httptrace.ContextClientTrace(ctx).ConnectDone("tcp", "reg:443", nil); spoke {
					httptrace.ContextClientTrace(ctx).GotFirstResponseByte()
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			n.down, n.up = time.Now(), time.Now().Add(20*time.Second)
			err = w.Persist(t.Context(), "https://off", func(ctx context.Context) error { return n.fails(ctx, "off", 3*time.Second) })
			if took := time.Since(n.down); (err == nil) != spoke || took > 3*time.Second != spoke {
				t.Errorf("who was connected to had answered: %t\n got %v after %s\nwant a wait only then", spoke, err, took)
			}
		})
	}
}

// asker is an authority that asks the origin with HEAD, as that of tags does.
type asker struct{ *world }

func (a asker) Attest(ctx context.Context, m rules.Match) (notary.Attestation, error) {
	header, _, err := a.Head(ctx, m)
	return notary.Attestation{Digest: digest.Digest(header.Get("Digest"))}, err
}

// Without its word only the origin could be asked, and for something that nobody has named.
func TestTheAuthorityOfATagOutlastsTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := airless(t, 40*time.Second)
		n.silent = true
		w.Notaries["tag"] = asker{w}
		w.put("/tag/x", []byte("abc"))
		w.hosts["reg"].header = http.Header{"Digest": {string(sum([]byte("abc")))}}
		a, err := w.open(w.request("/tag/x"))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if a.Report.Vouched != "tag" {
			t.Errorf("vouched for by\n got %q\nwant the authority", a.Report.Vouched)
		}
	})
}

// A download that has lasted for minutes shows as well as an answer does that the network was there a moment ago.
func TestADownloadShowsThatThereWasANetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := airless(t, 0)
		w.hosts["reg"].rate = 64 << 10
		w.put("/doc/long", noise(12<<20))
		w.put("/doc/x", []byte("abc"))
		n.down, n.up = time.Now().Add(2*outage), time.Now().Add(2*outage+20*time.Second)
		var long sync.WaitGroup
		long.Go(func() { _, _ = w.all(w.request("/doc/long")) })
		defer long.Wait()
		time.Sleep(2 * outage)
		if got, err := w.all(w.request("/doc/x")); got != "abc" {
			t.Errorf("\n got %q, %v\nwant it when the network is back", got, err)
		}
	})
}
