package fetch_test

import (
	"testing"
	"testing/synctest"

	"hither/forward/fetch"
)

func TestAnOffsetFarAheadIsPassedOnAndTheFillGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := noise(30 << 20)
		path := w.blob(body)
		w.hosts["reg"].gate = make(chan struct{})
		req := w.request(path)
		req.Offset = 29 << 20
		expect(t, w.ask(req), "pass after [reg]")
		close(w.hosts["reg"].gate)
		synctest.Wait()
		a, err := w.open(req)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if a.Report.State != fetch.Hit {
			t.Errorf("\ngot  %s\nwant %s", a.Report.State, fetch.Hit)
		}
	})
}

func TestAnOffsetIsItsClientsAlone(t *testing.T) {
	far := func(w *world, path string) fetch.Request {
		req := w.request(path)
		req.Offset = 29 << 20
		return req
	}
	near := func(w *world, path string) fetch.Request { return w.request(path) }
	for _, c := range []struct {
		what          string
		first, second func(*world, string) fetch.Request
		want          string
	}{
		{"who begins at the beginning, behind one who begins far ahead", far, near, "merged"},
		{"who begins far ahead, behind one who begins at the beginning", near, far, "pass"},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				path := w.blob(noise(30 << 20))
				w.hosts["reg"].gate = make(chan struct{})
				defer close(w.hosts["reg"].gate)
				if a, err := w.open(c.first(w, path)); err == nil {
					defer a.Body.Close()
				}
				a, err := w.open(c.second(w, path))
				got := ""
				if err != nil {
					got = kind(err)
				} else {
					got = string(a.Report.State)
					a.Body.Close()
				}
				if got != c.want {
					t.Errorf("\ngot  %s\nwant %s", got, c.want)
				}
			})
		})
	}
}
