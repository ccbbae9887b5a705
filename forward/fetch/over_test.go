package fetch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
)

// TestWhatIsOverIsNotJoined asks for news when a fill has said all that it has to say, and is not yet put away.
func TestWhatIsOverIsNotJoined(t *testing.T) {
	for name, c := range map[string]struct {
		before bool   // there is a copy
		gone   bool   // it is not there any more
		want   string // of what is then over
	}{
		"a body came":    {want: "one from reg (miss) after [reg]"},
		"it was right":   {before: true, want: "one from reg (revalidated) after [reg]"},
		"it is not here": {gone: true, want: "404 not here from reg (negative) after [reg]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			reg, fresh := w.hosts["reg"], w.request("/doc/x")
			fresh.Fresh = true
			reg.etag = `"one"`
			if !c.gone {
				w.put("/doc/x", []byte("one"))
			}
			if c.before {
				w.ask(fresh)
				synctest.Wait()
			}
			first, over := fresh, make(chan func(), 1)
			late := func() { // it is not put away until this has returned
				news := make(chan struct{})
				over <- func() { close(news) }
				<-news
			}
			if c.before || c.gone {
				first.Ahead, first.Arrived = true, late
			} else {
				w.Trace.Filled = func(fetch.Report) { w.Trace.Filled = nil; late() }
			}
			expect(t, name+": "+w.ask(first), name+": "+c.want)
			putAway := <-over
			reg.etag = `"two"`
			w.put("/doc/x", []byte("two"))
			expect(t, name+", then: "+w.ask(fresh), name+", then: two from reg (miss) after [reg]")
			putAway()
			time.Sleep(time.Minute)
		})
	}
}
