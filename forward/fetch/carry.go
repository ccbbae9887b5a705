package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"hither/cache"
	"hither/forward/measure"
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
		err = w.receive(ctx, a)
	} else {
		err = plain(err)
	}
	a.Took = cmp.Or(a.busy, w.f.now().Sub(a.began))
	if err == nil {
		return
	}
	if late := (errLate{}); errors.As(context.Cause(a.watch.ctx), &late) {
		a.late, a.Outcome, err = true, measure.Stalled, late
	}
	if ctx.Err() != nil {
		a.Outcome = measure.Canceled
	}
	a.Err = err.Error()
}

func (w *fill) receive(ctx context.Context, a *asking) error {
	a.header = keepHeader(a.resp.Header, a.Origin)
	a.watch.reset(stallPatience, "no byte came")
	if done, err := w.judge(a.src, a.carried, a.resp); done || err != nil {
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
		return fmt.Errorf("sent it as %q, which nobody asked for", a.resp.Header.Get("Content-Encoding"))
	}
	size := a.resp.ContentLength
	if decoded {
		size = -1
	}
	if a.Origin {
		w.f.public.put(w.subject(), struct{}{}, w.f.now(), publicLife, maxFacts)
	}
	if a.hedge {
		w.hedger().Won()
	}
	w.leave()
	if err := w.prepare(a.resp, size, a.carried); err != nil {
		return err
	}
	w.tries[a.index] = a.Try
	if a.upto > 0 && a.upto < w.spool.known() {
		return w.parts(ctx, a)
	}
	return w.pour(ctx, a, body, size)
}

// prepare opens the spool, or begins it again if the source cannot go on where the last one stopped.
func (w *fill) prepare(resp *http.Response, size int64, t *carried) error {
	partial := resp.StatusCode == http.StatusPartialContent
	if partial {
		total, err := rangeTotal(resp, t.offset, t.upto)
		if err != nil {
			w.afresh, t.Outcome = t.Base, measure.Short
			return err
		}
		size = total
	} else {
		t.upto = 0
	}
	if !partial || t.offset == 0 {
		if err := w.begin(size); err != nil {
			w.refuse(t, err)
			return err
		}
		w.sent = nil
	}
	w.last = response{base: t.Base, header: t.header, storable: storable(w.req.Path, resp)}
	flows := size > spoolAll && !w.word.beside
	w.spool.know(size, !flows)
	if flows {
		w.tellHead()
	}
	return nil
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
		t.verdict = unfit
	}
}

// begin makes room for a body from its first byte on.
func (w *fill) begin(size int64) error {
	ctx := context.Background() //nolint:forbidigo // a writer lives as long as its readers, not as long as one source
	if size > spoolAll {        // what is smaller goes over in memory if it must; Usage looks at every file of the store
		if usage, err := w.f.Store.Usage(ctx); err == nil && !fits(usage, size) {
			return errTooLarge
		}
	}
	want := w.want
	if !want.Pins() && !want.Weak() {
		want = "" // an h1 is checked when all is here, and the bytes are kept by their sha256
	}
	writer, err := w.f.Store.Create(ctx, want)
	if err != nil {
		return fmt.Errorf("%w: %w", cache.ErrFull, err)
	}
	writer = &overflow{Writer: writer, all: &w.f.over}
	if w.spool == nil {
		w.spool = newSpool(writer, size, true)
		return nil
	}
	w.spool.restart(writer)
	return nil
}

// fits says whether a store has room for size more bytes, as far as one can know before they come. One blob may not push
// out half of everything else.
func fits(u cache.Usage, size int64) bool {
	if u.Limit > 0 && size > u.Limit/2 {
		return false
	}
	return u.Free <= 0 || u.Free-size >= u.Floor
}

// plain drops what net/http says around an error: the source is named elsewhere.
func plain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("ended the body too early")
	}
	return err
}
