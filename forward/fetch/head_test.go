package fetch_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// tag lets the registry say that /tag/latest means body, which everybody has under its digest, of the length that size tells.
func (w *world) tag(body, size string) (path string) {
	path = "/manifest/" + string(sum([]byte(body)))
	w.put(path, []byte(body))
	w.put("/tag/latest", []byte(body))
	for _, h := range w.hosts {
		h.header = http.Header{"Content-Type": {"application/a"}}
	}
	*w.notary["tag"] = scribe{
		digest: sum([]byte(body)), path: path, head: w.Head,
		header: map[string]string{"Content-Length": size, "Content-Type": "application/a", "Docker-Content-Digest": string(sum([]byte(body)))},
	}
	return path
}

// look asks by HEAD; it says "STATUS SIZE TYPE STATE [ASKED]".
func (w *world) look(path string) string {
	before := len(w.seen())
	req := w.request(path)
	req.Head = true
	a, err := w.open(req)
	if err != nil {
		return fmt.Sprintf("%s %v", kind(err), w.seen()[before:])
	}
	a.Body.Close()
	return fmt.Sprint(a.Status, " ", a.Size, " ", a.Header.Get("Content-Type"), " ", a.Report.State, " ", w.seen()[before:])
}

// A HEAD that says that a tag was moved must not take away the old copy, which is all that there is when nobody can be asked.
func TestAHeadLeavesTheOldCopyUntilTheNewOneIsHere(t *testing.T) {
	for _, change := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.tag("old", "3")
			w.get("/tag/latest")
			time.Sleep(time.Minute)
			path := w.tag("new", "3")
			expect(t, w.look("/tag/latest"), "200 3 application/a miss [HEAD reg]")
			w.hosts["reg"].dead = true
			expect(t, w.get("/tag/latest"), "old from reg (stale) after [HEAD reg reg]")
			want := "new from reg (stale) after [HEAD reg reg]"
			if change { // by a push, of which the HEAD knew nothing
				w.Changed(t.Context(), w.request("/tag/latest").Match)
				want = "failure 502 after [HEAD reg reg]"
			}
			w.hosts["reg"].dead = false
			expect(t, w.get(path), "new from reg (miss) after [reg]")
			w.hosts["reg"].dead = true
			time.Sleep(time.Minute)
			expect(t, w.get("/tag/latest"), want)
		})
	}
}

// What a HEAD says of a length nobody has checked.
func TestALengthThatAHeadToldIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.tag("manifest", "5")
		expect(t, w.look("/tag/latest"), "200 5 application/a miss [HEAD reg]")
		expect(t, w.get(path), "manifest from reg (miss) after [reg]")
		expect(t, w.look("/tag/latest"), "200 8 application/a hit []")
	})
}

// A HEAD that does not say what engines go by, or that is somebody else's page, is no answer; the manifest is.
func TestAHeadThatSaysTooLittleIsFollowedByAGet(t *testing.T) {
	for name, row := range map[string]struct {
		size int64
		kind string
		want string
	}{
		"no length":  {-1, "application/a", "200 8 application/a miss [HEAD reg near]"},
		"a web page": {8, "text/html", "200 8 application/a miss [HEAD reg near]"},
		"no kind":    {8, "", "200 8 application/a miss [HEAD reg near]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.public()
				path := w.tag("manifest", "8")
				reg := w.hosts["reg"]
				reg.wild = func(req *http.Request) *http.Response {
					resp := reg.answer(req)
					if req.Method == http.MethodHead {
						resp.ContentLength = row.size
					}
					if req.Method == http.MethodHead || row.kind == "text/html" {
						resp.Header.Set("Content-Type", row.kind)
					}
					return resp
				}
				expect(t, w.look(path), row.want)
			})
		})
	}
}

// Two who ask by HEAD at once are answered by one.
func TestHeadsAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.tag("manifest", "8")
		w.hosts["reg"].lag = time.Second
		var second string
		go func() {
			time.Sleep(time.Millisecond)
			second = w.look("/tag/latest")
		}()
		expect(t, w.look("/tag/latest"), "200 8 application/a miss [HEAD reg]")
		synctest.Wait()
		expect(t, second, "200 8 application/a merged []")
	})
}
