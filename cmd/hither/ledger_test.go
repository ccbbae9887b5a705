package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache/digest"
	"hither/forward/notary"
	"hither/rules"
)

func TestTheLedgerCountsEachRequestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		defer h.stop()
		h.hosts["reg.test"] = func(w http.ResponseWriter, r *http.Request) {
			<-time.After(30 * time.Millisecond)
			switch r.URL.Path {
			case "/list/gone":
				w.WriteHeader(http.StatusNotFound)
			case "/list/broken":
				w.WriteHeader(http.StatusInternalServerError)
			default:
				_, _ = w.Write([]byte("0123456789"))
			}
		}
		h.hosts["elsewhere.test"] = has("seen by nobody")
		for _, row := range []struct {
			url    string
			status int
		}{
			{"http://reg.test/list/a", 200},      // miss
			{"http://reg.test/list/a", 200},      // hit
			{"/reg/list/a", 200},                 // hit
			{"http://reg.test/list/gone", 404},   // negative
			{"http://reg.test/never/a", 200},     // passed
			{"http://reg.test/never/a?x=1", 200}, // passed
			{"http://elsewhere.test/x", 200},     // tunnel
			{"http://reg.test/list/broken", 502}, // failed
			{"http://nowhere.test/x", 502},       // failed
			{"/v2/", 200},                        // local
			{"/", 200},                           // our own page
			{"/nothing", 400},                    // a mistake
		} {
			same(t, row.url, h.get(row.url), row.status)
		}
		s := h.status()
		same(t, "requests", fmt.Sprint(s.Requests), "map[hit:2 local:1 miss:1 negative:1]")
		same(t, "passed", s.Passed, 2)
		same(t, "tunnels", s.Tunnels, 1)
		same(t, "failures", s.Failures, 2)
		same(t, "saved", s.Saved, 20)
		same(t, "time saved", s.TimeSaved, 60*time.Millisecond)
		same(t, "errors", len(s.Errors), 2)
		contains(t, s.Errors[0].URL, "nowhere.test/x")
		contains(t, s.Errors[1].URL, "reg.test/list/broken")
		contains(t, s.Errors[1].Err, "https://reg.test answered 500")
		same(t, "advice to look where one looks", strings.Contains(s.Errors[1].Err, "hither status"), false)
	})
}

// asking is a notary that reads a document first, as all true ones do.
type asking struct {
	fetch func(context.Context, rules.Match, bool) ([]byte, error)
	says  string
}

func (a asking) Attest(ctx context.Context, m rules.Match) (notary.Attestation, error) {
	doc, _ := m.Rule.Match("reg.test", "/list/authority")
	_, err := a.fetch(ctx, doc, false)
	return notary.Attestation{Digest: digestOf(a.says)}, err
}

func digestOf(body string) digest.Digest {
	return digest.Digest(strings.TrimPrefix(blobPath(body), "/blob/"))
}

func TestWhatAuthoritiesAskForIsNoRequest(t *testing.T) {
	h := newHousehold(t)
	defer h.stop()
	h.fetcher.Notaries["path"] = asking{h.fetcher.Document, "good"}
	h.hosts["reg.test"] = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/list/authority" {
			_, _ = w.Write([]byte("it is the good one"))
			return
		}
		_, _ = w.Write([]byte("good"))
	}
	same(t, "status", h.get("http://reg.test"+blobPath("good")), http.StatusOK)
	s := h.status()
	same(t, "requests", fmt.Sprint(s.Requests), "map[miss:1]")
	same(t, "both are kept", s.Cache.Names, 2)
	contains(t, h.why("/reg/list/authority"), "Last answer:")
	asked := h.Ledger.Upstream("https://reg.test").Requests
	same(t, "but the upstream was asked twice", asked, 2)
}

func TestAClientThatLeavesIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		defer h.stop()
		h.hosts["reg.test"] = hangs
		for _, path := range []string{"/list/a", "/never/a"} {
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			same(t, path, h.do(httptest.NewRequestWithContext(ctx, http.MethodGet, "http://reg.test"+path, nil)), 0)
		}
		s := h.status()
		same(t, "failures", s.Failures, 0)
		same(t, "errors", len(s.Errors), 0)
	})
}
