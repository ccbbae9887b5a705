package fetch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
)

// TestWhatCameMeanwhileIsNotFetchedAgain lets a whole fill begin and end between another client's look into the cache and the
// fill that it would begin.
func TestWhatCameMeanwhileIsNotFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := "/doc/once"
		w.put(path, []byte("once"))
		between := true
		w.Trace.Missed = func(fetch.Request) {
			if between {
				between = false
				expect(t, w.get(path), "once from reg (miss) after [reg]")
				synctest.Wait()
			}
		}
		expect(t, w.get(path), "once from reg (hit) after [reg]") // of the other alone
	})
}

// A HEAD of the origin may lie between the look and the fill, so that what came meanwhile has an age.
func TestWhatCameMeanwhileHasAnAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := "/doc/once"
		w.put(path, []byte("once"))
		w.Trace.Missed = func(fetch.Request) {
			w.Trace.Missed = nil
			w.get(path)
			time.Sleep(20 * time.Second)
		}
		a, err := w.open(w.request(path))
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if got := a.Report; got.State != fetch.Hit || got.Age != 20*time.Second {
			t.Errorf("\ngot  %s, %v old\nwant hit, 20s old", got.State, got.Age)
		}
	})
}
