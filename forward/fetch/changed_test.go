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

// A push ends at an upload's path, and who deletes a manifest names its digest: what else of the repository was kept, or was not
// there, is not what it is now.
func TestAChangeOfOneThingIsOneOfItsRepository(t *testing.T) {
	for _, c := range []struct {
		name, path, want string // what the next one gets of the path
		before, after    string // what the path holds then; empty: nothing
		elsewhere        bool   // another repository is changed
	}{
		{name: "a list that was kept", path: "/list/mine", before: "old", after: "new", want: "new from reg (miss) after [reg]"},
		{name: "a list that is gone now", path: "/list/mine", before: "old", want: "404 not here from reg (negative) after [reg]"},
		{name: "a list that was not there", path: "/list/mine", after: "new", want: "new from reg (miss) after [reg]"},
		{name: "a blob that was not there", path: "/v2/mine/blobs/" + string(sum([]byte("layer"))), after: "layer", want: "layer from reg (miss) after [reg]"},
		{name: "a blob that was there", path: "/v2/mine/blobs/" + string(sum([]byte("layer"))), before: "layer", want: "layer from reg (hit) after []"},
		{name: "another repository's list", path: "/list/mine", before: "old", after: "new", elsewhere: true, want: "old from reg (hit) after []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				put := func(data string) {
					delete(w.hosts["reg"].files, c.path)
					if data != "" {
						w.put(c.path, []byte(data))
					}
				}
				put(c.before)
				w.get(c.path)
				time.Sleep(time.Second)
				put(c.after)
				pushed := "/v2/mine/blobs/" + string(sum([]byte("pushed")))
				if c.elsewhere {
					pushed = "/v2/other/blobs/" + string(sum([]byte("pushed")))
				}
				w.Changed(t.Context(), w.request(pushed).Match)
				expect(t, w.get(c.path), c.want)
			})
		})
	}
}
