package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache"
	"hither/cache/digest"
	"hither/cmd/hither/control"
	"hither/forward/measure"
)

func TestWhyUnderstandsEverySpelling(t *testing.T) {
	h := newHousehold(t)
	defer h.stop()
	for _, row := range []struct{ url, want string }{
		{"https://reg.test/list/a", "calls it reg/reg.test/list/a."},
		{"http://REG.test.:80/list/a", "calls it reg/reg.test/list/a."},
		{"/reg/list/a", "calls it reg/reg.test/list/a."},
		{"http://127.0.0.1:7890/reg/list/a", "calls it reg/reg.test/list/a."},
		{"https://localhost:7890/reg/list/a", "calls it reg/reg.test/list/a."},
		{"http://127.0.0.1:7890/go/example.com/m/@v/list", "calls it go/proxy.golang.org/example.com/m/@v/list."},
		{"/go/sumdb/sum.golang.org/latest", "calls it go/sum.golang.org/latest."},
		{"https://registry.npmjs.org/@a/b", "calls it npm/registry.npmjs.org/@a/b#application/json."},
		{"https://registry.npmjs.org/@a%2fb", "calls it npm/registry.npmjs.org/@a/b#application/json."},
		{"https://registry.npmjs.org/%40a%2Fb", "calls it npm/registry.npmjs.org/@a/b#application/json."},
		{"http://127.0.0.1:7890/v2/library/alpine/manifests/3?ns=docker.io", "calls it docker/registry-1.docker.io/v2/library/alpine/manifests/3."},
		{"https://index.docker.io/v2/library/alpine/manifests/3", "calls it docker/registry-1.docker.io/v2/library/alpine/manifests/3."},
		{"https://example.com/reg/list/a", "No rule speaks of this host"},
		{"http://127.0.0.1:7891/reg/list/a", "No rule speaks of this host"},
		{"http://127.0.0.1:7890/", "This is Hither's own address"},
		{"/reg/other", "This is Hither's own address"},
		{"https://reg.test/other", "The rule reg has this host, but no path of it fits"},
	} {
		if got := h.why(row.url); !strings.Contains(got, row.want) {
			t.Errorf("why %s\n got %s\nwant in it %s", row.url, got, row.want)
		}
	}
	for _, wrong := range []string{"reg.test", "https://[::1", "%zz"} {
		if _, err := h.Why(t.Context(), wrong); err == nil {
			t.Errorf("why %s\n got no error\nwant a sentence", wrong)
		}
	}
}

func TestWhySaysWhoseRuleItIs(t *testing.T) {
	h := newHousehold(t)
	defer h.stop()
	contains(t, h.why("/reg/list/a"), "of the rule reg ("+h.Book.Dir+"/reg.toml:")
	contains(t, h.why("/npm/express"), "of the rule npm (built-in npm.toml:")
}

// prefer makes near the first to be asked: the origin has shown that the registry is public, and near is fast.
func (h *household) prefer() {
	h.t.Helper()
	h.hosts["reg.test"] = has("first")
	same(h.t, "the first blob", h.get("http://reg.test"+blobPath("first")), http.StatusOK)
	for range 3 { // with less the board would try others
		h.Board.Add(measure.Sample{Base: "https://near.test", Wait: time.Microsecond, Took: time.Microsecond})
		h.Board.Add(measure.Sample{Base: "https://reg.test", Wait: time.Second, Took: time.Second})
		h.Board.Add(measure.Sample{Base: "https://far.test", Wait: time.Hour, Took: time.Hour})
	}
}

func TestWhySaysWhichMirrorFailedAndHow(t *testing.T) {
	for _, row := range []struct {
		says string
		near http.HandlerFunc
		want string
	}{
		{"wrong bytes", has("evil"), "asked https://near.test: sent wrong bytes (200)"},
		{"a login page", logsIn, "asked https://near.test: sent a web page (200), 0s in all, 0 B: sent a web page instead of the thing."},
		{"it hangs", hangs, "asked https://near.test: was not waited for, 1s in all, 0 B: was outrun by another source."},
		{"not there", answers(http.StatusNotFound), "asked https://near.test: does not have it (404)"},
		{"forbidden", answers(http.StatusForbidden), "asked https://near.test: refused (403)"},
		{"down", nil, "asked https://near.test: broke, 0s in all, 0 B: connection refused."},
	} {
		t.Run(row.says, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHousehold(t)
				defer h.stop()
				h.prefer()
				h.hosts["reg.test"] = has("good")
				if row.near != nil {
					h.hosts["near.test"] = row.near
				}
				url := "http://reg.test" + blobPath("good")
				same(t, "status", h.get(url), http.StatusOK)
				synctest.Wait()
				contains(t, h.why(url), row.want, "asked https://reg.test: good (200)", "4 B sent by https://reg.test and vouched for by path")
				same(t, "the second time", h.get(url), http.StatusOK)
				contains(t, h.why(url), "Last answer: 0s ago, hit, 4 B", "when it was fetched: "+row.want)
			})
		})
	}
}

func TestWhyAfterARestartTellsFromTheCache(t *testing.T) {
	h := newHousehold(t)
	defer func() { h.stop() }()
	h.prefer()
	h.hosts["near.test"] = has("good")
	url := "http://reg.test" + blobPath("good")
	same(t, "status", h.get(url), http.StatusOK)
	h.restart()
	got := h.why(url)
	contains(t, got, "4 B sent by https://near.test and vouched for by path, confirmed", "so it is served at once", "not measured yet")
	if strings.Contains(got, "Last answer") {
		t.Errorf("\n got %s\nwant nothing of an answer that this Hither did not give", got)
	}
}

// TestWhyKnowsWhatIsFresh guards that it says what fetch does: an origin may allow less than the rule.
func TestWhyKnowsWhatIsFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		defer h.stop()
		h.hosts["reg.test"] = func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/list/short" {
				w.Header().Set("Cache-Control", "max-age=5")
			}
			_, _ = w.Write([]byte("list"))
		}
		same(t, "status", h.get("http://reg.test/list/long"), http.StatusOK)
		same(t, "status", h.get("http://reg.test/list/short"), http.StatusOK)
		<-time.After(10 * time.Second)
		contains(t, h.why("/reg/list/long"), "confirmed 10s ago, so it is served at once", "Keep: for 1m at most")
		contains(t, h.why("/reg/list/short"), "confirmed 10s ago, so the origin is asked first")
		<-time.After(time.Minute)
		contains(t, h.why("/reg/list/long"), "so the origin is asked first")
		delete(h.hosts, "reg.test")
		same(t, "stale", h.get("http://reg.test/list/long"), http.StatusOK)
		contains(t, h.why("/reg/list/long"), "stale, 4 B", "asked https://reg.test: broke", "connection refused")
	})
}

func TestWhySaysThatTheOriginGoesFirstWhereNobodyVouches(t *testing.T) {
	h := newHousehold(t)
	defer h.stop()
	h.prefer()
	contains(t, h.why("/reg/list/a"), "Source 1: https://reg.test/list/a (the origin): p50 TTFB", "before the mirrors, because no authority",
		"Source 2: https://near.test/list/a: p50 TTFB", "because a test says so.")
	contains(t, h.why("/reg"+blobPath("x")), "Source 1: https://near.test/blob/", "the digest in the URL names the bytes (notary path), so whoever is fastest")
}

func TestWhyOfWhatIsNotKept(t *testing.T) {
	h := newHousehold(t, "other", "secret*")
	defer h.stop()
	h.hosts["reg.test"] = has("list")
	same(t, "private", h.get("http://reg.test/list/secrets"), http.StatusOK)
	same(t, "nothing is kept", h.kept(), 0)
	got := h.why("/reg/list/secrets")
	contains(t, got, "Keep: never, for it is private", "secrets is private by your pattern secret*", "Source 1: https://reg.test/list/secrets (the origin): the request goes there as it comes.")
	if strings.Contains(got, "near.test") || strings.Contains(got, "Cache:") {
		t.Errorf("a private name\n got %s\nwant no mirror and no cache", got)
	}
	contains(t, h.why("/reg/never/x"), "Keep: never; each request goes to the origin as it came.", "Source 1: https://reg.test/never/x")
	e, err := h.Why(t.Context(), "https://registry.npmjs.org/ms?write=true")
	same(t, "error", err, nil)
	same(t, "a query that is not for the cache", e.Cached == nil && e.Rule.Pattern == "/{rest...}", true)
}

// Two documents stand under one URL; the one that is meant is the one that some client asked for.
func TestAURLMeansAllItsVariants(t *testing.T) {
	h := newHousehold(t)
	defer func() { h.stop() }()
	const short = "application/vnd.npm.install-v1+json"
	h.hosts["registry.npmjs.org"] = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Accept"))
		_, _ = w.Write([]byte("{}"))
	}
	const url = "http://registry.npmjs.org/express"
	same(t, "status", h.get(url, "Accept", short), http.StatusOK)
	contains(t, h.why(url), "express#"+short, "Last answer", "2 B sent by")
	h.restart()
	contains(t, h.why(url), "express#"+short, "2 B sent by")
	same(t, "status", h.get(url, "Accept", "application/json"), http.StatusOK)
	contains(t, h.why(url), "express#application/json")
	same(t, "both are kept", h.kept(), 2)
	removed, err := h.Remove(t.Context(), url, false)
	same(t, "error", err, nil)
	same(t, "removed", removed.Names, 2)
	same(t, "nothing is kept", h.kept(), 0)
}

func TestRemove(t *testing.T) {
	h := newHousehold(t)
	defer h.stop()
	h.hosts["reg.test"] = has("good")
	for _, path := range []string{"/list/a", "/list/b", blobPath("good")} {
		same(t, path, h.get("http://reg.test"+path), http.StatusOK)
	}
	told := 0
	h.Removed = func() { told++ }
	pinned := cache.Entry{Value: []byte("a tree head"), Pinned: true}
	if err := h.Store.Bind(t.Context(), "pinned", pinned); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		url  string
		want control.Removal
		err  string
	}{
		{"/reg/list/a", control.Removal{Names: 1, Bytes: 4}, ""}, // the same bytes as the others
		{"/reg/list/a", control.Removal{}, ""},
		{"/reg/never/a", control.Removal{}, "is never kept, by " + h.Book.Dir + "/reg.toml:"},
		{"https://example.com/x?key=hush", control.Removal{}, "https://example.com/x?key=…: No rule speaks of this host"},
		{"example", control.Removal{}, "names no host"},
	} {
		got, err := h.Remove(t.Context(), row.url, false)
		same(t, row.url, got, row.want)
		if row.err == "" {
			same(t, row.url, err, nil)
		} else if err == nil || !strings.Contains(err.Error(), row.err) {
			t.Errorf("%s\n got %v\nwant %s", row.url, err, row.err)
		}
	}
	got, err := h.Remove(t.Context(), "", true)
	same(t, "error", err, nil)
	same(t, "all others", got, control.Removal{Names: 2})
	same(t, "what is pinned stays", h.kept(), 1)
	same(t, "the doors are told", told, 3)
}

// unproven is a store after an unclean end: to open a blob is to read all of it.
type unproven struct {
	cache.Store
	opened int
}

func (s *unproven) Open(ctx context.Context, d digest.Digest) (cache.Blob, error) {
	s.opened++
	return s.Store.Open(ctx, d)
}

func TestWhatIsForgottenIsNotReadBefore(t *testing.T) {
	h := newHousehold(t)
	defer h.stop()
	h.hosts["reg.test"] = has("good")
	same(t, "status", h.get("http://reg.test/list/a"), http.StatusOK)
	store := &unproven{Store: h.Store}
	h.Store = store
	got, err := h.Remove(t.Context(), "", true)
	same(t, "error", err, nil)
	same(t, "removed", got, control.Removal{Names: 1, Bytes: 4})
	same(t, "blobs opened", store.opened, 0)
}

// checked is a store that can be read through, with what is found in it.
type checked struct {
	cache.Store
	blobs []error
	err   error
}

func (c checked) Verify(_ context.Context, yield func(digest.Digest, int64, error)) error {
	for _, err := range c.blobs {
		yield("sha256:00", 10, err)
		<-time.After(time.Second)
	}
	return c.err
}

func TestVerifyTellsHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		defer h.stop()
		broken := digest.ErrMismatch
		h.Store = checked{Store: h.Store, blobs: []error{nil, broken, nil, nil, nil, nil, broken, nil}}
		var told []control.Verification
		same(t, "error", h.Verify(t.Context(), func(v control.Verification) { told = append(told, v) }), nil)
		last := told[len(told)-1]
		same(t, "blobs", last.Blobs, 8)
		same(t, "bytes", last.Bytes, 80)
		same(t, "lost", last.Lost, 2)
		same(t, "named", len(last.Damaged), 2)
		same(t, "done", last.Done, true)
		same(t, "told meanwhile", len(told) >= 3 && !told[0].Done, true)
		h.Store = checked{Store: h.Store, err: errors.New("the disk is gone")}
		if err := h.Verify(t.Context(), func(control.Verification) { t.Error("a check that failed was told as done") }); err == nil {
			t.Error("no error")
		}
	})
}

func TestVerifyOfAStoreInMemoryIsDone(t *testing.T) {
	h := newHousehold(t)
	defer h.stop()
	var last control.Verification
	same(t, "error", h.Verify(t.Context(), func(v control.Verification) { last = v }), nil)
	same(t, "done", last.Done, true)
}

func (h *household) upstreamsOf(rule string) []control.Upstream {
	return slices.DeleteFunc(h.status().Upstreams, func(u control.Upstream) bool { return u.Rule != rule })
}

func TestStatusCountsWhatEachUpstreamDid(t *testing.T) {
	h := newHousehold(t)
	defer h.stop()
	h.prefer()
	h.hosts["near.test"], h.hosts["reg.test"] = answers(http.StatusNotFound), has("good")
	same(t, "missing at the mirror", h.get("http://reg.test"+blobPath("good")), http.StatusOK)
	h.hosts["near.test"] = has("evil")
	others := int64(0)
	for h.upstreamsOf("reg")[2].Failures == 0 && others < 9 { // once in a while another is tried
		other := fmt.Sprint("other", others)
		h.hosts["reg.test"] = has(other)
		same(t, "wrong at the mirror", h.get("http://reg.test"+blobPath(other)), http.StatusOK)
		others++
	}
	reg := h.upstreamsOf("reg")
	same(t, "upstreams of the rule", len(reg), 3)
	for i, want := range []control.Upstream{
		{Base: "https://reg.test", Origin: true, Requests: 2 + others},
		{Base: "https://far.test"},
		{Base: "https://near.test", Requests: 2, Failures: 1},
	} {
		got := reg[i]
		same(t, "upstream", got.Base, want.Base)
		same(t, got.Base+": origin", got.Origin, want.Origin)
		same(t, got.Base+": requests", got.Requests, want.Requests)
		same(t, got.Base+": failures", got.Failures, want.Failures)
	}
	same(t, "nothing to say of a good one", reg[0].Note, "")
	contains(t, reg[2].Note, "sent wrong bytes; asked last for another")
}
