package main

import (
	"sync"
	"time"

	"hither/cache"
	"hither/forward"
	"hither/forward/fetch"
)

// ledger counts what was served, and remembers the last answer for each name, so that `hither why` can tell the reasons.
// Its methods may be called from many goroutines.
type ledger struct {
	mu     sync.Mutex
	status Status
	last   map[cache.Name]fetch.Report
	order  []cache.Name // of last, the oldest first
}

const (
	// maxReports bounds the memory of the ledger to a few megabytes.
	maxReports = 5000
	// maxErrors is how many `hither status` shows.
	maxErrors = 20
)

func newLedger() *ledger {
	return &ledger{status: Status{Requests: map[fetch.State]int64{}}, last: map[cache.Name]fetch.Report{}}
}

// answered implements fetch.Trace.
func (l *ledger) answered(r fetch.Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Requests[r.State]++
	if r.Saved > 0 {
		l.status.TimeSaved += r.Saved
	}
	l.rememberLocked(r)
}

// filled implements fetch.Trace: what a fill came to replaces what was known when its first client was answered.
func (l *ledger) filled(r fetch.Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Err != "" {
		l.failLocked(string(r.Name), r.Err)
	}
	l.rememberLocked(r)
}

func (l *ledger) rememberLocked(r fetch.Report) {
	if old, ok := l.last[r.Name]; ok && (r.State == fetch.Hit || r.State == fetch.Merged) && len(r.Tries) == 0 {
		r.Tries = old.Tries // why these bytes are here is told by the fill
	} else if !ok {
		l.order = append(l.order, r.Name)
	}
	l.last[r.Name] = r
	for len(l.order) > maxReports {
		delete(l.last, l.order[0])
		l.order = l.order[1:]
	}
}

// served implements forward.Server's Done.
func (l *ledger) served(d forward.Done) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Served += d.Sent
	switch {
	case d.Tunnel:
		l.status.Tunnels++
	case d.State == string(fetch.Hit) || d.State == string(fetch.Revalidated) || d.State == string(fetch.Stale):
		l.status.Saved += d.Sent
	case d.State == "" && d.Rule != "":
		l.status.Passed++
	}
	if d.Err != nil {
		l.status.Failures++
		l.failLocked(d.Host+d.Path, d.Err.Error())
	}
}

func (l *ledger) failLocked(url, text string) {
	f := Failure{When: time.Now(), URL: redact(url), Err: redact(text)}
	l.status.Errors = append([]Failure{f}, l.status.Errors[:min(len(l.status.Errors), maxErrors-1)]...)
}

// report is the last answer for a name.
func (l *ledger) report(name cache.Name) (fetch.Report, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.last[name]
	return r, ok
}

// snapshot is the counts as they are now.
func (l *ledger) snapshot() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.Requests = make(map[fetch.State]int64, len(l.status.Requests))
	for state, n := range l.status.Requests {
		s.Requests[state] = n
	}
	s.Errors = append([]Failure(nil), l.status.Errors...)
	return s
}
