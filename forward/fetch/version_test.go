package fetch_test

import (
	"bytes"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"

	"hither/forward/measure"
)

// TestPartsAreOfOneVersion: no digest pins these, and a proxy of several machines may zip the same module in several ways.
func TestPartsAreOfOneVersion(t *testing.T) {
	for _, row := range []struct {
		what string
		tags bool
	}{{"it says so", true}, {"it does not say so", false}} {
		t.Run(row.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.parts = true
				versions := [][]byte{noise(6 << 20), bytes.Repeat([]byte("other "), 1<<20)}
				reg, asked := w.hosts["reg"], 0
				reg.rate = 1 << 20
				reg.wild = func(req *http.Request) *http.Response {
					w.mu.Lock()
					defer w.mu.Unlock()
					v := min(asked, 1)
					asked++
					if reg.files["/zip/m@v1"] = versions[v]; row.tags {
						reg.etag = strconv.Quote(strconv.Itoa(v))
					}
					return reg.answer(req)
				}
				want := versions[0]
				if !row.tags {
					want = versions[1] // all of it is asked for again
				}
				w.mustGet("/zip/m@v1", want)
				if asked < 2 {
					t.Errorf("asked\ngot  once\nwant for parts, too")
				}
			})
		})
	}
}

// TestALargeBlobMayBeCalledZipped: layers are, and some stores say so in Content-Encoding. The digest is of what they send.
func TestALargeBlobMayBeCalledZipped(t *testing.T) {
	for _, slow := range []float64{0, 1 << 19} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.public()
			w.parts = true
			for _, h := range w.hosts {
				h.header, h.rate = http.Header{"Content-Encoding": {"gzip"}}, slow
			}
			for _, size := range []int{7 << 20, 6 << 20} { // the second time it is known that they are large
				body := noise(size)
				w.mustGet(w.blob(body), body)
				path := "/bulk/" + string(sum(body[1:]))
				w.put(path, body[1:])
				w.mustGet(path, body[1:])
			}
			for _, r := range w.reports {
				for _, try := range r.Tries {
					if try.Outcome != measure.OK && try.Outcome != measure.Canceled {
						t.Errorf("%s of %s\ngot  %s: %s\nwant no fault", try.URL[:30], try.Base, try.Outcome, try.Err)
					}
				}
			}
		})
	}
}
