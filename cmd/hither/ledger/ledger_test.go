package ledger

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"hither/cache"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/why"
	"hither/forward"
	"hither/forward/fetch"
	"hither/forward/measure"
)

func TestWhoBrokeOff(t *testing.T) {
	for _, row := range []struct {
		says     string
		d        forward.Done
		failures int64
		errors   int
	}{
		{"the client, before the answer", forward.Done{Err: context.Canceled}, 0, 0},
		{"the client, in the middle", forward.Done{Status: 200, State: "hit", Err: fmt.Errorf("write tcp: %w", broken)}, 0, 0},
		{"the client, with a reset", forward.Done{Status: 200, State: "hit", Err: reset}, 0, 0},
		{"the client, by HTTP/2", forward.Done{Status: 200, State: "hit", Err: errors.New("client disconnected")}, 0, 0},
		{"the client, which sleeps", forward.Done{Status: 200, State: "hit", Err: fmt.Errorf("write: %w", forward.ErrAsleep)}, 0, 0},
		{"the sources, in the middle", forward.Done{Status: 200, State: "miss", Err: errors.New("no byte came")}, 1, 1},
		{"the origin", forward.Done{Status: 502, State: "pass", Rule: "reg", Err: reset}, 1, 1},
		{"the origin, which refuses", forward.Done{Status: 429, Rule: "reg", Err: errors.New("answered 429")}, 0, 1},
		{"a loop", forward.Done{Status: 508}, 1, 1},
		{"the origin's own error", forward.Done{Status: 500, State: "pass", Rule: "reg"}, 0, 0},
		{"what the client alone wanted", forward.Done{Status: 504, Rule: "reg"}, 0, 0},
	} {
		l := New()
		l.Served(row.d)
		s := l.Snapshot()
		hithertest.Same(t, row.says+": failures", s.Failures, row.failures)
		hithertest.Same(t, row.says+": errors", len(s.Errors), row.errors)
	}
}

func TestTheLedgerIsBounded(t *testing.T) {
	l := New()
	board := Tallied{Board: new(measure.Board), Ledger: l}
	for i := range 2 * maxReports {
		name := fmt.Sprint("reg/", i)
		l.Answered(fetch.Request{}, fetch.Report{Name: cache.Name(name), State: fetch.Miss})
		l.Filled(fetch.Report{Name: cache.Name(name), State: fetch.Miss})
		l.Served(forward.Done{Host: "reg", Path: fmt.Sprint("/", i, "?token=hush"), Status: 502, Err: errors.New("down")})
		board.Add(measure.Sample{Base: name})
	}
	hithertest.Same(t, "reports", len(l.last), maxReports)
	hithertest.Same(t, "their order", len(l.order), maxReports)
	hithertest.Same(t, "upstreams", len(l.upstreams), maxUpstreams)
	s := l.Snapshot()
	hithertest.Same(t, "errors", len(s.Errors), maxErrors)
	hithertest.Same(t, "the newest first, without secrets", s.Errors[0].URL, fmt.Sprintf("reg/%d?token=…", 2*maxReports-1))
	_, ok := l.Report("reg/0")
	hithertest.Same(t, "the oldest is forgotten", ok, false)
	_, ok = l.Report(cache.Name(fmt.Sprint("reg/", 2*maxReports-1)))
	hithertest.Same(t, "the newest is not", ok, true)
}

// TestErrorsAreShownWithoutAdvice guards the words of fetch, which stand in the middle too when an authority failed.
func TestErrorsAreShownWithoutAdvice(t *testing.T) {
	inner := &fetch.Failure{Name: "lookup", Tries: []fetch.Try{{Base: "https://sum", Err: "is down"}}}
	outer := &fetch.Failure{Name: "zip", Cause: inner, Tries: []fetch.Try{{Base: "https://origin", Status: 500}}}
	hithertest.Same(t, "error", why.WithoutAdvice(outer.Error()), "nobody gave us zip: nobody gave us lookup: https://sum is down; https://origin answered 500")
}

func TestAHitKeepsTheTriesOfItsFill(t *testing.T) {
	l := New()
	tries := []fetch.Try{{Base: "https://near"}}
	l.Answered(fetch.Request{}, fetch.Report{Name: "n", State: fetch.Miss})
	l.Filled(fetch.Report{Name: "n", State: fetch.Miss, Tries: tries})
	l.Answered(fetch.Request{}, fetch.Report{Name: "n", State: fetch.Merged})
	l.Answered(fetch.Request{}, fetch.Report{Name: "n", State: fetch.Hit})
	l.Filled(fetch.Report{Name: "n", State: fetch.Miss, Err: fetch.ErrPass.Error()})
	r, _ := l.Report("n")
	hithertest.Same(t, "state", r.State, fetch.Hit)
	hithertest.Same(t, "tries", len(r.Tries), 1)
	hithertest.Same(t, "names", len(l.order), 1)
	l.Answered(fetch.Request{}, fetch.Report{Name: "n", State: fetch.Negative})
	r, _ = l.Report("n")
	hithertest.Same(t, "tries of another answer", len(r.Tries), 0)
}

func TestAFillThatFailsLaterDoesNotHideTheOldCopyThatClientsGot(t *testing.T) {
	l := New()
	l.Answered(fetch.Request{}, fetch.Report{Name: "a", State: fetch.Stale, Vouched: "npm"})
	l.Filled(fetch.Report{Name: "a", State: fetch.Miss, Err: "nobody", Tries: []fetch.Try{{Base: "https://near.test"}}})
	got, _ := l.Report("a")
	hithertest.Same(t, "state", got.State, fetch.Stale)
	hithertest.Same(t, "error", got.Err, "nobody")
	hithertest.Same(t, "tries", len(got.Tries), 1)
}

func TestASnapshotIsACopy(t *testing.T) {
	l := New()
	l.Served(forward.Done{State: "hit"})
	l.Served(forward.Done{Err: errors.New("x")})
	s := l.Snapshot()
	s.Requests[fetch.Hit] = 7
	s.Errors[0].Err = "y"
	hithertest.Same(t, "hits", l.Snapshot().Requests[fetch.Hit], 1)
	hithertest.Same(t, "error", l.Snapshot().Errors[0].Err, "x")
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
		l, stirred := New(), false
		l.Stir = func() { stirred = true }
		l.Served(c.done)
		if stirred != c.stirs {
			t.Errorf("%+v stirs\ngot:  %v\nwant: %v", c.done, stirred, c.stirs)
		}
	}
}
