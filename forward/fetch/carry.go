package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
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
	conditional bool  // it was asked only whether what is kept is right
	header      map[string]string
	body        []byte // of a 404
}

// spoolAll is the size up to which a body is spooled whole before the client sees any of it: then a bad source can be
// replaced unseen. Larger ones flow, but for their last bytes.
const spoolAll = 8 << 20

// carry asks one source for the bytes and puts them into the spool.
func (w *fill) carry(ctx context.Context, src rules.Source, patience time.Duration) *carried {
	release := w.f.slots.take(ctx)
	defer release()
	began := w.f.now()
	t := &carried{Try: Try{Base: src.Base, URL: src.URL, Origin: src.Origin, Outcome: measure.Broken, began: began}, index: len(w.tries)}
	w.tries = append(w.tries, t.Try)
	watch := newWatch(ctx, patience)
	defer watch.stop()

	err := w.transfer(watch, src, t)
	t.Took = w.f.now().Sub(began)
	if err != nil {
		if late := (errLate{}); errors.As(context.Cause(watch.ctx), &late) {
			t.late, err = true, late
		}
		if ctx.Err() != nil {
			t.Outcome = measure.Canceled
		}
		t.Err = err.Error()
	}
	return t
}

func (w *fill) transfer(watch *watch, src rules.Source, t *carried) error {
	req, err := w.request(watch.ctx, src, t)
	if err != nil {
		return err
	}
	resp, err := w.f.carrier(w.req.Rule).RoundTrip(req)
	if err != nil {
		return plain(err)
	}
	defer resp.Body.Close()
	t.Wait, t.Status = w.f.now().Sub(t.began), resp.StatusCode
	t.header = keepHeader(resp.Header, src.Origin)
	watch.reset(stallPatience, "no byte came")
	if done, err := w.judge(src, t, resp); done || err != nil {
		return err
	}
	body, decoded, err := decode(resp)
	if err != nil {
		return err
	}
	if !decoded && coded(resp) && !w.want.Pins() {
		if t.Outcome = measure.Refused; src.Origin {
			t.verdict = unfit
		}
		return fmt.Errorf("sent it as %q, which nobody asked for", resp.Header.Get("Content-Encoding"))
	}
	size := resp.ContentLength
	if decoded {
		size = -1
	}
	if err := w.prepare(resp, size, t); err != nil {
		return err
	}
	w.tries[t.index] = t.Try
	return w.pour(watch, body, size, t)
}

// request asks for what is missing: all of it, the rest of it, or only whether it changed.
func (w *fill) request(ctx context.Context, src rules.Source, t *carried) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, src.URL, nil)
	if err != nil {
		return nil, err
	}
	if accept := w.req.Match.Accept(); accept != "" {
		req.Header.Set("Accept", accept)
	}
	if t.offset = w.offset(); w.afresh == src.Base {
		t.offset, w.afresh = 0, ""
	}
	switch {
	case t.offset > 0:
		req.Header.Set("Range", "bytes="+strconv.FormatInt(t.offset, 10)+"-")
	case w.word.pending() || w.want != "":
	default:
		req.Header.Set("Accept-Encoding", "gzip")
		t.conditional = w.condition(req, src)
	}
	return req, nil
}

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

// offset is where to go on: only bytes that a digest pins may come from two senders.
func (w *fill) offset() int64 {
	if w.spool == nil || len(w.from) == 0 || !w.want.Pins() {
		return 0
	}
	return w.spool.length()
}

// prepare opens the spool, or begins it again if the source cannot go on where the last one stopped.
func (w *fill) prepare(resp *http.Response, size int64, t *carried) error {
	if resp.StatusCode == http.StatusPartialContent {
		total, err := rangeTotal(resp, t.offset)
		if err != nil {
			w.afresh = t.Base
			return err
		}
		size = total
	} else {
		if err := w.begin(size); err != nil {
			w.refuse(t, err)
			return err
		}
		w.from = nil
	}
	w.from = append(w.from, t.Base)
	w.last = response{header: t.header, storable: storable(w.req.Path, resp)}
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

// pace is how many bytes must come within stallPatience. A source that sends one now and then would hold its clients for
// ever; forty downloads at once over a modem are faster.
const pace = 4 << 10

// pour moves a body of size bytes (-1: who knows) into the spool, looking at the clock all the while.
func (w *fill) pour(watch *watch, body io.Reader, size int64, t *carried) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	mark := int64(pace)
	for {
		n, err := body.Read(*buf)
		if n > 0 {
			if t.Bytes += int64(n); t.Bytes >= mark {
				watch.reset(stallPatience, "hardly a byte came")
				mark = t.Bytes + pace
			}
			if size >= 0 && t.Bytes > size {
				return fmt.Errorf("sent more than the %d bytes it announced", size)
			}
			if _, err := w.spool.Write((*buf)[:n]); err != nil {
				t.verdict = unfit
				return err
			}
			w.flow()
		}
		switch {
		case err == io.EOF && t.Bytes < size:
			return plain(io.ErrUnexpectedEOF)
		case err == io.EOF:
			t.verdict, t.Outcome = whole, measure.OK
			return nil
		case err != nil:
			return plain(err)
		}
	}
}

// flow lets a body of unknown length through once it is too long to be spooled whole.
func (w *fill) flow() {
	if w.spool.known() < 0 && !w.word.beside && w.spool.length() > spoolAll {
		w.spool.know(-1, false)
		w.tellHead()
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// plain drops what net/http says around an error: the source is named elsewhere.
func plain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("ended the body too early")
	}
	return err
}
