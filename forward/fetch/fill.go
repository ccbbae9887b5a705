package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"hither/cache"
	"hither/cache/digest"
	"hither/forward/measure"
	"hither/forward/notary"
	"hither/forward/split"
	"hither/forward/spool"
	"hither/rules"
)

// maxTries bounds how often upstreams are asked for one object.
const maxTries = 16

// errUnvouched drops a mirror's bytes: nobody could say whether they are the right ones.
var errUnvouched = errors.New("sent bytes that no authority vouched for")

// fill is the work of one flight: ask who names the bytes, ask sources for them until one has them whole, check, publish.
type fill struct {
	*flight
	word    *word
	queue   []rules.Source // who is still to be asked
	asked   []*asking      // who was asked and has not answered
	heads   chan *asking   // those who have
	granted atomic.Bool    // the origin's token showed that the name is public, unless the origin refuses all the same
	opened  chan struct{}  // tells of that; never closed
	denied  bool           // no hedge was left for the source that is late
	afresh  string         // Base of a source that is asked for all, though it could go on; empty: none
	sent    []split.Part   // who sent which bytes of the current generation
	pieced  bool           // one source sent them in several answers, and no digest pins them
	unsure  atomic.Bool    // and perhaps of two versions
	alone   bool           // all bytes must come from one source: parts of several were wrong together
	suspect []generation   // mixed bytes that were wrong, to be compared with the right ones
	mates   []*carried     // who sent parts beside the source that is weighed
	told    bool           // a stranger has heard the name
	accused []accusation   // who sent wrong bytes alone, before the board heard of it
	sized   bool           // the origin said how long the body is
	pause   pause          // since the body stood still
	refused bool           // the origin knows us and says no: strangers are not asked about what may be private
	began   time.Time
	last    response      // the head of the response whose body fills the spool
	planned int64         // bytes of a large body that is to be stored
	stored  digest.Digest // the name the bytes were published under; zero before, and if they are not kept
}

// response is what a fill keeps of an upstream's answer.
type response struct {
	base     string
	header   map[string]string
	storable bool
}

// run fills, and tells those who wait how it ended.
func (fl *flight) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer fl.turn(ctx)()
	if fl.overtaken(ctx) {
		return
	}
	w := &fill{flight: fl, began: fl.f.now(), heads: make(chan *asking, maxTries), opened: make(chan struct{}, 1)}
	w.word = fl.ask(ctx)
	err := w.fill(ctx)
	w.plan(0)
	if w.spool != nil {
		w.spool.Finish(cmp.Or(err, spool.ErrDiverged)) // without an err it was published, or turned out not to exist
	}
	if err != nil {
		fl.tell(outcome{err: err})
	}
	if errors.Is(context.Cause(ctx), errUnwanted) {
		return
	}
	if err != nil && fl.whole {
		fl.f.tired.put(fl.req.Name, struct{}{}, fl.f.now(), refreshRest, maxFacts)
	}
	if fl.f.Trace.Filled != nil && (err != nil || w.spool != nil) {
		report := w.report()
		if err != nil {
			report.Err = err.Error()
		}
		fl.f.Trace.Filled(report)
	}
}

// overtaken answers from the cache what another flight published after this one's client had looked there, and ended before
// it could be joined: whoever asks just as something comes would else wait for all of it once more.
func (fl *flight) overtaken(ctx context.Context) bool {
	if fl.kept.Digest != "" {
		return false
	}
	k, err := fl.f.lookup(ctx, fl.req)
	if err != nil {
		return false
	}
	k.close()
	if k.fresh {
		fl.tell(outcome{entry: &k.entry, state: Hit})
	}
	return k.fresh
}

func (w *fill) fill(ctx context.Context) error {
	if !w.word.beside {
		if done, err := w.heed(ctx); done || err != nil {
			return err
		}
		if w.headed() {
			return nil
		}
	}
	pending := w.word.pending()
	if !pending {
		w.want = w.word.digest
	}
	w.queue = w.order(pending)
	defer w.accuse()
	defer w.leave()
	for w.next(ctx) {
		a := w.hear(ctx)
		w.carry(ctx, a)
		done, err := w.weigh(ctx, a.src, a.carried)
		if done || err != nil {
			return err
		}
	}
	cause := cmp.Or(w.word.trouble(), w.pause.err)
	if ctx.Err() != nil {
		cause = errClosed
		if errors.Is(context.Cause(ctx), errUnwanted) {
			cause = errUnwanted
		}
	}
	return &Failure{Name: w.req.Name, Tries: w.tries, Cause: cause}
}

// next sees to it that somebody is asked; false: nobody is left.
func (w *fill) next(ctx context.Context) bool {
	for len(w.asked) == 0 {
		if len(w.tries) >= maxTries || ctx.Err() != nil || len(w.queue) == 0 && !w.outlast(ctx) {
			return false
		}
		src := w.queue[0]
		w.queue = w.queue[1:]
		if src.Origin || w.mayAsk(ctx) {
			w.told = w.told || !src.Origin
			w.hedger().Earn()
			w.ask(ctx, src, w.f.slots.take(ctx))
		}
	}
	return true
}

// heed waits for the authority and uses its word before anybody is asked for bytes: perhaps they are here already.
func (w *fill) heed(ctx context.Context) (done bool, err error) {
	var limit *notary.LimitError
	switch err := w.word.wait(ctx); {
	case errors.Is(err, notary.ErrSecurity):
		return false, &Failure{Name: w.req.Name, Cause: err}
	case errors.Is(err, notary.ErrRefused):
		w.f.refuse(w.req, "") // whoever comes with a token after that need not hear it once more
		return false, fmt.Errorf("%w: %w", ErrPass, err)
	case errors.Is(err, notary.ErrGone):
		w.deny(ctx, negative{status: http.StatusNotFound, source: w.req.Origins()[0].Base})
		return true, nil
	case errors.As(err, &limit):
		return false, w.limited(limit)
	}
	if w.word.pending() {
		return false, &Failure{Name: w.req.Name, Cause: errClosed}
	}
	w.want = w.word.digest
	if !w.want.Pins() {
		return false, nil
	}
	blob, err := w.f.Store.Open(ctx, w.want)
	if err != nil {
		return false, nil //nolint:nilerr // not here, or trouble with the disk: fetch it
	}
	defer blob.Close()
	now := w.f.now()
	entry, state := w.kept, Hit
	if w.kept.Digest == w.want && w.whole {
		state = Revalidated
	} else {
		entry = cache.Entry{Digest: w.want, Size: blob.Size(), Header: map[string]string{}, Stored: now}
		if len(w.req.Path.Accept) == 0 {
			entry.Header["Content-Type"] = justBytes
		}
	}
	entry.Vouched = w.word.by
	entry.Checked = now
	w.word.dress(&entry)
	if entry.Header["Content-Type"] == "" && len(w.req.Path.Accept) > 0 {
		return false, nil // it came under another name, and the client must know of which kind it is
	}
	w.bind(ctx, entry)
	w.tell(outcome{entry: &entry, state: state})
	return true, nil
}

// limited ends a fill whose origin is asked too much already. It has said so to a HEAD, and a GET would count as a pull if it gave way.
func (w *fill) limited(limit *notary.LimitError) error {
	src := w.req.Origins()[0]
	w.tries = append(w.tries, Try{
		Base: src.Base, URL: src.URL, Origin: true, Outcome: measure.Limited, Err: "answered 429" + advice(src, http.StatusTooManyRequests),
		Status: http.StatusTooManyRequests, Limits: limitsIn(limit.Header),
	})
	return &Failure{Name: w.req.Name, Tries: w.tries}
}

// weigh decides what a try means: the end, or the next source.
func (w *fill) weigh(ctx context.Context, src rules.Source, t *carried) (done bool, err error) {
	switch t.verdict {
	case whole:
		w.allHere()
		w.early(src)
		err := w.publish(ctx, src, t)
		if err == nil {
			return true, nil
		}
		w.doubt(src)
		t.Err = err.Error()
		if errors.Is(err, notary.ErrSecurity) {
			t.Outcome = measure.Canceled
			w.noteAll(t)
			return false, &Failure{Name: w.req.Name, Tries: w.tries, Cause: err}
		}
		return false, w.blame(ctx, src, t, err)
	case unchanged:
		w.note(t)
		w.confirm(ctx, t)
		return true, nil
	case absent:
		w.note(t)
		w.deny(ctx, t.negative(src))
		return true, nil
	case needless:
		w.note(t)
		return true, nil
	case unfit:
		w.noteAll(t)
		return false, ErrPass
	case failed:
		w.noteAll(t)
		w.again(src, t)
	}
	return false, nil
}

// again lets a source have another chance at the end: one that was cut off in the middle of a body which can go on, and
// an origin that was only late or overloaded, since only it may say no. One that could not go on is asked for all at once.
func (w *fill) again(src rules.Source, t *carried) {
	if src.Origin && (t.Outcome == measure.Refused || t.Outcome == measure.Page) {
		w.refused = true
		switch {
		case w.granted.Load():
			w.leave() // its token promised too much: nobody else is heard
		case t.Status == http.StatusUnauthorized:
			w.f.refuse(w.req, "")
		}
	}
	w.lose(src, t)
	switch {
	case w.afresh == src.Base:
		w.queue = slices.Insert(w.queue, 0, src)
	case t.Bytes > 0 || src.Origin && (t.late || t.Status >= 500 && len(w.queue) > 0) && w.times(src) == 1:
		w.queue = append(w.queue, src)
	}
}

func (w *fill) times(src rules.Source) (n int) {
	for i := range w.tries {
		if w.tries[i].Base == src.Base {
			n++
		}
	}
	return n
}
