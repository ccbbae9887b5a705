// Package ledger counts what clients got and what upstreams did, and remembers the last answer for each name, with its reasons.
//
//	l := ledger.New()
//	server.Fetch, server.Done = l.Saving(fetch), l.Served
package ledger

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"hither/cache"
	"hither/cmd/hither/control"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/why"
	"hither/forward"
	"hither/forward/fetch"
	"hither/forward/measure"
)

// Ledger counts what clients got, and remembers the last answer for each name, so that `hither why` can tell the reasons.
// Its methods may be called from many goroutines.
type Ledger struct {
	Hedges measure.Hedger // of the fetcher whose requests are counted
	Stir   func()         // set before the first request; told of every answer and fill, before anything is counted, but of no page of ours; nil: nobody is

	mu        sync.Mutex
	status    control.Status
	last      map[cache.Name]fetch.Report
	order     []cache.Name // of last, the oldest first
	upstreams map[string]Asked
}

// Asked is how often an upstream was asked, and how often in vain. What it only does not have is not in vain.
type Asked struct{ Requests, Failures int64 }

const (
	// maxReports bounds the memory of the ledger to a few megabytes.
	maxReports = 5000
	// maxErrors is how many `hither status` shows.
	maxErrors = 20
	// maxUpstreams is far above what rule files name; they may be changed without end.
	maxUpstreams = 1000
)

// New has counted nothing yet.
func New() *Ledger {
	return &Ledger{
		status: control.Status{Requests: map[fetch.State]int64{}}, last: map[cache.Name]fetch.Report{}, upstreams: map[string]Asked{},
	}
}

// Fetcher is what forward.Server asks.
type Fetcher func(context.Context, fetch.Request) (*fetch.Answer, error)

// Saving counts the time that clients did not have to wait. What Hither asks for by itself, on behalf of an authority, goes
// past it.
func (l *Ledger) Saving(next Fetcher) Fetcher {
	return func(ctx context.Context, r fetch.Request) (*fetch.Answer, error) {
		a, err := next(ctx, r)
		if err == nil && !r.Head && a.Report.Saved > 0 {
			l.mu.Lock()
			l.status.TimeSaved += a.Report.Saved
			l.mu.Unlock()
		}
		return a, err
	}
}

// Again is told of what was answered without fetch.Fetcher, because it lay ready; it does what happens when fetch answers.
func (l *Ledger) Again(f *fetch.Fetcher) func(fetch.Request, fetch.Report) {
	return func(req fetch.Request, r fetch.Report) {
		f.Trace.Asked(req)
		f.Trace.Answered(req, r)
	}
}

// Answered implements fetch.Trace.
func (l *Ledger) Answered(_ fetch.Request, r fetch.Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rememberLocked(r)
}

// Filled implements fetch.Trace: what a fill came to replaces what was known when its first client was answered.
func (l *Ledger) Filled(r fetch.Report) {
	if l.Stir != nil {
		l.Stir()
	}
	if r.Err == fetch.ErrPass.Error() {
		return // no answer: the client was sent to the origin
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, ok := l.last[r.Name]; ok && r.Err != "" && old.State == fetch.Stale { // clients had the old copy, this is why
		old.Tries, old.Err = r.Tries, r.Err
		r = old
	}
	l.rememberLocked(r)
}

// rememberLocked keeps the tries of a fill when its bytes are served again: they tell why these bytes are here.
func (l *Ledger) rememberLocked(r fetch.Report) {
	old, ok := l.last[r.Name]
	if ok && (r.State == fetch.Hit || r.State == fetch.Merged) && len(r.Tries) == 0 {
		r.Tries = old.Tries
	}
	if !ok {
		l.order = append(l.order, r.Name)
	}
	l.last[r.Name] = r
	for len(l.order) > maxReports {
		delete(l.last, l.order[0])
		l.order = l.order[1:]
	}
}

// Served implements forward.Server's Done.
func (l *Ledger) Served(d forward.Done) {
	ours := d.Rule == "" && d.State == "" && !d.Tunnel // our own pages are no packages, and who watches us no client
	if l.Stir != nil && !ours {
		l.Stir()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.TimeSaved += d.Saved
	state := fetch.State(d.State)
	if !ours {
		l.status.Served += d.Sent
	}
	failed := d.Err != nil && !left(d)
	if failed {
		l.failLocked(d.Host+d.Path, d.Err.Error())
	}
	switch {
	case failed && (d.Status >= 500 || d.Status < 400): // between them is the client's mistake, or the origin's refusal
		l.status.Failures++
	case d.Status == http.StatusLoopDetected && d.State == "":
		l.status.Failures++
		l.failLocked(d.Host+d.Path, "the request came back to Hither: some proxy setting or DNS answer sends it there")
	case d.Tunnel, d.State == passed && d.Rule == "":
		l.status.Tunnels++
	case d.State == passed:
		l.status.Passed++
	case d.State != "":
		l.status.Requests[state]++
	}
	if isSaved(state) {
		l.status.Saved += d.Sent
	}
}

// passed is forward.Done's word for what was sent to the origin as it came.
const passed = "pass"

// isSaved says whether bytes served in this way did not have to be fetched for the client.
func isSaved(s fetch.State) bool {
	return slices.Contains([]fetch.State{fetch.Hit, fetch.Refreshing, fetch.Revalidated, fetch.Merged, fetch.Stale}, s)
}

// left says that it was the client who broke off, which is its right. net/http's HTTP/2 does not export its words for that.
func left(d forward.Done) bool {
	if d.Status >= 500 {
		return false
	}
	for _, gone := range []error{context.Canceled, forward.ErrAsleep, broken, reset, net.ErrClosed} {
		if errors.Is(d.Err, gone) {
			return true
		}
	}
	text := d.Err.Error()
	return text == "client disconnected" || text == "http2: stream closed"
}

// failLocked puts an error first.
func (l *Ledger) failLocked(url, text string) {
	f := control.Failure{When: time.Now(), URL: redact.Text(url), Err: redact.Text(why.WithoutAdvice(text))}
	l.status.Errors = append([]control.Failure{f}, l.status.Errors[:min(len(l.status.Errors), maxErrors-1)]...)
}

// Report is the last answer for a name.
func (l *Ledger) Report(name cache.Name) (fetch.Report, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.last[name]
	return r, ok
}

// Upstream is how often one was asked.
func (l *Ledger) Upstream(base string) Asked {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.upstreams[base]
}

// Snapshot is the counts as they are now.
func (l *Ledger) Snapshot() control.Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.Requests = make(map[fetch.State]int64, len(l.status.Requests))
	for state, n := range l.status.Requests {
		s.Requests[state] = n
	}
	s.Errors = slices.Clone(l.status.Errors)
	s.Hedges = l.Hedges.Report()
	return s
}

// Tallied counts what upstreams did, before the board makes averages of it.
type Tallied struct {
	*measure.Board
	Ledger *Ledger
}

// Add takes one transfer into account.
func (t Tallied) Add(s measure.Sample) {
	t.Board.Add(s)
	t.Ledger.Tally(s)
}

// Tally counts a transfer. One that we ended ourselves is none of the upstream's.
func (l *Ledger) Tally(s measure.Sample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Fetched += s.Bytes
	if l.status.Extra += s.Extra; s.Probe {
		l.status.Extra += s.Bytes
	}
	if s.Outcome == measure.Canceled || s.Outcome == measure.Outrun {
		return
	}
	n, ok := l.upstreams[s.Base]
	if !ok && len(l.upstreams) >= maxUpstreams {
		return
	}
	n.Requests++
	if s.Outcome.Failed() {
		n.Failures++
	}
	l.upstreams[s.Base] = n
}
