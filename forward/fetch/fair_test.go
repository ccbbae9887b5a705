package fetch_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache/digest"
	"hither/forward/measure"
	"hither/rules"
)

// heard fails unless the board heard just this of a host.
func (w *world) heard(name string, want ...measure.Outcome) {
	w.t.Helper()
	if got := w.board.outcomes(name); !slices.Equal(got, want) {
		w.t.Errorf("of %s the board heard\ngot  %v\nwant %v", name, got, want)
	}
}

// usuallyLarge makes blobs a kind of which only the beginning is asked for first.
func (w *world) usuallyLarge() {
	for i := range 3 {
		w.mustGet(w.blob(noise(3<<20+i)), noise(3<<20+i))
	}
	w.parts, w.board.heard = true, nil
}

// allowance is a share of requests that many goroutines use up.
type allowance struct{ taken atomic.Int64 }

func (a *allowance) Earn()       {}
func (a *allowance) Won()        {}
func (a *allowance) Extra(int64) {}
func (a *allowance) Take() bool  { return a.taken.Add(1) > 0 }

func TestWhoIsLateWhileAllTransfersAreTakenWaitsInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.usually(100 * time.Millisecond)
		hedges := &allowance{}
		w.Hedge = hedges
		w.hosts["near"].lag, w.hosts["reg"].lag = 5*time.Second, time.Hour
		var clients sync.WaitGroup
		for i := range 320 { // as many as there are transfers
			body := []byte(fmt.Sprint("body ", i))
			path := w.blob(body)
			clients.Go(func() { w.mustGet(path, body) })
		}
		time.Sleep(4 * time.Second)
		if got := hedges.taken.Load(); got != 0 {
			t.Errorf("hedges that were taken and could not be used\ngot  %d\nwant 0", got)
		}
		clients.Wait()
	})
}

func TestNobodyWhoFailedLatelyIsAskedBesideOneThatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.usually(100 * time.Millisecond)
		w.board.first, w.board.resting = []string{"near", "far", "reg"}, []string{"far"}
		w.hosts["near"].lag = 2 * time.Second
		expect(t, w.get(w.blob([]byte("hello"))), "hello from reg (miss) after [near reg]")
	})
}

func TestAFullDiskIsNoFaultOfTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.board.heard, w.disk.full = nil, true
		expect(t, w.get(w.blob(noise(9<<20))), "pass after [near]")
		w.heard("near", measure.Canceled)
	})
}

// The first stretch was the whole of it, and it comes so slowly that others are to help.
func TestASlowFirstStretchThatIsAllOfItGetsHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.usuallyLarge()
		w.hosts["near"].rate, w.hosts["reg"].rate, w.hosts["far"].rate = 50<<10, 1<<20, 1<<20
		body := noise(900 << 10)
		w.mustGet(w.blob(body), body)
		for _, got := range w.board.outcomes("near") {
			if got.Failed() {
				t.Errorf("of near the board heard\ngot  %v\nwant that it was slow, at most", got)
			}
		}
	})
}

// parted answers each request for a part of a body that it says has total bytes.
func parted(body []byte, total int) func(*http.Request) *http.Response {
	return func(req *http.Request) *http.Response {
		from, to := 0, total-1
		if _, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-%d", &from, &to); req.Header.Get("Range") == "" || err != nil && from >= total {
			return say(req, 200, int64(total), bytes.NewReader(body))
		}
		to = min(to, total-1)
		return say(req, 206, int64(to+1-from), bytes.NewReader(body[from:to+1]), "Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, total))
	}
}

func TestAMirrorThatDeniesTheOriginsLengthCutsNobodyOff(t *testing.T) {
	for name, total := range map[string]int{"it has more": 13 << 20, "it has less": 11 << 20} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.public()
				w.board.first, w.board.heard = []string{"reg", "near", "far"}, nil
				body := noise(12 << 20)
				path := w.blob(body)
				w.hosts["reg"].cut = 10 << 20
				w.hosts["near"].wild = parted(make([]byte, total), total)
				w.mustGet(path, body)
				w.heard("near", measure.Short)
			})
		})
	}
}

// Two mirrors differ about the length, and the client was told that of the first: only the origin may say it was wrong.
func TestOfTwoLengthsTheOriginKnowsTheRightOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.board.first, w.board.heard = []string{"near", "far", "reg"}, nil
		body := noise(12 << 20)
		path := w.blob(body)
		w.hosts["near"].cut = 10 << 20
		w.hosts["far"].wild = parted(make([]byte, 13<<20), 13<<20)
		w.mustGet(path, body)
	})
}

// If it is the first that lied of the length, those who deny it are not to blame.
func TestWhoDeniesAWrongLengthIsNotBlamed(t *testing.T) {
	for name, first := range map[string][]string{"the origin denies it": {"near", "reg"}, "another mirror denies it": {"near", "far"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.public()
				w.usuallyLarge()
				w.board.first = first
				body := noise(12 << 20)
				path := w.blob(body)
				for _, h := range w.hosts {
					h.rate, h.lag = 4<<20, 20*time.Millisecond
				}
				w.hosts["near"].wild = func(req *http.Request) *http.Response {
					resp := parted(make([]byte, 40<<20), 40<<20)(req)
					resp.Body = &wire{h: &host{rate: 1 << 20}, ctx: req.Context(), body: make([]byte, resp.ContentLength)}
					return resp
				}
				if a, err := w.open(w.request(path)); err == nil { // who was told the lie is cut off
					_, _ = io.Copy(io.Discard, a.Body)
					a.Body.Close()
				}
				w.mustGet(path, body)
				for _, name := range []string{"reg", "far"} {
					for _, got := range w.board.outcomes(name) {
						if got.Failed() {
							t.Errorf("the honest %s was blamed: %v", name, w.board.outcomes(name))
						}
					}
				}
				if got := w.board.outcomes("near"); !slices.ContainsFunc(got, measure.Outcome.Failed) {
					t.Errorf("of near the board heard\ngot  %v\nwant a failure", got)
				}
			})
		})
	}
}

// A proxy that loses the connection may end a body of unknown length cleanly. The range tells how long it should be.
func TestARangeThatEndsTooEarlyIsShortAndNotWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.usuallyLarge()
		path := w.blob([]byte("hello"))
		w.hosts["near"].wild = func(req *http.Request) *http.Response {
			return say(req, 206, -1, strings.NewReader("hel"), "Content-Range", "bytes 0-4/5")
		}
		w.mustGet(path, []byte("hello"))
		w.heard("near", measure.Short)
	})
}

// The authority and the origin differ: a mirror that has what the origin has is no liar.
func TestWhoSendsWhatTheOriginSendsIsNoLiar(t *testing.T) {
	for name, c := range map[string]struct {
		far  string // sends
		reg  string
		want measure.Outcome // of far; near sends what the origin sends
	}{
		"the same":         {"origin's", "origin's", measure.Canceled},
		"something else":   {"forged", "origin's", measure.WrongBytes},
		"less of the same": {"origin", "origin's", measure.WrongBytes},
		"nothing is right, and the origin says nothing": {"forged", "", measure.WrongBytes},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.notary["npm"].by = func(m rules.Match) digest.Digest { return sum([]byte("authority's " + m.Name)) }
				w.public()
				w.board.first, w.board.heard = []string{"near", "far", "reg"}, nil
				path := "/tar/a/all"
				w.put("/tar/b/all", []byte("authority's "+w.request("/tar/b/all").Name))
				w.get("/tar/b/all") // the origin gives away what is called so
				w.hosts["near"].files[path], w.hosts["far"].files[path], w.hosts["reg"].files[path] = []byte("origin's"), []byte(c.far), []byte(c.reg)
				w.board.heard = nil
				if c.reg == "" {
					w.hosts["reg"].dead = true
				}
				expect(t, strings.SplitN(w.get(path), " after", 2)[0], "failure 502")
				w.heard("far", c.want)
				if c.reg != "" {
					w.heard("near", measure.Canceled)
					w.heard("reg", measure.Canceled)
				}
			})
		})
	}
}
