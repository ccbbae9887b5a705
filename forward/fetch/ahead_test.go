package fetch_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
)

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
		if got := w.calls["reg"]; got != 2 {
			t.Errorf("the origin was asked %d times, want once at first and once for the new one", got)
		}
	})
}
