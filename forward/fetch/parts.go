package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"hither/cache/digest"
	"hither/forward/lanes"
	"hither/forward/mark"
	"hither/forward/measure"
	"hither/forward/redirect"
	"hither/forward/split"
	"hither/rules"
)

const (
	// splitFrom is the least size of a body that is worth more than one connection from the first.
	splitFrom = 4 << 20
	// farFrom is the same where the source is far: a connection is slow for a dozen round trips, and after each packet that it
	// loses.
	farFrom = 64 << 10
	// likelyFrom is the mean size of a kind from which on only the beginning is asked for first. To ask for all and then
	// hang up would cost what is under way: as much as comes in a round trip, and what waits in queues.
	likelyFrom = 1 << 20
	// A first stretch is what a source usually sends in short, within these bounds.
	minStretch, maxStretch = 1 << 20, 16 << 20
	// short is a time in which one source had better finish alone: the others would have to warm up, and the last of their
	// parts would be waited for.
	short = 2 * time.Second
	// carriers is how many sources send parts of one body at once.
	carriers = 4
	// lame is how many times slower than the best a source may be.
	lame = 8
	// maxSplits is how many bodies come in parts at once. So many together need no more connections, and files are few.
	maxSplits = 48
)

// splittable says that parts of several senders fit, because a digest pins the bytes, and that one body more may come so.
func (w *fill) splittable() bool {
	return w.want.Pins() && !w.alone && w.f.splits.Load() < maxSplits
}

// piecemeal is splittable for parts of one source alone, which need no digest of all bytes: what a URL of the origin names
// does not change, and what an authority says of the whole is compared when it is here. Module zips come so.
func (w *fill) piecemeal(src rules.Source) bool {
	return src.Origin && w.req.Path.Keep == rules.Forever && w.word.beside && !w.alone && w.f.splits.Load() < maxSplits
}

// distant says that a rest of so many bytes comes sooner in parts, because each round trip to its source takes long. It is
// small: to fetch it once more, since nobody can say that the parts belong together, would cost more than they bring.
func (w *fill) distant(a *asking, rest int64) bool {
	sure := w.last.header["Etag"] != "" || w.last.header["Last-Modified"] != "" || !w.word.pending() && !w.unvouched()
	return w.req.Path.Bulk && rest >= farFrom && w.f.spread.IsFar(a.Base) && (w.splittable() || sure && w.piecemeal(a.src))
}

// stretch is the end of the first part to ask a source for; 0: ask for all.
func (w *fill) stretch(src rules.Source) int64 {
	if !w.isLikelyLarge() || !w.splittable() {
		return 0
	}
	return w.offset(src) + min(max(int64(w.f.Board.Rate(src.Base)*short.Seconds()), minStretch), maxStretch)
}

// parts fetches the rest of a body over several connections, and from several sources if that is faster. The answer that
// is open already goes on meanwhile.
func (w *fill) parts(ctx context.Context, a *asking) error {
	a.watch.rest()
	w.f.splits.Add(1)
	defer w.f.splits.Add(-1)
	ctx, deny := context.WithCancelCause(ctx)
	defer deny(nil)
	team, full, began, pinned := w.team(a), false, w.f.now(), w.want.Pins()
	w.pieced = w.pieced || !pinned
	open := func(ctx context.Context, src rules.Source, lane int, from, to int64) (io.ReadCloser, error) {
		body, err := w.open(ctx, src, lane, from, to, pinned)
		if errors.Is(err, errLength) && src.Origin && !a.Origin {
			deny(fmt.Errorf("announced a wrong length: the origin %w", err))
		}
		return body, err
	}
	job := split.Job{
		Size: w.spool.Known(), From: w.spool.Length(), Lead: a.resp.Body, LeadTo: a.upto, Memory: &w.f.Ahead,
		Open: func(ctx context.Context, s split.Source, lane int, from, to int64) (io.ReadCloser, error) {
			return open(ctx, member(team, s.Base), w.laneOf(a, s.Base, lane), from, to)
		},
		Write: func(p []byte) error {
			w.f.absence.flows(w.f.now())
			_, err := w.spool.Write(p)
			full = err != nil
			return err
		},
	}
	if rest := job.Size - a.offset; rest < splitFrom { // so little is not worth trying who fell silent again and again
		job.Others = w.stall(rest) == stallShort
	}
	if w.req.Path.Bulk && len(team) == 1 { // between several sources, growth finds out which connections pay
		job.Pool = &pool{w, team, open}
	}
	for _, src := range team {
		job.Sources = append(job.Sources, split.Source{Base: src.Base, Rate: w.f.Board.Rate(src.Base)})
	}
	job.Sources[0].Trip = a.trip()
	if a.Bytes > 0 { // it turned out to be slow
		job.Sources[0].Rate = float64(a.Bytes) / max(began.Sub(a.began)-a.Wait, time.Millisecond).Seconds()
	}
	result, err := job.Run(ctx)
	for _, p := range result.Parts {
		w.sent = join(w.sent, p)
	}
	w.tally(a, team, result, began)
	switch {
	case err == nil:
		a.verdict = whole
	case full:
		a.verdict = unfit
	case errors.Is(err, errLength):
		a.Outcome = measure.Short
	}
	return err
}

// laneOf is the connection for lane n of a job of several sources, which counts from 0. The one that brought the beginning is
// lane 0 of its source. What is bulk keeps off the common connection.
func (w *fill) laneOf(a *asking, base string, n int) int {
	if !w.req.Path.Bulk {
		return n
	}
	if base == a.Base && a.berth != nil {
		n += a.berth.Lane - 1
	}
	return n%lanes.Most + 1
}

// team is who sends parts: who began, and if that one would not soon be done alone, the next of those that are neither
// resting, nor strangers to what may be private, nor so slow that their parts would hold up the rest.
func (w *fill) team(a *asking) []rules.Source {
	team := []rules.Source{a.src}
	if !w.want.Pins() {
		return team
	}
	best := w.f.Board.Rate(a.Base)
	if a.Bytes == 0 && float64(w.spool.Known()-a.offset) < best*short.Seconds() {
		return team
	}
	for _, src := range w.queue {
		best = max(best, w.f.Board.Rate(src.Base))
	}
	for _, src := range w.queue {
		if len(team) == carriers {
			break
		}
		rate := w.f.Board.Rate(src.Base)
		if src.Base != a.Base && w.mayHelp(src) && (rate == 0 || rate > best/lame) {
			team = append(team, src)
		}
	}
	return team
}

// member is the one of that base, who is in the team.
func member(team []rules.Source, base string) rules.Source {
	return team[slices.IndexFunc(team, func(src rules.Source) bool { return src.Base == base })]
}

// tally makes a try of what each source did.
func (w *fill) tally(a *asking, team []rules.Source, result split.Result, began time.Time) {
	for _, sum := range result.Tallies {
		t := a.carried
		switch {
		case sum.Base == a.Base:
		case sum.Ranges == 0:
			continue
		default:
			t = w.mate(a, team, sum.Base)
		}
		t.Bytes, t.extra, t.Outcome = t.Bytes+sum.Bytes+sum.Extra, sum.Extra, outcomeOf(sum.Err, sum.Bytes)
		if sum.Err != nil {
			t.Err = sum.Err.Error()
		}
		if t.busy = began.Sub(a.began) + sum.Busy; sum.Base != a.Base {
			t.Wait, t.Took = sum.Wait, max(sum.Busy, sum.Wait)
		}
	}
}

// mate is the try of a source that helps another.
func (w *fill) mate(a *asking, team []rules.Source, base string) *carried {
	src := member(team, base)
	t := &carried{Try: Try{Base: src.Base, URL: src.URL, Origin: src.Origin, Status: http.StatusPartialContent, began: a.began}, index: len(w.tries)}
	w.tries = append(w.tries, t.Try)
	w.mates = append(w.mates, t)
	return t
}

// open asks for one part. Everything about the answer is checked but the bytes. pinned: a digest will tell whether those are
// right.
func (w *fill) open(ctx context.Context, src rules.Source, lane int, from, to int64, pinned bool) (io.ReadCloser, error) {
	ctx = mark.Lane(redirect.Along(ctx, w.trail), lane)
	if w.leads(src) {
		ctx = mark.Outset(ctx)
	}
	req, err := newRequest(ctx, http.MethodGet, w.req.Match, src)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
	resp, err := w.f.carrier(w.req.Rule).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	err = checkPart(resp, src.URL, from, to, w.spool.Known())
	if err == nil && !pinned { // else the digest tells, and is of what comes, whatever that is called
		err = w.belongs(resp)
	}
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp.Body, nil
}

// belongs says what is wrong with a part of a body that no digest pins, beside the one that began it.
func (w *fill) belongs(resp *http.Response) error {
	if coded(resp) {
		return &partError{measure.Refused, fmt.Errorf("sent it as %s, which nobody asked for", quoted(resp.Header.Get("Content-Encoding")))}
	}
	sure := false
	for _, validator := range []string{"Etag", "Last-Modified"} {
		first, now := w.last.header[validator], resp.Header.Get(validator)
		if first != "" && now != "" && first != now {
			return fmt.Errorf("%w for what it began, of which it has another version now", split.ErrNoRange)
		}
		sure = sure || first != "" && first == now
	}
	if !sure {
		w.unsure.Store(true)
	}
	return nil
}

// errUnsure is about parts that nobody can check and that may be of two versions.
var errUnsure = fmt.Errorf("came over several connections, and nobody says that the parts belong together: %w", digest.ErrMismatch)

// checkPart says what is wrong with an answer to a request to asked for the bytes [from, to) of size.
func checkPart(resp *http.Response, asked string, from, to, size int64) error {
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound || code == http.StatusGone:
		return split.ErrMissing
	case code == http.StatusOK:
		return split.ErrNoRange
	case code == http.StatusRequestedRangeNotSatisfiable:
		return &partError{measure.Canceled, fmt.Errorf("%w: it has nothing behind byte %d", errLength, from)}
	case code != http.StatusPartialContent:
		return &partError{refusal(resp, asked), fmt.Errorf("answered %d", code)}
	}
	said := resp.Header.Get("Content-Range")
	if total := totalOf(said, from); total > from && total != size {
		return &partError{measure.Canceled, fmt.Errorf("%w: %d bytes, not %d", errLength, total, size)}
	}
	if !isRange(said, from, to, size) || resp.ContentLength >= 0 && resp.ContentLength != to-from {
		return &partError{measure.Short, fmt.Errorf("answered a request for the bytes %d to %d with Content-Range %s", from, to-1, quoted(said))}
	}
	return nil
}

// errLength tells of a source that says the body is longer or shorter than the one who began it did. One of both is wrong.
var errLength = errors.New("says that it has another length")

// partError is what was wrong with a part, in a word for the board.
type partError struct {
	outcome measure.Outcome
	err     error
}

func (e *partError) Error() string { return e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

// outcomeOf is the word for what a source did that sent so many bytes of a body and was given up for err; nil: it was not.
func outcomeOf(err error, bytes int64) measure.Outcome {
	part := (*partError)(nil)
	switch {
	case err == nil && bytes == 0:
		return measure.Canceled
	case err == nil:
		return measure.OK
	case errors.As(err, &part):
		return part.outcome
	case errors.Is(err, split.ErrMissing):
		return measure.Missing
	case errors.Is(err, split.ErrNoRange) && bytes > 0: // it went on in one stream
		return measure.OK
	case errors.Is(err, split.ErrNoRange):
		return measure.Canceled
	case errors.Is(err, split.ErrSlow):
		return measure.Outrun
	case errors.Is(err, split.ErrStalled):
		return measure.Stalled
	case errors.Is(err, split.ErrShort), errors.Is(err, split.ErrLong):
		return measure.Short
	}
	return measure.Broken
}
