package fetch_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/measure"
)

// hedges is a share of requests that the test decides.
type hedges struct{ left, earned, won int }

func (h *hedges) Earn()       { h.earned++ }
func (h *hedges) Won()        { h.won++ }
func (h *hedges) Extra(int64) {}

func (h *hedges) Take() bool {
	h.left--
	return h.left >= 0
}

// usually tells the board after how long each is late.
func (w *world) usually(late time.Duration) {
	w.board.late = map[string]time.Duration{"reg": late, "near": late, "far": late}
}

func TestWhoIsLateGetsCompany(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		lag    time.Duration // of near, which is asked first
		other  time.Duration // of the others
		left   int           // hedges
		want   string
		asked  string
		within time.Duration // virtual time
	}{
		"in time: nobody else is asked":               {"/blob", 90 * time.Millisecond, 0, 9, "near", "[near]", 90 * time.Millisecond},
		"late: another is asked, and is faster":       {"/blob", time.Hour, 20 * time.Millisecond, 9, "reg", "[near reg]", 120 * time.Millisecond},
		"late: another is asked, and is slower":       {"/blob", 150 * time.Millisecond, time.Second, 9, "near", "[near reg]", 150 * time.Millisecond},
		"no hedge is left: sick is something else":    {"/blob", time.Hour, 0, 0, "reg", "[near reg]", sickest},
		"what is not checked comes from the first":    {"/list/a", 900 * time.Millisecond, 0, 9, "reg", "[reg]", 900 * time.Millisecond},
		"both late: the third waits until one failed": {"/blob", 5 * time.Second, 5 * time.Second, 9, "near", "[near reg]", 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.public()
				h := &hedges{left: c.left}
				w.Hedge = h
				w.usually(100 * time.Millisecond)
				path := c.path
				if path == "/blob" {
					path = w.blob([]byte("hello"))
				}
				w.put("/list/a", []byte("hello"))
				w.hosts["near"].lag, w.hosts["reg"].lag, w.hosts["far"].lag = c.lag, c.other, c.other
				if c.path != "/blob" {
					w.hosts["reg"].lag = c.lag
				}
				began := time.Now()
				expect(t, w.get(path), "hello from "+c.want+" (miss) after "+c.asked)
				if got := time.Since(began); got != c.within {
					t.Errorf("\ngot  it after %v of virtual time\nwant %v", got, c.within)
				}
				if won := c.asked == "[near reg]" && c.want == "reg"; h.earned != 1 || won != (h.won == 1) {
					t.Errorf("\ngot  %d earned, %d won\nwant 1 earned, won: %v", h.earned, h.won, won)
				}
			})
		})
	}
}

const sickest = 1500 * time.Millisecond

func TestALoserIsCanceledAndCountsAsSlowAtLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.usually(100 * time.Millisecond)
		w.hosts["near"].lag = time.Hour
		w.get(w.blob([]byte("hello")))
		synctest.Wait()
		for _, s := range w.board.heard {
			if s.Base == "https://near" && (s.Outcome != measure.Outrun || s.Took != 100*time.Millisecond || s.Wait != 0) {
				t.Errorf("\ngot  %+v\nwant outrun, after 100ms", s)
			}
		}
		expect(t, fmt.Sprint(w.board.outcomes("near")), "[outrun]")
	})
}

// One that died answers late all the time, so that its own p90 would call nothing late.
func TestOneThatIsAlwaysLateIsMeasuredByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.board.late = map[string]time.Duration{"near": 5 * time.Second, "reg": 50 * time.Millisecond}
		w.hosts["near"].lag = time.Hour
		began := time.Now()
		expect(t, w.get(w.blob([]byte("hello"))), "hello from reg (miss) after [near reg]")
		if got := time.Since(began); got != 100*time.Millisecond {
			t.Errorf("\ngot  it after %v of virtual time\nwant 100ms", got)
		}
	})
}

func TestALateStrangerHearsNoNameThatIsNotProvenPublic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.usually(100 * time.Millisecond)
		w.hosts["reg"].lag = 3 * time.Second
		expect(t, w.get(w.blob([]byte("hello"))), "hello from reg (miss) after [reg]")
	})
}

func TestAHedgeThatFailsEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.usually(100 * time.Millisecond)
		path := w.blob([]byte("hello"))
		w.hosts["near"].lag, w.hosts["reg"].dead, w.hosts["far"].status = time.Second, true, 503
		expect(t, w.get(path), "hello from near (miss) after [near reg far]")
	})
}

func TestAFasterSourceThatBreaksOffIsFollowedByTheSlowerWhoAreRacedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.usually(100 * time.Millisecond)
		path := w.blob([]byte("hello"))
		w.hosts["near"].lag, w.hosts["reg"].cut = 200*time.Millisecond, 2
		expect(t, w.get(path), "hello from far (miss) after [near reg near bytes=2- far bytes=2-]")
	})
}

func TestABodyThatIsSlowGetsHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.parts, w.board.heard = true, nil
		body := noise(1 << 20)
		path := w.blob(body)
		w.hosts["near"].rate, w.hosts["reg"].rate, w.hosts["far"].rate = 32<<10, 1<<20, 1<<20
		began := time.Now()
		w.mustGet(path, body)
		if got, alone := time.Since(began), 32*time.Second; got > alone/4 {
			t.Errorf("\ngot  it after %v of virtual time\nwant it far sooner than the slow one alone, which needs %v", got, alone)
		}
	})
}

func TestABodyThatStandsStillGoesOnElsewhereAfterThreeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		path := w.blob([]byte("hello"))
		w.hosts["near"].hang = 2
		began := time.Now()
		expect(t, w.get(path), "hello from reg (miss) after [near reg bytes=2-]")
		if got := time.Since(began); got != 3*time.Second {
			t.Errorf("\ngot  it after %v\nwant 3s", got)
		}
	})
}

// A network that is gone for a minute fails what is asked meanwhile, and nothing after it.
func TestANetworkThatDisappearsForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		path := w.blob([]byte("hello"))
		for _, h := range w.hosts {
			h.dead = true
		}
		expect(t, w.get(path), "failure 502 after [near reg far]")
		time.Sleep(time.Minute)
		for _, h := range w.hosts {
			h.dead = false
		}
		expect(t, w.get(path), "hello from near (miss) after [near]")
	})
}

// large is a blob that comes in parts.
func large() []byte { return noise(24 << 20) }

func TestALargeBlobComesFromSeveralAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.parts, w.board.heard = true, nil
		body := large()
		path := w.blob(body)
		for _, name := range []string{"near", "reg", "far"} {
			w.hosts[name].rate, w.hosts[name].lag = 2<<20, 50*time.Millisecond
		}
		began := time.Now()
		w.mustGet(path, body)
		if got := time.Since(began); got > 9*time.Second { // 12 s by one connection
			t.Errorf("\ngot  it after %v of virtual time\nwant it much sooner than over one connection", got)
		}
		for _, name := range []string{"near", "reg", "far"} {
			if got := w.board.outcomes(name); !slices.Equal(got, []measure.Outcome{measure.OK}) {
				t.Errorf("of %s the board heard\ngot  %v\nwant [ok]", name, got)
			}
		}
	})
}

func TestOfSeveralSendersTheLiarIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.parts, w.board.heard = true, nil
		body := large()
		path := w.blob(body)
		for _, name := range []string{"near", "reg", "far"} {
			w.hosts[name].rate, w.hosts[name].lag = 2<<20, 50*time.Millisecond
		}
		w.hosts["far"].wild = func(req *http.Request) *http.Response { // every byte
			resp := w.hosts["far"].answer(req)
			resp.Body = io.NopCloser(flipped{resp.Body})
			return resp
		}
		if a, err := w.open(w.request(path)); err == nil { // this client may be cut off, but not lied to
			got, err := io.ReadAll(a.Body)
			if err == nil && !bytes.Equal(got, body) {
				t.Error("wrong bytes ended cleanly")
			}
			a.Body.Close()
		}
		w.mustGet(path, body)
		for name, want := range map[string]bool{"near": false, "reg": false, "far": true} {
			if got := slices.Contains(w.board.outcomes(name), measure.WrongBytes); got != want {
				t.Errorf("%s is called a liar\ngot  %v (%v)\nwant %v", name, got, w.board.outcomes(name), want)
			}
		}
	})
}

// flipped is a body with each byte wrong.
type flipped struct{ io.Reader }

func (f flipped) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	for i := range p[:n] {
		p[i] ^= 0xff
	}
	return n, err
}

func TestAServerThatIgnoresRangeSendsOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		body := large()
		path := w.blob(body)
		for _, name := range []string{"near", "reg", "far"} {
			w.hosts[name].rate, w.hosts[name].noRange = 4<<20, true
		}
		w.mustGet(path, body)
		if got := w.board.outcomes("near"); !slices.Equal(got, []measure.Outcome{measure.OK}) {
			t.Errorf("of near the board heard\ngot  %v\nwant [ok]", got)
		}
	})
}

// What is usually large is asked for in parts from the first byte on: to hang up in the middle costs what is under way.
func TestOfAUsuallyLargeKindOnlyTheBeginningIsAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		size    int
		noRange bool
	}{"another large one": {24 << 20, false}, "a small one this time": {9, false}, "of exactly the first part": {1 << 20, false}, "from one who ignores it": {24 << 20, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.public()
				w.mustGet(w.blob(noise(16<<20)), noise(16<<20))
				w.mustGet(w.blob(noise(15<<20)), noise(15<<20))
				w.mustGet(w.blob(noise(14<<20)), noise(14<<20))
				first := ""
				w.parts = true
				for _, h := range w.hosts {
					h.noRange, h.rate = c.noRange, 8<<20
					h.wild = func(req *http.Request) *http.Response {
						w.mu.Lock()
						defer w.mu.Unlock()
						if first == "" {
							first = req.Header.Get("Range")
						}
						return h.answer(req)
					}
				}
				body := noise(c.size)
				w.mustGet(w.blob(body), body)
				expect(t, first, "bytes=0-1048575")
			})
		})
	}
}
