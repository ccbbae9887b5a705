package fetch

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"hither/cache"
	"hither/cache/digest"
	"hither/forward/notary"
	"hither/forward/redirect"
	"hither/forward/spool"
)

// flights merges equal requests: one flight a key. The zero value works.
type flights struct {
	mu   sync.Mutex
	open map[string]*flight
	wg   sync.WaitGroup
	calm chan struct{} // holds one for each fill that nobody waits for
	stop context.CancelFunc
	ctx  context.Context // of all fills; ends with close
	shut bool
}

// flight is one fill and those who wait for it. It outlives the client that began it.
type flight struct {
	f     *Fetcher
	req   Request
	kept  cache.Entry // what the cache had, if anything: validators, or the digest of a blob that is gone
	whole bool        // the kept blob is there too, so that a 304 is an answer

	cancel  context.CancelCauseFunc // ends the fill
	wanted  bool                    // more than a guess; under flights.mu, as those to leashes
	bodies  bool                    // somebody wants more than the head
	guesses int                     // who guessed, and has not given up
	dropped bool                    // all gave up, what it brings is outdated, or only its head came: whoever comes now needs another flight
	landed  bool                    // nothing is left to be ended
	here    bool                    // all bytes are, or it is over
	arrived []func()                // who is to be told of that
	leashes []func() bool           // what must be let go then: a client's context outlives many flights
	urgent  chan struct{}           // closed when somebody waits for it

	outdated atomic.Bool // a client changed the name meanwhile: what is fetched is for those who wait, and not kept

	waiters sync.WaitGroup // clients between join and their answer: the spool stays for them
	waiting atomic.Int32   // how many these are
	ready   chan struct{}  // closed when out is set
	out     outcome
	once    sync.Once
	tries   []Try
	trail   *redirect.Trail // where sources redirected to
	begun   chan struct{}   // closed when there is a spool
	homely  bool            // the origin began it
	spool   *spool.Spool    // nil before the first byte
	want    digest.Digest   // which bytes; may become known while they arrive
}

// outcome is what a flight has to say to those who wait. One of spool, early, entry, gone, head, err is set.
type outcome struct {
	spool  *spool.Spool
	early  []byte       // the whole body, which the authority has not yet named; not nil, but perhaps empty
	entry  *cache.Entry // the cache has it after all: revalidated, or the same bytes under another name
	state  State        // of entry
	gone   *negative
	head   bool // the authority's header is all that anybody wants
	err    error
	header map[string]string
	report Report
}

// errClosed ends the fills of a Fetcher that was closed.
var errClosed = errors.New("this Hither is stopping")

// errUnwanted ends the fills that were only guesses, when who guessed gave up.
var errUnwanted = errors.New("nobody wants it any more")

// staleAfter is how long a client waits for a source if an old copy lies ready. The fill goes on, for the next one.
const staleAfter = 4 * time.Second

// wait joins the flight for a request, or begins it, and waits for what it has to say.
func (f *Fetcher) wait(ctx context.Context, req Request, k kept) (*Answer, error) {
	if gone, ok := f.gone.get(req.Name, f.now()); ok && k.blob == nil && !req.Fresh && !f.changedSince(req, gone.asked) {
		return gone.answer(nil, f.now()), nil
	}
	fl, joined, err := f.flights.join(f, req, k, false)
	if err != nil {
		k.close()
		return nil, err
	}
	defer fl.part()
	if req.Ahead {
		defer f.flights.leash(ctx, fl)
		f.flights.await(fl, req.Arrived)
	}
	if k.blob == nil && req.Part > 0 && f.late(ctx, req, fl) {
		return nil, &FarError{fl.trail}
	}
	var late <-chan time.Time
	if k.blob != nil {
		timer := time.NewTimer(staleAfter)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-fl.ready:
		return f.settle(ctx, req, fl, k, joined)
	case <-late:
		return k.answer(Stale), nil
	case <-ctx.Done():
		k.close()
		return nil, ctx.Err()
	}
}

// settle turns what a flight says into this client's answer.
func (f *Fetcher) settle(ctx context.Context, req Request, fl *flight, k kept, joined bool) (*Answer, error) {
	out := fl.out
	switch {
	case out.err != nil:
		if k.blob != nil && excusable(out.err) {
			a := k.answer(Stale)
			a.Report.Tries, a.Report.Err = out.report.Tries, out.err.Error()
			return a, nil
		}
		k.close()
		return nil, out.err
	case out.gone != nil:
		k.close()
		return out.gone.answer(out.report.Tries, f.now()), nil
	case out.head:
		k.close()
		return out.headed(joined), nil
	case out.entry != nil:
		return f.reopen(ctx, req, fl, k)
	case out.early != nil:
		k.close()
		return out.handedOn(joined), nil
	}
	k.close()
	return f.spooled(ctx, req, fl, joined)
}

// excusable says that an old copy is better than this error (RFC 5861, section 4). The origin's refusal is an answer, and
// an authority that contradicts itself is an alarm: an old copy would hide them.
func excusable(err error) bool {
	var failure *Failure
	if errors.As(err, &failure) && failure.refused() {
		return false
	}
	return !errors.Is(err, ErrPass) && !errors.Is(err, notary.ErrSecurity)
}

// reopen answers from the cache after the flight found that what is kept is right.
func (f *Fetcher) reopen(ctx context.Context, req Request, fl *flight, k kept) (*Answer, error) {
	entry := *fl.out.entry
	if k.blob == nil || k.entry.Digest != entry.Digest {
		k.close()
		blob, err := f.Store.Open(ctx, entry.Digest)
		if err != nil {
			return nil, cmp.Or(ctx.Err(), ErrPass) // evicted just now
		}
		k.blob = f.healing(req, entry.Digest, blob)
	}
	k.entry, k.now = entry, f.now()
	a := k.answer(fl.out.state)
	a.Report.Tries = fl.out.report.Tries
	return a, nil
}

// spooled answers from the bytes that are arriving.
func (f *Fetcher) spooled(ctx context.Context, req Request, fl *flight, joined bool) (*Answer, error) {
	if fl.out.spool.Far(req.Offset, req.Upto) {
		return nil, &FarError{fl.trail}
	}
	r := fl.out.spool.Reader(ctx)
	a := &Answer{
		Status: http.StatusOK, Header: repeat(fl.out.header), Size: r.Told,
		ETag: etag(fl.out.report.Digest), Body: r, Report: fl.out.report,
	}
	a.Report.State = Miss
	if joined {
		a.Report.State = Merged
	}
	return a, nil
}

func (n *negative) answer(tries []Try, now time.Time) *Answer {
	a := &Answer{
		Status: n.status, Header: make(http.Header), Size: int64(len(n.body)),
		Body:   nopCloser{bytes.NewReader(n.body)},
		Report: Report{State: Negative, Source: n.source, Tries: tries, When: now},
	}
	for key, value := range n.header {
		a.Header.Set(key, value)
	}
	return a
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// join finds the flight for a request or begins one, which may be calm: nobody waits for it. Clients that expect different
// bytes fly apart. The caller must say fl.part once it has its answer.
func (fs *flights) join(f *Fetcher, req Request, k kept, calm bool) (fl *flight, joined bool, err error) {
	key := req.Name + "\n" + string(req.Claim)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.shut {
		return nil, false, &Failure{Name: req.Name, Cause: errClosed}
	}
	fl, joined = fs.open[key]
	if joined && (fl.dropped || fl.over()) {
		joined = false // its error is for those who waited for it, and what it brought may be older than this request
	}
	if !joined {
		fl = newFlight(f, req, k)
		fs.launchLocked(key, fl)
	}
	if !calm {
		fl.hurryLocked()
	}
	if req.Ahead {
		fl.guesses++
	} else {
		fl.wanted = true
	}
	fl.bodies = fl.bodies || !req.Head || calm // what is kept is to be replaced
	fl.attend()
	return fl, joined, nil
}

func newFlight(f *Fetcher, req Request, k kept) *flight {
	return &flight{
		f: f, req: req, kept: k.entry, whole: k.blob != nil,
		urgent: make(chan struct{}), ready: make(chan struct{}), begun: make(chan struct{}), trail: &redirect.Trail{},
	}
}

func (fs *flights) launchLocked(key string, fl *flight) {
	fs.beginLocked()
	fs.open[key] = fl
	var ctx context.Context
	ctx, fl.cancel = context.WithCancelCause(fs.ctx)
	fs.wg.Go(func() {
		fl.run(ctx)
		fl.allHere()
		fl.cancel(nil)
		fs.mu.Lock()
		if fs.open[key] == fl {
			delete(fs.open, key)
		}
		fl.landed = true
		for _, let := range fl.leashes {
			let()
		}
		fl.leashes = nil
		fs.mu.Unlock()
		fl.waiters.Wait()
		if fl.spool != nil {
			fl.spool.Release() // also one that nobody was told of
		}
	})
}

func (fs *flights) beginLocked() {
	if fs.open != nil {
		return
	}
	fs.open = make(map[string]*flight)
	fs.calm = make(chan struct{}, maxCalm)
	fs.ctx, fs.stop = context.WithCancel(context.Background()) //nolint:forbidigo // fills outlive the clients that began them
}

// maxCalm is how many fills that nobody waits for run at once. Whoever lists a thousand modules after a week would else
// wait behind a thousand questions for the one module that is missing.
const maxCalm = 32

// hurryLocked lets a flight go that had time.
func (fl *flight) hurryLocked() {
	select {
	case <-fl.urgent:
	default:
		close(fl.urgent)
	}
}

// turn waits until a flight may begin: at once if somebody waits for it. The caller calls release at its end.
func (fl *flight) turn(ctx context.Context) (release func()) {
	calm := fl.f.flights.calm
	select {
	case <-fl.urgent:
		return func() {}
	default:
	}
	select {
	case calm <- struct{}{}:
		return func() { <-calm }
	case <-fl.urgent:
	case <-ctx.Done():
	}
	return func() {}
}

// leash ends a flight that is nothing but a guess when the last who guessed gives up: when ctx ends before the fill.
func (fs *flights) leash(ctx context.Context, fl *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fl.landed {
		return
	}
	fl.leashes = append(fl.leashes, context.AfterFunc(ctx, func() {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		if fl.guesses--; fl.guesses == 0 && !fl.wanted {
			fl.dropped = true
			fl.cancel(errUnwanted)
		}
	}))
}

func (fs *flights) close() {
	fs.mu.Lock()
	fs.shut = true
	if fs.stop != nil {
		fs.stop()
	}
	fs.mu.Unlock()
	fs.wg.Wait()
}

// over says that a flight has told all that it had to tell, of a body the last byte: who asks after that wants to know how it is now.
func (fl *flight) over() bool {
	select {
	case <-fl.ready:
		return fl.out.early == nil && (fl.out.spool == nil || fl.out.spool.Complete())
	default:
		return false
	}
}

// await calls arrived when all bytes are here, at once if they are; nil: nobody wants to know.
func (fs *flights) await(fl *flight, arrived func()) {
	if arrived == nil {
		return
	}
	fs.mu.Lock()
	here := fl.here
	if !here {
		fl.arrived = append(fl.arrived, arrived)
	}
	fs.mu.Unlock()
	if here {
		arrived()
	}
}

// allHere says that all bytes are here. It may be called more than once.
func (fl *flight) allHere() {
	fs := &fl.f.flights
	fs.mu.Lock()
	told := fl.arrived
	fl.here, fl.arrived = true, nil
	fs.mu.Unlock()
	for _, tell := range told {
		tell()
	}
}

// tell sets the outcome and wakes those who wait. Only the first call counts.
func (fl *flight) tell(out outcome) {
	fl.once.Do(func() {
		out.report.Tries = append([]Try(nil), fl.tries...)
		fl.out = out
		close(fl.ready)
	})
}
