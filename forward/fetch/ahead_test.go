package fetch_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
)

// called is how often a host was asked.
func (w *world) called(host string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[host]
}

// ahead is a request that is only a guess.
func (w *world) ahead(path string) fetch.Request {
	req := w.request(path)
	req.Ahead = true
	return req
}

func TestAGuessEndsWithWhoGuessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("guessed"))
		w.hosts["reg"].lag = time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		go w.Fetch(ctx, w.ahead(path))
		time.Sleep(time.Second)
		cancel()
		synctest.Wait()
		if len(w.reports) > 0 {
			t.Errorf("a fill that nobody wants any more was told of: %+v", w.reports)
		}
		w.hosts["reg"].lag = 0
		expect(t, w.get(path), "guessed from reg (miss) after [reg]")
	})
}

func TestAGuessGoesOnForAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("guessed"))
		w.hosts["reg"].lag = 5 * time.Second
		ctx, cancel := context.WithCancel(t.Context())
		go w.Fetch(ctx, w.ahead(path))
		time.Sleep(time.Second)
		got := make(chan string)
		go func() { got <- w.get(path) }()
		time.Sleep(time.Second)
		cancel()
		expect(t, <-got, "guessed from reg (merged) after []")
	})
}

func TestAGuessGoesOnForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("guessed"))
		w.hosts["reg"].lag = 5 * time.Second
		one, cancelOne := context.WithCancel(t.Context())
		two, cancelTwo := context.WithCancel(t.Context())
		defer cancelTwo()
		go w.Fetch(one, w.ahead(path))
		got := make(chan string)
		go func() {
			a, err := w.Fetch(two, w.ahead(path))
			if err != nil {
				got <- err.Error()
				return
			}
			body, _ := io.ReadAll(a.Body)
			a.Body.Close()
			got <- string(body)
		}()
		time.Sleep(time.Second)
		cancelOne()
		expect(t, <-got, "guessed")
	})
}

func TestWhoWatchesHearsOfClientsOnly(t *testing.T) {
	w := newWorld(t)
	var heard []string
	w.Trace.Asked = func(r fetch.Request) { heard = append(heard, "asked "+r.Clean) }
	w.Trace.Answered = func(r fetch.Request, a fetch.Report) { heard = append(heard, string(a.State)+" "+r.Clean) }
	w.put("/doc/a", []byte("doc"))
	w.ask(w.ahead("/doc/a"))
	w.get("/doc/a")
	expect(t, strings.Join(heard, ", "), "asked /doc/a, hit /doc/a")
}

func TestALittleStaleIsGoodEnoughWhileANewOneComes(t *testing.T) {
	for _, c := range []struct {
		name   string
		header http.Header
		after  time.Duration
		want   string
	}{
		{"within the bound", nil, 5 * time.Minute, "old from reg (refreshing)"},
		{"behind the bound", nil, 12 * time.Minute, "new from reg (miss)"},
		{"the origin's shorter life counts", http.Header{"Cache-Control": {"max-age=10"}}, 10*time.Minute + 11*time.Second, "new from reg (miss)"},
		{"the origin forbids it", http.Header{"Cache-Control": {"max-age=60, must-revalidate"}}, 2 * time.Minute, "new from reg (miss)"},
		{"the origin forbids it to us", http.Header{"Cache-Control": {"max-age=60, proxy-revalidate"}}, 2 * time.Minute, "new from reg (miss)"},
		{"the origin wants to be asked", http.Header{"Cache-Control": {"no-cache"}}, 2 * time.Minute, "new from reg (miss)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.hosts["reg"].header = c.header
				w.put("/news/a", []byte("old"))
				w.get("/news/a")
				synctest.Wait()
				time.Sleep(c.after)
				w.put("/news/a", []byte("new"))
				w.hosts["reg"].lag = time.Second
				before := time.Now()
				got, _, _ := strings.Cut(w.get("/news/a"), " after")
				expect(t, got, c.want)
				if waited := time.Since(before) > 0; waited == strings.HasPrefix(c.want, "old") {
					t.Errorf("the client waited for %v", time.Since(before))
				}
				time.Sleep(2 * time.Second)
				if strings.HasPrefix(c.want, "old") {
					expect(t, w.get("/news/a"), "new from reg (hit) after []")
				}
			})
		})
	}
}

func TestWhoWantsItFreshGetsItFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/news/a", []byte("old"))
		w.get("/news/a")
		synctest.Wait()
		time.Sleep(5 * time.Minute)
		w.put("/news/a", []byte("new"))
		req := w.request("/news/a")
		req.Fresh = true
		expect(t, w.ask(req), "new from reg (miss) after [reg]")
	})
}

func TestManyStaleAnswersAreOneQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/news/a", []byte("old"))
		w.get("/news/a")
		synctest.Wait()
		time.Sleep(5 * time.Minute)
		w.hosts["reg"].lag = time.Second
		for range 20 {
			w.get("/news/a")
		}
		time.Sleep(2 * time.Second)
		if got := w.called("reg"); got != 2 {
			t.Errorf("the origin was asked %d times, want once at first and once for the new one", got)
		}
	})
}

func TestTheOriginsBytesNeedNotWaitForTheAuthority(t *testing.T) {
	right := []byte("module m")
	for _, c := range []struct {
		name  string
		first string // who is asked first
		named []byte // what the authority names
		path  string
		wait  bool // for the authority
		then  string
	}{
		{"it says the same", "reg", right, "/mod/m@v1", false, "module m from reg (hit) after []"},
		{"it says something else", "reg", []byte("other"), "/mod/m@v1", false, "failure 502 after [reg near far]"},
		{"a mirror's have to wait", "near", right, "/mod/m@v1", true, "module m from near (hit) after []"},
		{"the rule does not say so", "reg", right, "/zip/m@v1", true, "module m from reg (hit) after []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.put("/mod/m@v0", right)
				w.get("/mod/m@v0") // the origin gives it to everybody
				synctest.Wait()
				w.board.first = []string{c.first, "near", "far", "reg"}
				w.notary["gosum"].err, w.notary["gosum"].digest, w.notary["gosum"].lag = nil, sum(c.named), time.Second
				if w.put(c.path, right); strings.HasPrefix(c.path, "/zip") {
					w.get("/zip/m@v0")
				}
				synctest.Wait()
				began := time.Now()
				got, _, _ := strings.Cut(w.get(c.path), " after")
				expect(t, got, "module m from "+c.first+" (miss)")
				if waited := time.Since(began) > 0; waited != c.wait {
					t.Errorf("the client waited %v", time.Since(began))
				}
				time.Sleep(5 * time.Second)
				synctest.Wait()
				w.notary["gosum"].lag = 0
				expect(t, w.get(c.path), c.then)
			})
		})
	}
}

func TestAllWhoWaitGetWhatIsHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := []byte("module m")
		w.notary["gosum"].err, w.notary["gosum"].digest, w.notary["gosum"].lag = nil, sum(body), time.Minute
		w.put("/mod/m@v1", body)
		w.hosts["reg"].lag = time.Second
		got := make(chan string, 2)
		go func() { got <- w.get("/mod/m@v1") }()
		go func() { got <- w.ask(w.ahead("/mod/m@v1")) }()
		time.Sleep(2 * time.Second)
		first, second := <-got, <-got
		late := w.get("/mod/m@v1")
		for _, text := range []string{first, second, late} {
			if !strings.HasPrefix(text, "module m from reg (m") {
				t.Errorf("got %s\nwant what the origin sent", text)
			}
		}
	})
}

// Each request would begin a fill that fails.
func TestAnOriginThatIsAwayIsNotAskedForEachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/news/a", []byte("old"))
		w.get("/news/a")
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		w.hosts["reg"].dead = true
		before := w.called("reg")
		for i := range 20 {
			got, _, _ := strings.Cut(w.get("/news/a"), " after")
			expect(t, got, []string{"old from reg (refreshing)", "old from reg (stale)"}[min(i, 1)])
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
		}
		once := w.called("reg") - before
		time.Sleep(time.Minute)
		w.hosts["reg"].dead = false
		w.put("/news/a", []byte("new"))
		w.get("/news/a")
		synctest.Wait()
		expect(t, w.get("/news/a"), "new from reg (hit) after []")
		if once > 2 { // a fill may ask an origin twice
			t.Errorf("the origin was asked %d times by 20 requests in 2 seconds, want once or twice", once)
		}
	})
}

// The old copy is good enough once more, and then the origin's no is.
func TestWhatTheOriginTookBackIsNotServedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/news/a", []byte("old"))
		w.get("/news/a")
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		delete(w.hosts["reg"].files, "/news/a")
		req := w.request("/news/a")
		req.Head = true
		got, _, _ := strings.Cut(w.ask(req), " after")
		expect(t, got, "old from reg (refreshing)")
		synctest.Wait()
		if got := w.get("/news/a"); !strings.HasPrefix(got, "404") && !strings.Contains(got, "(negative)") {
			t.Errorf("got  %s\nwant the origin's 404", got)
		}
	})
}

// leash is a context that does not end. It counts who wants to hear of its end.
type leash struct {
	context.Context
	done chan struct{}
	held atomic.Int64
}

func (l *leash) Done() <-chan struct{} { return l.done }

func (l *leash) AfterFunc(func()) func() bool {
	l.held.Add(1)
	return func() bool { l.held.Add(-1); return true }
}

// The context of a run of guesses lives as long as its client, and must not hold every fill that was made under it.
func TestAGuessThatCameTrueIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Trace.Filled = func(fetch.Report) { time.Sleep(time.Second) } // the answer is there before the fill has ended
		ctx := &leash{Context: t.Context(), done: make(chan struct{})}
		for _, body := range []string{"one", "two", "three"} {
			a, err := w.Fetch(ctx, w.ahead(w.blob([]byte(body))))
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, a.Body)
			a.Body.Close()
		}
		if held := ctx.held.Load(); held != 3 {
			t.Fatalf("%d functions wait for the end of the guesses' context, want 3 until the fills end", held)
		}
		time.Sleep(2 * time.Second)
		if held := ctx.held.Load(); held != 0 {
			t.Errorf("%d functions wait for the end of the guesses' context, want none", held)
		}
	})
}

// What nobody waits for does not stand in the way of what somebody does.
func TestManyRefreshesHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const n = 400
		for i := range n {
			w.put(fmt.Sprintf("/news/%d", i), []byte("old"))
			w.get(fmt.Sprintf("/news/%d", i))
		}
		w.put("/news/missing", []byte("here"))
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		w.hosts["reg"].lag = time.Second
		before := time.Now()
		for i := range n {
			w.get(fmt.Sprintf("/news/%d", i))
		}
		got, _, _ := strings.Cut(w.get("/news/missing"), " after")
		expect(t, got, "here from reg (miss)")
		last := w.request(fmt.Sprintf("/news/%d", n-1)) // its refresh has not begun
		last.Fresh = true
		got, _, _ = strings.Cut(w.ask(last), " after")
		expect(t, got, "old from reg (merged)")
		if waited := time.Since(before); waited > 2*time.Second {
			t.Errorf("two clients waited %v behind %d refreshes, want a second each", waited, n)
		}
		calls := w.called("reg")
		time.Sleep(time.Minute)
		if got := w.called("reg") - calls; got < n/2 {
			t.Errorf("only %d of the refreshes came later, want nearly all %d", got, n)
		}
	})
}
