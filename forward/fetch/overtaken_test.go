package fetch_test

import (
	"testing"
	"testing/synctest"

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
