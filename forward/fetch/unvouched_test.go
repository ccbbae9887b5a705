package fetch_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// The origin may say that what nobody vouched for is still right, while the authority names other bytes since.
func TestOnceTheAuthoritySpokeTheOriginsWordIsNotEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		reg := w.hosts["reg"]
		reg.etag, w.hosts["near"].dead, w.hosts["far"].dead = `"x"`, true, true
		w.put("/zip/m@v1", []byte("old"))
		expect(t, w.get("/zip/m@v1"), "old from reg (miss) after [reg]")
		time.Sleep(2 * time.Hour)
		w.put("/zip/m@v1", []byte("new"))
		*w.notary["gosum"] = scribe{beside: true, digest: sum([]byte("new")), lag: time.Second}
		reg.lag = 1500 * time.Millisecond
		reg.wild = func(req *http.Request) *http.Response {
			reg.wild = nil
			resp := reg.answer(req)
			resp.StatusCode = http.StatusInternalServerError
			return resp
		}
		got := w.get("/zip/m@v1")
		if got[:3] != "new" {
			t.Errorf("got  %s\nwant what the authority names", got)
		}
	})
}
