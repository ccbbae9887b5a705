package fetch_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
)

// A body that no digest pins and that breaks off goes on where it stood if its sender still has that version, and comes from the
// beginning else: never are two versions joined.
func TestWhatNoDigestPinsGoesOnWithTheSameVersion(t *testing.T) {
	const half, rest = 9 << 20, " bytes=9437184-"
	for _, row := range []struct {
		what, tag, then string
		lax             bool
		asked           string
		status          error
	}{
		{what: "it has the same", tag: `"1"`, then: `"1"`, asked: "[reg reg" + rest + "]"},
		{what: "it has another by now", tag: `"1"`, then: `"2"`, asked: "[reg reg" + rest + "]", status: io.ErrUnexpectedEOF},
		{what: "it has another, and does not mind what was asked", tag: `"1"`, then: `"2"`, lax: true, asked: "[reg reg" + rest + " reg]", status: io.ErrUnexpectedEOF},
		{what: "its tag is weak", tag: `W/"1"`, then: `W/"1"`, asked: "[reg reg]"},
		{what: "it has no tag", asked: "[reg reg]"},
	} {
		t.Run(row.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				body, asked := noise(12<<20), 0
				w.put("/doc/x", body)
				reg := w.hosts["reg"]
				reg.header, reg.lax = http.Header{"Content-Type": {"text/x"}}, row.lax
				reg.wild = func(req *http.Request) *http.Response {
					reg.cut, reg.etag = 0, row.then
					if asked++; asked == 1 {
						reg.cut, reg.etag = half, row.tag
					} else if row.tag != row.then {
						reg.files["/doc/x"] = noise(12<<20 + 1)[1:]
					}
					resp := reg.answer(req)
					if resp.StatusCode == http.StatusPartialContent {
						resp.Header.Del("Content-Type") // as RFC 9110, section 15.3.7, has it
					}
					first := *reg
					if b, ok := resp.Body.(*wire); ok {
						b.h = &first
					}
					return resp
				}
				a, err := w.open(w.request("/doc/x"))
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(a.Body)
				a.Body.Close()
				if (err != nil) != (row.status != nil) || err == nil && string(got) != string(body) || string(got) != string(body[:len(got)]) {
					t.Errorf("\n got %d bytes, %v\nwant those of the first version, %v", len(got), err, row.status)
				}
				if got := fmt.Sprint(w.seen()); got != row.asked {
					t.Errorf("asked\n got %s\nwant %s", got, row.asked)
				}
				synctest.Wait()
				if row.status == nil {
					if a, err = w.open(w.request("/doc/x")); err != nil {
						t.Fatal(err)
					}
					defer a.Body.Close()
					if kind := a.Header.Get("Content-Type"); kind != "text/x" || a.Size != 12<<20 {
						t.Errorf("kept\n got %d bytes of %q\nwant all of text/x", a.Size, kind)
					}
				}
			})
		})
	}
}
