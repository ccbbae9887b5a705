package fetch_test

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
	"hither/forward/measure"
	"hither/forward/notary"
	"hither/rules"
)

// TestArrivedIsToldWithoutSomebodyWhoWaits: thousands of guesses may be under way.
func TestArrivedIsToldWithoutSomebodyWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hosts["reg"].lag = time.Second
		w.put("/doc/a", []byte("doc"))
		var told atomic.Int32
		ask := func() {
			req := w.request("/doc/a")
			req.Ahead, req.Arrived = true, func() { told.Add(1) }
			if a, err := w.open(req); err == nil {
				a.Body.Close()
			}
		}
		go ask()
		synctest.Wait()
		before := runtime.NumGoroutine()
		go ask()
		synctest.Wait()
		if got := runtime.NumGoroutine() - before; got != 1 {
			t.Errorf("goroutines for one guess more\ngot  %d\nwant 1, who asks", got)
		}
		time.Sleep(time.Minute)
		if got := told.Load(); got != 2 {
			t.Errorf("told\ngot  %d\nwant 2", got)
		}
	})
}

// TestOnlyWhatTheCacheLacksIsAMiss: connections are made ahead by it.
func TestOnlyWhatTheCacheLacksIsAMiss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/news/a", []byte("news"))
		missed := 0
		w.Trace.Missed = func(fetch.Request) { missed++ }
		for _, row := range []struct {
			after time.Duration
			want  int
		}{{0, 1}, {time.Second, 1}, {2 * time.Minute, 2}, {time.Hour, 3}} {
			time.Sleep(row.after)
			w.get("/news/a")
			if missed != row.want {
				t.Errorf("%v later\ngot  %d misses\nwant %d", row.after, missed, row.want)
			}
		}
		w.hosts["reg"].dead = true
		req := w.request("/news/b")
		req.KeptOnly = true
		w.ask(req)
		if missed != 3 {
			t.Errorf("what is wanted only if it is kept\ngot  %d misses\nwant 3", missed)
		}
	})
}

// TestAProofSaysWhatATagMeans: a client that shows credentials costs one HEAD, by which the origin gives a tag to everybody;
// the notary does not ask for the same again.
func TestAProofSaysWhatATagMeans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/tag/latest", []byte("v1"))
		w.notary["tag"].head = w.Head
		req := w.request("/tag/latest")
		req.Doubtful = true
		for i, want := range []int{1, 1, 2} {
			req.Fresh = i == 2 // at once, and perhaps the tag was moved meanwhile
			a, err := w.open(req)
			if err != nil {
				t.Fatal(err)
			}
			a.Body.Close()
			synctest.Wait() // or the next one shares this one's word
			heads := slices.DeleteFunc(w.seen(), func(what string) bool { return what != "HEAD reg" })
			if len(heads) != want {
				t.Errorf("after request %d\ngot  %d heads\nwant %d", i+1, len(heads), want)
			}
		}
	})
}

// TestAPrivateImageIsProvenSoOnce: what the origin refused to somebody without credentials it need not refuse for each layer.
func TestAPrivateImageIsProvenSoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hosts["reg"].status = http.StatusUnauthorized
		layer := func(repo, text string) fetch.Request {
			req := w.request("/v2/" + repo + "/blobs/" + string(sum([]byte(text))))
			req.Doubtful = true
			return req
		}
		expect(t, w.ask(layer("mine", "one")), "pass after [HEAD reg]")
		expect(t, w.ask(layer("mine", "two")), "pass after []")
		expect(t, w.ask(layer("other", "one")), "pass after [HEAD reg]")
		time.Sleep(time.Minute)
		expect(t, w.ask(layer("mine", "two")), "pass after [HEAD reg]")
		w.hosts["reg"].status = http.StatusNotFound // it is to be pushed
		expect(t, w.ask(layer("third", "one")), "pass after [HEAD reg]")
		expect(t, w.ask(layer("third", "two")), "pass after [HEAD reg]")
	})
}

// TestWhatTheOriginRefusedIsToldToNoStranger: neither while it rests, nor when it cannot be reached any more. And that it wants
// credentials for one thing is no failure, for which it would rest.
func TestWhatTheOriginRefusedIsToldToNoStranger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.notary["tag"].head = w.Head
		reg := w.hosts["reg"]
		layer := func(repo, text string) string {
			body := []byte(text)
			path := "/v2/" + repo + "/blobs/" + string(sum(body))
			w.put(path, body)
			return w.get(path)
		}
		reg.status = http.StatusUnauthorized
		expect(t, layer("mine", "one"), "failure 401 after [reg]")
		w.put("/tag/mine", []byte("tagged"))
		expect(t, w.get("/tag/mine"), "failure 401 after [HEAD reg reg]")
		if got := w.board.outcomes("reg"); slices.ContainsFunc(got, measure.Outcome.Failed) {
			t.Errorf("what the board hears of an origin that wants credentials\ngot  %v\nwant no failure", got)
		}
		w.board.resting = []string{"reg"}
		expect(t, layer("mine", "two"), "failure 401 after [reg]")
		reg.dead = true
		expect(t, layer("mine", "three"), "failure 502 after [reg]")
		expect(t, layer("other", "three"), "three from near (miss) after [near]")
	})
}

// TestARefusedTagIsToldToNoQuorum: mirrors speak for an origin that is silent, but not of what it has just refused.
func TestARefusedTagIsToldToNoQuorum(t *testing.T) {
	w := newWorld(t)
	var err error
	if w.set, err = rules.Load(fstest.MapFS{"reg.toml": {Data: []byte(quorumFile)}}); err != nil {
		t.Fatal(err)
	}
	w.Notaries["tag"] = &notary.Tag{Head: w.Head, Poll: w.Poll}
	w.hosts["reg"].status = http.StatusUnauthorized
	expect(t, w.get("/v2/mine/manifests/one"), "pass after [HEAD reg]")
	w.hosts["reg"].dead = true
	expect(t, w.get("/v2/mine/manifests/two"), "failure 502 after [HEAD reg reg]")
	if got := w.get("/v2/other/manifests/two"); !strings.Contains(got, "HEAD near") {
		t.Errorf("of what it has not refused\ngot  %s\nwant near asked, too", got)
	}
}

const quorumFile = `
name = "reg"
[[host]]
name = "reg"
[[mirror]]
url = "https://near"
[[mirror]]
url = "https://far"
[[path]]
match   = "/v2/{repo}/manifests/{tag}"
keep    = "30s"
from    = "quorum"
notary  = "tag"
subject = "{repo}"
`

// TestATagThatIsRefusedIsAskedForNoMore: the bytes would be refused, too, and whoever comes with credentials then has heard it.
func TestATagThatIsRefusedIsAskedForNoMore(t *testing.T) {
	w := newWorld(t)
	w.notary["tag"].err = fmt.Errorf("%w: 401", notary.ErrRefused)
	var said string
	w.Trace.Filled = func(r fetch.Report) { said = r.Err }
	expect(t, w.get("/tag/mine"), "pass after []")
	w.Close()
	expect(t, said, "not for the cache: the origin refuses it to strangers: 401")
	req := w.request("/tag/mine")
	req.Doubtful = true
	expect(t, w.ask(req), "pass after []")
}

// TestATagThatIsNotThereIsAskedForOnce: who answers HEAD with no says no to a GET, too. And what was kept is not called up again.
func TestATagThatIsNotThereIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.tag("old", "3")
		expect(t, w.get("/tag/latest"), "old from reg (miss) after [HEAD reg reg]")
		time.Sleep(time.Minute)
		w.notary["tag"].err = fmt.Errorf("%w: 404", notary.ErrGone)
		expect(t, w.get("/tag/latest"), "404  from reg (negative) after [HEAD reg]")
		expect(t, w.get("/tag/latest"), "404  from reg (negative) after []")
		w.notary["tag"].err = errors.New("it is away")
		w.hosts["reg"].dead = true
		time.Sleep(time.Minute)
		expect(t, w.get("/tag/latest"), "failure 502 after [HEAD reg reg]")
	})
}

// TestATagWhoseRegistryIsAskedTooMuchIsAskedForOnce: a GET would be one question more, and a pull that who asks by HEAD did not make.
func TestATagWhoseRegistryIsAskedTooMuchIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.tag("old", "3")
		limit := &notary.LimitError{Path: "/tag/latest", Header: http.Header{"Retry-After": {"77"}}}
		w.notary["tag"].err = limit
		expect(t, w.look("/tag/latest"), "failure 429 [HEAD reg]")
		expect(t, w.get("/tag/latest"), "failure 429 after [HEAD reg]")
		_, err := w.open(w.request("/tag/latest"))
		var failure *fetch.Failure
		if !errors.As(err, &failure) || failure.Limits().Get("Retry-After") != "77" {
			t.Errorf("when to ask again\ngot  %v\nwant after 77 s", err)
		}
		w.notary["tag"].err = nil
		expect(t, w.get("/tag/latest"), "old from reg (miss) after [HEAD reg reg]")
		time.Sleep(time.Minute)
		w.notary["tag"].err = limit
		expect(t, w.get("/tag/latest"), "old from reg (stale) after [HEAD reg]")
	})
}

// TestBytesThatAreHereUnderAnotherNameAreCalledBytes: what their source called them was said of that name.
func TestBytesThatAreHereUnderAnotherNameAreCalledBytes(t *testing.T) {
	w := newWorld(t)
	blob := w.blob([]byte("layer"))
	w.get(blob)
	for range 2 {
		a, err := w.open(w.request("/v2/image/blobs" + blob[len("/blob"):]))
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		expect(t, string(a.Report.State)+" "+a.Header.Get("Content-Type"), "hit application/octet-stream")
	}
}

// TestAHeadOfATagFetchesNothing: a registry counts the GET of a manifest as a pull, and who looks whether there is a new one makes none.
func TestAHeadOfATagFetchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := []byte("manifest")
		path := "/manifest/" + string(sum(body))
		w.put(path, body)
		for _, h := range w.hosts {
			h.header = http.Header{"Content-Type": {"application/a"}}
		}
		*w.notary["tag"] = scribe{
			digest: sum(body), path: path, head: w.Head,
			header: map[string]string{"Content-Length": "8", "Content-Type": "application/a", "Docker-Content-Digest": string(sum(body))},
		}
		w.put("/tag/latest", body)
		head := w.request("/tag/latest")
		head.Head = true
		look := func(want string) {
			t.Helper()
			before := len(w.seen())
			a, err := w.open(head)
			if err != nil {
				t.Fatal(err)
			}
			a.Body.Close()
			expect(t, fmt.Sprintln(a.Status, a.Size, a.Header.Get("Content-Type"), a.Report.State, w.seen()[before:]), want+"\n")
		}
		look("200 8 application/a miss [HEAD reg]")
		look("200 8 application/a miss [HEAD reg]")
		byDigest := w.request(path)
		byDigest.Head = true
		before := len(w.seen())
		if a, err := w.open(byDigest); err != nil || a.Size != 8 || fmt.Sprint(w.seen()[before:]) != "[HEAD reg]" {
			t.Errorf("a HEAD by digest\ngot  %v after %v\nwant 8 bytes after [HEAD reg]", err, w.seen()[before:])
		}
		expect(t, w.get(path), "manifest from reg (miss) after [reg]")
		look("200 8 application/a hit []")
		w.hosts["reg"].dead = true
		sleepMinutes(1)
		expect(t, w.get("/tag/latest"), "manifest from reg (stale) after [HEAD reg reg]")
	})
}
