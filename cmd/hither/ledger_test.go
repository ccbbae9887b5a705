package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache"
	"hither/cache/digest"
	"hither/cmd/hither/why"
	"hither/forward"
	"hither/forward/fetch"
	"hither/forward/measure"
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
	asked := h.ledger.upstream("https://reg.test").requests
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

func TestWhoBrokeOff(t *testing.T) {
	for _, row := range []struct {
		says     string
		d        forward.Done
		failures int64
		errors   int
	}{
		{"the client, before the answer", forward.Done{Err: context.Canceled}, 0, 0},
		{"the client, in the middle", forward.Done{Status: 200, State: "hit", Err: fmt.Errorf("write tcp: %w", syscall.EPIPE)}, 0, 0},
		{"the client, with a reset", forward.Done{Status: 200, State: "hit", Err: syscall.ECONNRESET}, 0, 0},
		{"the client, by HTTP/2", forward.Done{Status: 200, State: "hit", Err: errors.New("client disconnected")}, 0, 0},
		{"the sources, in the middle", forward.Done{Status: 200, State: "miss", Err: errors.New("no byte came")}, 1, 1},
		{"the origin", forward.Done{Status: 502, State: "pass", Rule: "reg", Err: syscall.ECONNRESET}, 1, 1},
		{"the origin, which refuses", forward.Done{Status: 429, Rule: "reg", Err: errors.New("answered 429")}, 0, 1},
		{"a loop", forward.Done{Status: 508}, 1, 1},
		{"the origin's own error", forward.Done{Status: 500, State: "pass", Rule: "reg"}, 0, 0},
		{"what the client alone wanted", forward.Done{Status: 504, Rule: "reg"}, 0, 0},
	} {
		l := newLedger()
		l.served(row.d)
		s := l.snapshot()
		same(t, row.says+": failures", s.Failures, row.failures)
		same(t, row.says+": errors", len(s.Errors), row.errors)
	}
}

func TestTheLedgerIsBounded(t *testing.T) {
	l := newLedger()
	board := tallied{new(measure.Board), l}
	for i := range 2 * maxReports {
		name := fmt.Sprint("reg/", i)
		l.answered(fetch.Request{}, fetch.Report{Name: cache.Name(name), State: fetch.Miss})
		l.filled(fetch.Report{Name: cache.Name(name), State: fetch.Miss})
		l.served(forward.Done{Host: "reg", Path: fmt.Sprint("/", i, "?token=hush"), Status: 502, Err: errors.New("down")})
		board.Add(measure.Sample{Base: name})
	}
	same(t, "reports", len(l.last), maxReports)
	same(t, "their order", len(l.order), maxReports)
	same(t, "upstreams", len(l.upstreams), maxUpstreams)
	s := l.snapshot()
	same(t, "errors", len(s.Errors), maxErrors)
	same(t, "the newest first, without secrets", s.Errors[0].URL, fmt.Sprintf("reg/%d?token=…", 2*maxReports-1))
	_, ok := l.report("reg/0")
	same(t, "the oldest is forgotten", ok, false)
	_, ok = l.report(cache.Name(fmt.Sprint("reg/", 2*maxReports-1)))
	same(t, "the newest is not", ok, true)
}

// TestErrorsAreShownWithoutAdvice guards the words of fetch, which stand in the middle too when an authority failed.
func TestErrorsAreShownWithoutAdvice(t *testing.T) {
	inner := &fetch.Failure{Name: "lookup", Tries: []fetch.Try{{Base: "https://sum", Err: "is down"}}}
	outer := &fetch.Failure{Name: "zip", Cause: inner, Tries: []fetch.Try{{Base: "https://origin", Status: 500}}}
	same(t, "error", why.WithoutAdvice(outer.Error()), "nobody gave us zip: nobody gave us lookup: https://sum is down; https://origin answered 500")
}

func TestAHitKeepsTheTriesOfItsFill(t *testing.T) {
	l := newLedger()
	tries := []fetch.Try{{Base: "https://near"}}
	l.answered(fetch.Request{}, fetch.Report{Name: "n", State: fetch.Miss})
	l.filled(fetch.Report{Name: "n", State: fetch.Miss, Tries: tries})
	l.answered(fetch.Request{}, fetch.Report{Name: "n", State: fetch.Merged})
	l.answered(fetch.Request{}, fetch.Report{Name: "n", State: fetch.Hit})
	l.filled(fetch.Report{Name: "n", State: fetch.Miss, Err: fetch.ErrPass.Error()})
	r, _ := l.report("n")
	same(t, "state", r.State, fetch.Hit)
	same(t, "tries", len(r.Tries), 1)
	same(t, "names", len(l.order), 1)
	l.answered(fetch.Request{}, fetch.Report{Name: "n", State: fetch.Negative})
	r, _ = l.report("n")
	same(t, "tries of another answer", len(r.Tries), 0)
}

func TestAFillThatFailsLaterDoesNotHideTheOldCopyThatClientsGot(t *testing.T) {
	l := newLedger()
	l.answered(fetch.Request{}, fetch.Report{Name: "a", State: fetch.Stale, Vouched: "npm"})
	l.filled(fetch.Report{Name: "a", State: fetch.Miss, Err: "nobody", Tries: []fetch.Try{{Base: "https://near.test"}}})
	got, _ := l.report("a")
	same(t, "state", got.State, fetch.Stale)
	same(t, "error", got.Err, "nobody")
	same(t, "tries", len(got.Tries), 1)
}

func TestASnapshotIsACopy(t *testing.T) {
	l := newLedger()
	l.served(forward.Done{State: "hit"})
	l.served(forward.Done{Err: errors.New("x")})
	s := l.snapshot()
	s.Requests[fetch.Hit] = 7
	s.Errors[0].Err = "y"
	same(t, "hits", l.snapshot().Requests[fetch.Hit], 1)
	same(t, "error", l.snapshot().Errors[0].Err, "x")
}

// TestWhoWatchesUsIsNoClient asks for a page of ours, as health checks do every few seconds: memory is given back all the same.
func TestWhoWatchesUsIsNoClient(t *testing.T) {
	for _, c := range []struct {
		done  forward.Done
		stirs bool
	}{
		{forward.Done{Path: "/", Status: 200, Sent: 9}, false},
		{forward.Done{Path: "/nothing", Status: 404, Sent: 9}, false},
		{forward.Done{Rule: "npm", State: "hit", Status: 200}, true},
		{forward.Done{State: passed, Status: 200}, true},
		{forward.Done{Tunnel: true}, true},
	} {
		l, stirred := newLedger(), false
		l.stir = func() { stirred = true }
		l.served(c.done)
		if stirred != c.stirs {
			t.Errorf("%+v stirs\ngot:  %v\nwant: %v", c.done, stirred, c.stirs)
		}
	}
}
