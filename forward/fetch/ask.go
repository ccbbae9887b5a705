package fetch

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
	"time"

	"hither/forward/lanes"
	"hither/forward/mark"
	"hither/forward/measure"
	"hither/forward/redirect"
	"hither/rules"
)

// asking is a request that was sent to one source.
type asking struct {
	*carried
	src   rules.Source
	watch *watch
	since time.Time // when it was sent, by the clock that timers go by

	release   func()       // its place among the transfers
	berth     *lanes.Berth // the connection that it shares with other bulk; nil: it is none
	asked     atomic.Int64 // when the request was last written, as a redirect is followed, in nanoseconds since since
	connected atomic.Bool  // for it, not for others before
	waits     atomic.Int32 // moving, waiting for the network amid the body, or ended
	first     atomic.Int64 // when the first byte of the answer came, likewise; 0: that is not known

	ended chan struct{}  // closed when the following are set
	resp  *http.Response // its body is still to be read; nil: err says why
	err   error
	heard time.Duration // from the request to that

	hedge bool // it was asked because the other was late
	left  bool // another source was faster: nobody waits for it any more
}

const (
	// headPatience is how long a source may take to begin its answer while another could be asked instead.
	headPatience = 6 * time.Second
	// lastPatience is for the last one. The Go module proxy takes up to a minute to say that a module does not exist.
	lastPatience = 75 * time.Second
)

// patience is for the source that is asked now.
func (w *fill) patience() time.Duration {
	if len(w.queue) == 0 && len(w.asked) == 0 {
		return lastPatience
	}
	return headPatience
}

// ask sends the request to one source. Its answer is heard by hear.
func (w *fill) ask(ctx context.Context, src rules.Source, release func()) *asking {
	a := &asking{
		carried: &carried{
			Try:   Try{Base: src.Base, URL: src.URL, Origin: src.Origin, Outcome: measure.Broken, began: w.f.now()},
			index: len(w.tries),
		},
		src: src, watch: newWatch(ctx, w.patience()), since: time.Now(), release: release, ended: make(chan struct{}),
	}
	w.tries = append(w.tries, a.Try)
	w.asked = append(w.asked, a)
	w.denied = false
	along := httptrace.WithClientTrace(w.opening(w.way(a), src), &httptrace.ClientTrace{
		ConnectDone: func(_, _ string, err error) { a.connected.CompareAndSwap(false, err == nil) },
	})
	req, err := w.request(along, src, a.carried)
	if err != nil {
		a.err = err
		close(a.ended)
		w.heads <- a
		return a
	}
	if a.upto > 0 {
		w.meet()
	}
	w.f.flights.wg.Go(func() {
		a.resp, a.err = w.f.carrier(w.req.Rule).RoundTrip(req)
		a.heard = w.f.now().Sub(a.began)
		close(a.ended)
		w.heads <- a
	})
	return a
}

// brief is below how many bytes an answer is small, though it travels as bulk.
const brief = 256 << 10

// way gives a bulk body a connection among those that carry nothing else, and shares the small things that nobody waits
// for, but many are asked for at once, out over some. What a client waits for has the common one.
func (w *fill) way(a *asking) context.Context {
	var lane int
	var leave func()
	switch {
	case w.req.Path.Bulk:
		a.berth = w.f.spread.Take(a.Base, w.client(), w.req.Ahead, w.asks(a.src), w.f.now())
		lane, leave = a.berth.Lane, a.berth.Leave
	case w.req.Ahead || w.req.Beside:
		lane, leave = w.f.spread.Share(a.Base, w.expected())
	default:
		return redirect.Along(a.watch.ctx, w.trail)
	}
	slot := a.release
	a.release = func() { leave(); slot() }
	ctx := a.traced(mark.Lane(redirect.Along(a.watch.ctx, w.trail), lane))
	if w.leads(a.src) {
		ctx = mark.Outset(ctx)
	}
	if n := w.expected(); n > 0 && n < brief {
		ctx = mark.Brief(ctx)
	}
	return ctx
}

// client is the connection that the request came by, or nil.
func (w *fill) client() any {
	if w.req.Client == nil {
		return nil
	}
	return w.req.Client
}

// asks is how many bytes a source will be asked for, as far as is known; 0: it is not.
func (w *fill) asks(src rules.Source) int64 {
	if upto := w.stretch(src); upto > 0 {
		return upto - w.offset(src)
	}
	return w.expected()
}

const (
	// meetEvery is how often a source is connected to ahead at most, and meetWait for how long that is tried.
	meetEvery, meetWait = 30 * time.Second, 10 * time.Second
	// meetMost bounds the sources that are remembered to have been.
	meetMost = 256
)

// meet connects to those who will help with a body that is likely large: when its head is here, they can begin at once. They
// are told nothing by that.
func (w *fill) meet() {
	if w.f.Connect == nil {
		return
	}
	for _, src := range w.queue[:min(len(w.queue), carriers-1)] {
		if _, just := w.f.met.get(src.Base, w.f.now()); just || w.f.Board.Resting(src.Base) {
			continue
		}
		w.f.met.put(src.Base, struct{}{}, w.f.now(), meetEvery, meetMost)
		w.f.flights.wg.Go(func() {
			ctx, cancel := context.WithTimeout(w.f.flights.ctx, meetWait)
			defer cancel()
			_ = w.f.Connect(ctx, src.Base, 1) // the request itself will tell
		})
	}
}

// traced notes how long the source takes to answer over a connection that is open.
func (a *asking) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest:         func(httptrace.WroteRequestInfo) { a.asked.Store(int64(time.Since(a.since))) },
		GotFirstResponseByte: func() { a.first.Store(int64(time.Since(a.since))) },
	})
}

// trip is how long the source took to answer over an open connection; 0: not known.
func (a *asking) trip() time.Duration { return time.Duration(max(a.first.Load()-a.asked.Load(), 0)) }

// hear waits for the next head among those that were asked. When they are late, it asks another source beside them.
func (w *fill) hear(ctx context.Context) *asking {
	late := make(chan struct{}, 1)
	timer := time.AfterFunc(w.untilLate(), func() { late <- struct{}{} }) // a timer's own channel crashes the race detector, golang/go#78156
	defer timer.Stop()
	for {
		select {
		case a := <-w.heads:
			if a.left {
				continue
			}
			w.asked = slices.DeleteFunc(w.asked, func(b *asking) bool { return a == b })
			return a
		case <-w.opened:
			w.join(ctx)
		case <-late:
			wait := w.untilLate()
			if wait == 0 {
				w.second(ctx)
				wait = max(w.untilLate(), lookAgain) // perhaps it could not
			}
			timer.Reset(wait)
		}
	}
}

const (
	// soonest is the least wait for a hedge: below it the second request costs more than it saves.
	soonest = 30 * time.Millisecond
	// unknown is when a source is late whose usual wait nobody knows.
	unknown = time.Second
	// sick is how many times its usual wait a source may take before another is asked even when no hedge is left: it is
	// not slow by chance. Never sooner than sickest.
	sick    = 4
	sickest = 1500 * time.Millisecond
	// lookAgain is when it is looked anew whether the authority has spoken, and others may be asked.
	lookAgain = 100 * time.Millisecond
)

// untilLate is how long from now another source is asked.
func (w *fill) untilLate() time.Duration {
	i := w.hedgeAt(w.mayHedge)
	switch {
	case len(w.asked) != 1 || len(w.tries) >= maxTries || len(w.queue) == 0:
		return lastPatience
	case i < 0:
		return lookAgain
	}
	a := w.asked[0]
	return max(time.Until(a.since.Add(w.lateness(a.src, w.queue[i]))), 0)
}

// lateness is after how long a source is late, and the next one asked. For what is small that is the wait which nine of
// ten requests to it stay below, or twice that of the next one if that is less. What is larger would cost its bytes twice
// whenever both answer: it waits until the source is sick.
func (w *fill) lateness(src, next rules.Source) time.Duration {
	class := measure.ClassOf(w.expected())
	late, other := w.f.Board.Late(src.Base, class), 2*w.f.Board.Late(next.Base, class)
	if late == 0 || other > 0 && other < late { // one that is dead is late all the time
		late = other
	}
	switch hedged := class == measure.Small && !w.denied; {
	case late == 0 && hedged:
		return unknown
	case late == 0:
		return sickest
	case hedged:
		return max(late, soonest)
	}
	return min(max(sick*late, sickest), headPatience)
}

// hedgeAt is the first in the queue who may be asked beside the others; -1: nobody. Only bytes that are checked may come
// from whoever is first.
func (w *fill) hedgeAt(may func(rules.Source) bool) int {
	if w.want == "" && !w.word.pending() {
		return -1
	}
	return slices.IndexFunc(w.queue, may)
}

// mayHedge is mayAsk without waiting for anybody: what is not proven public waits until the origin failed, and a stranger
// has heard of it anyway.
func (w *fill) mayHedge(src rules.Source) bool {
	return src.Origin || (w.told && !w.refused || w.isPublic()) && !w.unvouched()
}

// mayHelp is mayHedge for who did not fail lately. Who failed is asked when nobody else is left, and who lied, too.
func (w *fill) mayHelp(src rules.Source) bool {
	return w.mayHedge(src) && !w.f.Board.Resting(src.Base)
}

// second asks another source beside the one that is late, if the share of such requests is not used up. When it is, the
// late one gets more time.
func (w *fill) second(ctx context.Context) {
	release, ok := w.f.slots.try()
	if !ok {
		return // more would not be faster
	}
	i := w.hedgeAt(w.mayHelp)
	if i >= 0 && measure.ClassOf(w.expected()) == measure.Small && !w.denied && !w.hedger().Take() {
		w.denied, i = true, -1
	}
	if i < 0 {
		release()
		return
	}
	src := w.queue[i]
	w.queue = slices.Delete(w.queue, i, i+1)
	w.ask(ctx, src, release).hedge = true
}

// leave ends the requests to those who were slower. They may be asked again if the faster one fails.
func (w *fill) leave() {
	for _, a := range w.asked {
		a.left = true
		a.Outcome, a.Took, a.Err = measure.Outrun, w.f.now().Sub(a.began), "was outrun by another source"
		select {
		case <-a.ended: // it has answered, a moment too late
			if a.Outcome, a.Wait = measure.Canceled, a.heard; a.err != nil {
				a.Outcome, a.Wait, a.Err = measure.Broken, 0, a.err.Error()
			} else {
				a.Bytes = min(max(a.resp.ContentLength, 0), underWay)
				a.extra = a.Bytes
				w.hedger().Extra(a.extra)
			}
		default:
		}
		w.f.flights.wg.Go(a.dismiss)
		w.note(a.carried)
		w.queue = slices.Insert(w.queue, 0, a.src)
	}
	w.asked = nil
}

// hedger is the Fetcher's, or one that never says no.
func (w *fill) hedger() Hedger {
	if w.f.Hedge == nil {
		return unhedged{}
	}
	return w.f.Hedge
}

type unhedged struct{}

func (unhedged) Earn()       {}
func (unhedged) Take() bool  { return true }
func (unhedged) Won()        {}
func (unhedged) Extra(int64) {}

// underWay is how much of a body may have come already when its head did.
const underWay = 64 << 10

// dismiss ends a request and waits for that.
func (a *asking) dismiss() {
	defer a.release()
	a.watch.stop()
	<-a.ended
	if a.resp != nil {
		a.resp.Body.Close()
	}
}

// request asks for what is missing: all of it, the rest of it, or only whether it changed.
func (w *fill) request(ctx context.Context, src rules.Source, t *carried) (*http.Request, error) {
	req, err := newRequest(ctx, http.MethodGet, w.req.Match, src)
	if err != nil {
		return nil, err
	}
	t.offset, t.upto = w.offset(src), w.stretch(src)
	if w.afresh == src.Base {
		t.offset, t.upto, w.afresh = 0, 0, ""
	}
	switch {
	case t.upto > 0:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", t.offset, t.upto-1))
	case t.offset > 0:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.offset))
		if !w.want.Pins() {
			req.Header.Set("If-Range", w.last.header["Etag"])
		}
	case w.word.pending() || w.word.digest != "":
	default:
		req.Header.Set("Accept-Encoding", "gzip")
		t.conditional = w.condition(req, src)
	}
	return req, nil
}

// newRequest is what a source is asked with, for the media types that the rule accepts.
func newRequest(ctx context.Context, method string, m rules.Match, src rules.Source) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, src.URL, nil)
	if err != nil {
		return nil, err
	}
	if accept := m.Accept(); accept != "" {
		req.Header.Set("Accept", accept)
	}
	return req, nil
}

// ranged says that only a part was asked for.
func (t *carried) ranged() bool { return t.offset > 0 || t.upto > 0 }

// condition makes the request conditional if src is who gave us what is kept.
func (w *fill) condition(req *http.Request, src rules.Source) bool {
	if !w.flight.whole || w.kept.Source != src.Base {
		return false
	}
	tag, when := w.kept.Header["Etag"], w.kept.Header["Last-Modified"]
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	if when != "" {
		req.Header.Set("If-Modified-Since", when)
	}
	return tag != "" || when != ""
}
