package fetch

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pquerna/cachecontrol/cacheobject"

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
	noRoom                   // the disk is full
)

// carried is one try and what came of it.
type carried struct {
	Try
	index   int // in fill.tries
	verdict verdict
	header  map[string]string
	body    []byte // of a 404
}

// spoolAll is the size up to which a body is spooled whole before the client sees any of it: then a bad source can be
// replaced unseen. Larger ones flow, but for their last bytes.
const spoolAll = 8 << 20

// carry asks one source for the bytes and puts them into the spool.
func (w *fill) carry(ctx context.Context, src rules.Source, patience time.Duration) *carried {
	began := w.f.now()
	t := &carried{Try: Try{Base: src.Base, URL: src.URL, Origin: src.Origin, Outcome: measure.Broken, began: began}, index: len(w.tries)}
	w.tries = append(w.tries, t.Try)
	release := w.f.slots.take(ctx)
	defer release()
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
	req, err := w.request(watch.ctx, src)
	if err != nil {
		return err
	}
	resp, err := w.f.carrier(w.req.Rule).RoundTrip(req)
	if err != nil {
		return plain(err)
	}
	defer resp.Body.Close()
	t.Wait, t.Status = w.f.now().Sub(t.began), resp.StatusCode
	t.header = keepHeader(resp.Header)
	watch.reset(stallPatience, "no byte came")
	if done, err := w.judge(src, t, resp); done || err != nil {
		return err
	}
	body, decoded, err := decode(resp)
	if err != nil {
		return err
	}
	if err := w.prepare(resp, decoded, t); err != nil {
		return err
	}
	w.tries[t.index] = t.Try
	return w.pour(watch, body, t)
}

// request asks for what is missing: all of it, the rest of it, or only whether it changed.
func (w *fill) request(ctx context.Context, src rules.Source) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, src.URL, nil)
	if err != nil {
		return nil, err
	}
	if accept := w.req.Match.Accept(); accept != "" {
		req.Header.Set("Accept", accept)
	}
	switch offset := w.offset(); {
	case offset > 0:
		req.Header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
	case w.word.pending() || w.want != "":
	default:
		req.Header.Set("Accept-Encoding", "gzip")
		w.condition(req, src)
	}
	return req, nil
}

// condition makes the request conditional if src is who gave us what is kept.
func (w *fill) condition(req *http.Request, src rules.Source) {
	if !w.flight.whole || w.kept.Source != src.Base {
		return
	}
	if tag := w.kept.Header["Etag"]; tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	if when := w.kept.Header["Last-Modified"]; when != "" {
		req.Header.Set("If-Modified-Since", when)
	}
}

// offset is where to go on: only bytes that a digest pins may come from two senders.
func (w *fill) offset() int64 {
	if w.spool == nil || len(w.from) == 0 || !w.want.Pins() {
		return 0
	}
	return w.spool.length()
}

// maxGone bounds the body of a 404 that is repeated to the client; cmd/go prints the first lines of it.
const maxGone = 16 << 10

// judge looks at the head of an answer. done means that there is no body to fetch.
func (w *fill) judge(src rules.Source, t *carried, resp *http.Response) (done bool, err error) {
	kind := t.header["Content-Type"]
	switch code := resp.StatusCode; {
	case code == http.StatusNotModified && w.flight.whole:
		t.verdict, t.Outcome = unchanged, measure.OK
		return true, nil
	case code == http.StatusNotFound || code == http.StatusGone:
		t.Outcome = measure.Missing
		if src.Origin {
			t.verdict = absent
			t.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxGone))
		}
		return src.Origin, fmt.Errorf("answered %d", code)
	case code == http.StatusOK, code == http.StatusPartialContent && w.offset() > 0:
	case code >= 500:
		return true, fmt.Errorf("answered %d", code)
	default:
		t.Outcome = measure.Refused
		return true, fmt.Errorf("answered %d", code)
	}
	if strings.HasPrefix(kind, "text/html") && !strings.HasPrefix(w.req.Path.Type, "text/html") {
		t.Outcome = measure.Refused
		return true, errors.New("sent a web page instead of the thing")
	}
	if want := w.req.Path.Type; want != "" && !src.Origin && !strings.HasPrefix(kind, want) {
		t.Outcome = measure.Refused
		return true, fmt.Errorf("sent %q instead of %q", kind, want)
	}
	return false, nil
}

// prepare opens the spool, or begins it again if the source cannot go on where the last one stopped.
func (w *fill) prepare(resp *http.Response, decoded bool, t *carried) error {
	offset := w.offset()
	size := resp.ContentLength
	if decoded {
		size = -1
	}
	if resp.StatusCode == http.StatusPartialContent {
		total, err := rangeTotal(resp, offset)
		if err != nil {
			return err
		}
		size = total
	} else {
		if err := w.begin(size); err != nil {
			if errors.Is(err, cache.ErrFull) {
				t.verdict = noRoom
			}
			return err
		}
		w.from = nil
	}
	w.from = append(w.from, t.Base)
	w.last = response{header: t.header, storable: storable(w.req.Path, resp)}
	if decoded {
		delete(w.last.header, "Etag") // it names the encoded form
	}
	flows := size > spoolAll && !w.word.beside
	w.spool.know(size, !flows)
	if flows {
		w.tellHead()
	}
	return nil
}

// begin makes room for a body from its first byte on.
func (w *fill) begin(size int64) error {
	ctx := context.Background() //nolint:forbidigo // a writer lives as long as its readers, not as long as one source
	if usage, err := w.f.Store.Usage(ctx); err == nil && usage.Free > 0 && usage.Free-size < usage.Floor {
		return cache.ErrFull
	}
	want := w.want
	if !want.Pins() && !want.Weak() {
		want = "" // an h1 is checked when all is here, and the bytes are kept by their sha256
	}
	writer, err := w.f.Store.Create(ctx, want)
	if err != nil {
		return fmt.Errorf("%w: %w", cache.ErrFull, err)
	}
	writer = &overflow{Writer: writer}
	if w.spool == nil {
		w.spool = newSpool(writer, size, true)
		return nil
	}
	w.spool.restart(writer)
	return nil
}

// pour moves the body into the spool, looking at the clock all the while.
func (w *fill) pour(watch *watch, body io.Reader, t *carried) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := body.Read(*buf)
		if n > 0 {
			watch.reset(stallPatience, "no byte came")
			t.Bytes += int64(n)
			if _, err := w.spool.Write((*buf)[:n]); err != nil {
				t.verdict = noRoom
				return err
			}
			w.flow()
		}
		switch {
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

// decode undoes a coding that we asked for. What a digest pins we never ask for encoded.
func decode(resp *http.Response) (body io.Reader, decoded bool, err error) {
	if resp.Request == nil || resp.Request.Header.Get("Accept-Encoding") != "gzip" || !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return resp.Body, false, nil
	}
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		return nil, false, fmt.Errorf("sent broken gzip: %w", err)
	}
	return io.LimitReader(z, maxDecoded), true, nil
}

// maxDecoded stops a gzip bomb. The largest packuments decode to 150 MB.
const maxDecoded = 1 << 30

// rangeTotal checks a 206 (RFC 9110, section 14.4): it must begin where we asked, and tell the whole length.
func rangeTotal(resp *http.Response, offset int64) (int64, error) {
	said := resp.Header.Get("Content-Range")
	rest, ok := strings.CutPrefix(said, "bytes "+strconv.FormatInt(offset, 10)+"-")
	last, total, cut := strings.Cut(rest, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	if !ok || !cut || err != nil || err2 != nil || end != size-1 || size <= offset {
		return 0, fmt.Errorf("answered a request for bytes from %d with Content-Range %q", offset, said)
	}
	return size, nil
}

// storable says whether a shared cache may keep the answer (RFC 9111, section 3). What cannot change by its kind is kept
// whatever the server's defaults say.
func storable(p *rules.Path, resp *http.Response) bool {
	if p.Keep == rules.Forever {
		return true
	}
	said, err := cacheobject.ParseResponseCacheControl(resp.Header.Get("Cache-Control"))
	return err != nil || !said.NoStore && !said.PrivatePresent && resp.Header.Get("Vary") != "*"
}

// plain drops what net/http says around an error: the source is named elsewhere.
func plain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("ended the body too early")
	}
	return err
}
