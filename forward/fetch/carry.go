package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"hither/cache"
	"hither/forward/dial"
	"hither/forward/measure"
	"hither/forward/spool"
	"hither/rules"
)

// verdict is what came of asking one source.
type verdict int

const (
	failed    verdict = iota // ask the next
	whole                    // all bytes are in the spool, not yet checked
	unchanged                // 304: what is kept is right
	absent                   // the origin does not have it
	unfit                    // not for us: the disk is full, or the origin sent what only its client can read
	needless                 // the bytes were here under another name, as an authority has said since
)

// carried is one try and what came of it.
type carried struct {
	Try
	index       int // in fill.tries
	verdict     verdict
	offset      int64 // the first byte that was asked for
	upto        int64 // the first byte that was not, because others are to send it; 0: all were
	conditional bool  // it was asked only whether what is kept is right
	header      map[string]string
	body        []byte        // of a 404
	retry       time.Duration // for how long it wants to be left alone
	extra       int64         // bytes that were thrown away
	busy        time.Duration // while it sent parts; 0: it sent none, or all
	met         bool          // a connection was made for it
	denied      bool          // the upstream proxy refuses it
	spared      time.Duration // by how much the wait for its body was extended before it was left
}

// spoolAll is the size up to which a body is spooled whole before the client sees any of it: then a bad source can be
// replaced unseen. Larger ones flow, but for their last bytes.
const spoolAll = 8 << 20

// carry takes the answer of a source that was asked and puts its bytes into the spool.
func (w *fill) carry(ctx context.Context, a *asking) {
	defer a.dismiss()
	err := a.err
	if err == nil {
		a.Wait, a.Status = a.heard, a.resp.StatusCode
		w.f.absence.answered(a.Base, w.f.now())
		err = w.receive(ctx, a)
	} else {
		a.met, a.denied = a.connected.Load(), errors.Is(err, dial.ErrDenied)
	}
	a.Took = cmp.Or(a.busy, w.f.now().Sub(a.began))
	if err == nil {
		return
	}
	if late := (errLate{}); errors.As(context.Cause(a.watch.ctx), &late) {
		a.late, a.Outcome, err = true, measure.Stalled, late
		a.spared = a.watch.extended()
	}
	if ctx.Err() != nil {
		a.Outcome = measure.Canceled
	}
	a.Err = err.Error()
}

func (w *fill) receive(ctx context.Context, a *asking) error {
	a.header = keepHeader(a.resp.Header, a.Origin)
	a.watch.reset(stallPatience, "no byte came")
	if a.berth != nil {
		w.f.spread.Heard(a.Base, a.trip())
		a.resp.Body = a.berth.Toll(a.resp.Body, w.f.now)
		if a.resp.ContentLength >= 0 {
			a.berth.Owes(a.resp.ContentLength)
		}
	}
	if done, err := w.judge(a.src, a.carried, a.resp); done || err != nil {
		return err
	}
	w.noteOwner(a)
	if done, err := w.overhear(ctx, a); done || err != nil {
		return err
	}
	body, decoded, err := decode(a.resp)
	if err != nil {
		return err
	}
	if !decoded && coded(a.resp) && !w.want.Pins() {
		if a.Outcome = measure.Refused; a.Origin {
			a.verdict = unfit
		}
		return fmt.Errorf("sent it as %s, which nobody asked for", quoted(a.resp.Header.Get("Content-Encoding")))
	}
	total := a.resp.ContentLength // of the whole; -1: who knows
	if decoded {
		total = -1
	}
	if a.Origin {
		w.f.public.put(w.subject(), struct{}{}, w.f.now(), publicLife, maxFacts)
	}
	if a.hedge {
		w.hedger().Won()
	}
	w.leave()
	if total, err = w.prepare(a, total); err != nil {
		return err
	}
	w.tries[a.index] = a.Try
	if a.upto > 0 && a.upto < w.spool.Known() {
		return w.parts(ctx, a)
	}
	if total < 0 {
		return w.pour(ctx, a, body, -1)
	}
	if !decoded && w.distant(a, total-a.offset) {
		return w.parts(ctx, a)
	}
	return w.pour(ctx, a, body, total-a.offset)
}

// prepare opens the spool, or begins it again if the source cannot go on where the last one stopped. It returns the length
// of the whole, which is size unless only a part comes.
func (w *fill) prepare(a *asking, size int64) (total int64, err error) {
	if total, err = w.total(a, size); err == nil {
		err = w.resume(a, total)
	}
	if err != nil {
		return 0, err
	}
	if w.spool == nil {
		w.homely = a.Origin
	}
	if a.offset == 0 {
		if err := w.begin(total); err != nil {
			w.refuse(a.carried, err)
			return 0, err
		}
		w.sent, w.pieced = nil, false
		w.unsure.Store(false)
	}
	w.sized = w.sized || a.Origin && total >= 0
	w.last = response{base: a.Base, header: a.header, storable: storable(w.req.Path, a.resp)}
	flows := total > spoolAll && w.word.flows()
	w.spool.Know(total, !flows)
	if flows {
		w.tellHead()
	}
	return total, nil
}

// overhear waits for an authority that was asked beside the origin and names the bytes as they are: they are kept under that
// name, and perhaps are here already; not for who reads what came of them before. The source is not late meanwhile.
func (w *fill) overhear(ctx context.Context, a *asking) (done bool, err error) {
	if !w.word.pins || w.spool != nil {
		return false, nil
	}
	a.watch.rest()
	done, err = w.heed(ctx)
	switch {
	case done:
		a.verdict, a.Outcome = needless, measure.Canceled
	case err != nil: // nobody else's bytes would be better
		a.Outcome = measure.Canceled
		w.queue = nil
		w.leave()
	}
	a.watch.reset(stallPatience, "no byte came")
	return done, err
}

// total is the length of the whole, of which an answer brings size bytes. Who sends all of it begins at the first byte,
// wherever it was to begin.
func (w *fill) total(a *asking, size int64) (total int64, err error) {
	if a.resp.StatusCode != http.StatusPartialContent {
		a.offset, a.upto = 0, 0
		return size, w.dispute(a, size)
	}
	if total, err = rangeTotal(a.resp, a.offset, a.upto); err != nil {
		w.afresh, a.Outcome = a.Base, measure.Short
		return 0, err
	}
	if a.upto >= total {
		a.upto = 0
	}
	return total, w.dispute(a, total)
}

// dispute is about a length that is another than the one announced before. The origin knows it; nobody else may change what
// clients were told before it was asked. If it cannot be asked, or if it was who spoke now, all is fetched anew.
func (w *fill) dispute(a *asking, total int64) error {
	if w.spool == nil || !w.want.Pins() || total < 0 {
		return nil
	}
	known := w.spool.Known()
	told := known > spoolAll
	if known < 0 || known == total || a.offset == 0 && !told {
		return nil
	}
	asked := !slices.ContainsFunc(w.queue, func(s rules.Source) bool { return s.Origin })
	switch {
	case told && !a.Origin && w.sized:
		a.Outcome = measure.Short
		return fmt.Errorf("%w: %d bytes, and the origin %d", errLength, total, known)
	case told && !a.Origin && !asked:
		if w.times(a.src) == 1 {
			w.first(a.src)
		}
	case a.offset == 0:
		return nil
	default:
		w.sent = nil
		w.queue = slices.Insert(w.queue, 0, a.src)
	}
	a.Outcome = measure.Canceled // nobody knows who is right
	return fmt.Errorf("%w: %d bytes, not %d", errLength, total, known)
}

// errTooLarge is a body that there is no room for, if it is as large as its sender says.
var errTooLarge = fmt.Errorf("announced more than fits: %w", cache.ErrFull)

// refuse decides who is asked after a body could not be begun. What a mirror says of the size may be a lie: the origin
// knows.
func (w *fill) refuse(t *carried, err error) {
	switch {
	case errors.Is(err, errTooLarge) && !t.Origin:
		t.Outcome = measure.Canceled
		w.queue = slices.DeleteFunc(w.queue, func(s rules.Source) bool { return !s.Origin })
	case errors.Is(err, cache.ErrFull):
		t.verdict, t.Outcome = unfit, measure.Canceled // it is our disk
	}
}

// begin makes room for a body from its first byte on.
func (w *fill) begin(size int64) error {
	ctx := context.Background() //nolint:forbidigo // a writer lives as long as its readers, not as long as one source
	w.plan(0)
	if size > spoolAll { // what is smaller goes over in memory if it must; Usage looks at every file of the store
		all := w.plan(size)
		if usage, err := w.f.Store.Usage(ctx); err == nil && !fits(usage, all) {
			w.plan(0)
			return errTooLarge
		}
	}
	want := w.want
	if !want.Pins() && !want.Weak() {
		want = "" // an h1 is checked when all is here, and the bytes are kept by their sha256
	}
	over := &spool.Overflow{Want: want, Room: &w.f.Over}
	disk, err := w.f.Store.Create(ctx, want)
	switch {
	case err == nil:
		over.Writer = disk
	case size > spoolAll || !w.isWanted(): // what is a guess alone nobody would find
		return fmt.Errorf("%w: %w", cache.ErrFull, err)
	default:
		over.Most = spoolAll // a body that turns out larger is passed on: nobody has heard of it before
	}
	if w.spool == nil {
		w.spool = spool.New(over, size, true, w.f.now())
		close(w.begun)
		return nil
	}
	w.spool.Restart(over)
	return nil
}

// plan is how many bytes all large bodies under way have, with size for this one.
func (w *fill) plan(size int64) (all int64) {
	all = w.f.planned.Add(size - w.planned)
	w.planned = size
	return all
}

// fits says whether a store has room for size more bytes, as far as one can know before they come. What comes at a time may not
// push out half of everything else.
func fits(u cache.Usage, size int64) bool {
	if u.Limit > 0 && size > u.Limit/2 {
		return false
	}
	return u.Free <= 0 || u.Free-size >= u.Floor
}
