package fetch_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// A client that changed a name, and all others from then on, get what it is now.
func TestWhatAClientChangedIsAskedForAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/news/a", []byte("old"))
		w.get("/news/a")
		w.get("/news/new")
		w.put("/news/a", []byte("pushed"))
		w.put("/news/new", []byte("new"))
		for _, path := range []string{"/news/a", "/news/new"} {
			w.Changed(t.Context(), w.request(path).Match)
		}
		expect(t, w.get("/news/a"), "pushed from reg (miss) after [reg]")
		expect(t, w.get("/news/new"), "new from reg (miss) after [reg]")
	})
}

// What was asked for before a change is for those who wait for it, and for nobody else.
func TestAFillFromBeforeAChangeIsNotKept(t *testing.T) {
	for _, path := range []string{"/news/a", "/news/none"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			reg := w.hosts["reg"]
			reg.files["/news/a"], reg.drip = []byte("old"), time.Second
			if path == "/news/none" {
				reg.lag = time.Second
			}
			answered := make(chan string)
			go func() { answered <- w.get(path) }()
			synctest.Wait()
			w.Changed(t.Context(), w.request(path).Match)
			<-answered
			synctest.Wait()
			reg.files[path], reg.drip, reg.lag = []byte("new"), 0, 0
			expect(t, w.get(path), "new from reg (miss) after [reg]")
		})
	}
}
