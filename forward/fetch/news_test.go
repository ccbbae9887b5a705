package fetch_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
	"hither/rules"
)

// TestACopyThatLacksWhatIsWantedIsNotServedUnasked: it is of the right age, and too old all the same.
func TestACopyThatLacksWhatIsWantedIsNotServedUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/news/a", []byte("old"))
		var lacks bool
		var seen []string
		w.Lacks = func(_ context.Context, req fetch.Request, c fetch.Copy) bool {
			body, _ := io.ReadAll(io.NewSectionReader(c.Body, 0, c.Body.Size()))
			seen = append(seen, fmt.Sprintf("%s %s of %v, fresh %v", req.Clean, body, time.Since(c.Checked), c.Fresh))
			return lacks
		}
		expect(t, w.get("/news/a"), "old from reg (miss) after [reg]")
		w.put("/news/a", []byte("new"))
		expect(t, w.get("/news/a"), "old from reg (hit) after []")
		lacks = true
		expect(t, w.get("/news/a"), "new from reg (miss) after [reg]")
		sleepMinutes(2)
		w.put("/news/a", []byte("newer"))
		expect(t, w.get("/news/a"), "newer from reg (miss) after [reg]")
		expect(t, fmt.Sprint(seen), "[/news/a old of 0s, fresh true /news/a old of 0s, fresh true /news/a new of 2m0s, fresh false]")

		sleepMinutes(2)
		req := w.request("/news/a")
		req.KeptOnly = true
		expect(t, w.ask(req), "newer from reg (stale) after []")
		w.hosts["reg"].dead = true
		expect(t, w.get("/news/a"), "newer from reg (stale) after [reg]")
		expect(t, w.get("/news/a"), "newer from reg (stale) after []") // it was asked a moment ago
	})
}

// TestWhatChangedIsToldBeforeAnybodyHasIt: whoever reads it may ask at once for what it names.
func TestWhatChangedIsToldBeforeAnybodyHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		told := ""
		w.Came = func(m rules.Match, document []byte) { told += m.Clean + " " + string(document) + "; " }
		reg := w.hosts["reg"]
		changed := func(ago time.Duration) http.Header {
			return http.Header{"Last-Modified": {time.Now().Add(-ago).UTC().Format(http.TimeFormat)}}
		}
		for _, row := range []struct {
			path, body string
			header     http.Header
			want       string
		}{
			{"/news/a", "one", nil, ""},                                    // nobody knows when it changed
			{"/news/b", "one", changed(12 * time.Minute), ""},              // all that may be served is younger
			{"/news/c", "one", changed(10 * time.Minute), "/news/c one; "}, // some may be older
			{"/news/a", "two", nil, "/news/a two; "},                       // it was another
			{"/doc/d", "one", changed(time.Minute), ""},                    // nothing of its kind is served when it is too old
		} {
			told, reg.header = "", row.header
			w.put(row.path, []byte(row.body))
			req := w.request(row.path)
			req.Fresh = true
			a, err := w.open(req)
			if err != nil {
				t.Fatal(err)
			}
			a.Body.Close()
			synctest.Wait() // its fill goes on without anybody
			expect(t, row.path+" "+row.body+": "+told, row.path+" "+row.body+": "+row.want)
		}
		reg.etag, reg.header = `"two"`, nil
		for range 2 {
			told = ""
			req := w.request("/news/a")
			req.Fresh = true
			w.ask(req)
		}
		expect(t, "confirmed: "+told, "confirmed: ")
	})
}
