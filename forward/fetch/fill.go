package fetch

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"hither/cache"
	"hither/cache/digest"
	"hither/forward/measure"
	"hither/forward/notary"
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
	queue   []rules.Source
	spool   *spool
	from    []string // the sources of the bytes in the current generation
	refused bool     // the origin knows us and says no: strangers are not asked about what may be private
	began   time.Time
	last    response      // the head of the response whose body fills the spool
	stored  digest.Digest // the name the bytes were published under; zero before, and if they are not kept
}

// response is what a fill keeps of an upstream's answer.
type response struct {
	header   map[string]string
	storable bool
}

// run fills, and tells those who wait how it ended.
func (fl *flight) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &fill{flight: fl, began: fl.f.now()}
	w.word = fl.ask(ctx)
	err := w.fill(ctx)
	if w.spool != nil {
		w.spool.finish(err)
	}
	if err != nil {
		fl.tell(outcome{err: err})
	}
	if fl.f.Trace.Filled != nil && (err != nil || w.spool != nil) {
		report := w.report()
		if err != nil {
			report.Err = err.Error()
		}
		fl.f.Trace.Filled(report)
	}
}

func (w *fill) fill(ctx context.Context) error {
	if !w.word.beside {
		if done, err := w.heed(ctx); done || err != nil {
			return err
		}
	}
	pending := w.word.pending()
	if !pending {
		w.want = w.word.digest
	}
	w.queue = w.order(pending)
	for n := 0; n < len(w.queue) && len(w.tries) < maxTries; n++ {
		src := w.queue[n]
		if !src.Origin && !w.mayAsk(ctx) {
			continue
		}
		try := w.carry(ctx, src, w.patience(n))
		done, err := w.weigh(ctx, src, try)
		if done || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return &Failure{Name: w.req.Name, Tries: w.tries, Cause: errClosed}
		}
	}
	return &Failure{Name: w.req.Name, Tries: w.tries, Cause: w.word.trouble()}
}

// mayAsk says whether a stranger may hear this name. If the origin has not yet given the subject to us, the authority must
// have spoken first: what it knows is public.
func (w *fill) mayAsk(ctx context.Context) bool {
	if !w.isPublic() {
		_ = w.word.wait(ctx)
		if w.refused {
			return false
		}
	}
	return !w.unvouched()
}

// heed waits for the authority and uses its word before anybody is asked for bytes: perhaps they are here already.
func (w *fill) heed(ctx context.Context) (done bool, err error) {
	if err := w.word.wait(ctx); errors.Is(err, notary.ErrSecurity) {
		return false, &Failure{Name: w.req.Name, Cause: err}
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
	}
	entry.Vouched = w.word.by
	entry.Checked = now
	w.word.dress(&entry)
	w.bind(ctx, entry)
	w.tell(outcome{entry: &entry, state: state})
	return true, nil
}

// order is whom to ask. Without a digest that pins or proves, only the origin may send what a notary should vouch for.
// What changes is asked of the origin first, and so is what may be private: a stranger hears a name only after the origin
// gave it to somebody without credentials, or when the origin cannot be reached.
func (w *fill) order(pending bool) []rules.Source {
	match := w.word.redirect(w.req.Match)
	all := match.Sources()
	if w.unvouched() {
		return match.Origins()
	}
	byURL := make(map[string]rules.Source, len(all))
	bases := make([]string, 0, len(all))
	for _, s := range all {
		byURL[s.Base] = s
		bases = append(bases, s.Base)
	}
	ordered := make([]rules.Source, 0, len(all))
	for _, base := range w.f.Board.Order(bases) {
		ordered = append(ordered, byURL[base])
	}
	if w.want == "" && !pending || !w.isPublic() {
		slices.SortStableFunc(ordered, originFirst)
	}
	return ordered
}

// unvouched says that a notary should have named these bytes and could not: no verifier, no mirror.
func (w *fill) unvouched() bool {
	return !w.word.pending() && w.req.Path.Notary != "" && (w.word.digest == "" || w.word.digest.Weak())
}

func originFirst(a, b rules.Source) int {
	switch {
	case a.Origin == b.Origin:
		return 0
	case a.Origin:
		return -1
	}
	return 1
}

const (
	// headPatience is how long a source may take to begin its answer while another could be asked instead.
	headPatience = 6 * time.Second
	// lastPatience is for the last one. The Go module proxy takes up to a minute to say that a module does not exist.
	lastPatience = 75 * time.Second
	// stallPatience is how long a body may stand still.
	stallPatience = 10 * time.Second
)

func (w *fill) patience(n int) time.Duration {
	if n == len(w.queue)-1 {
		return lastPatience
	}
	return headPatience
}

// weigh decides what a try means: the end, or the next source.
func (w *fill) weigh(ctx context.Context, src rules.Source, t *carried) (done bool, err error) {
	switch t.verdict {
	case whole:
		err := w.publish(ctx, src, t)
		if err == nil {
			return true, nil
		}
		t.Err = err.Error()
		if errors.Is(err, notary.ErrSecurity) {
			w.note(t)
			return false, &Failure{Name: w.req.Name, Tries: w.tries, Cause: err}
		}
		w.blame(t, err)
	case unchanged:
		w.note(t)
		w.confirm(ctx, t)
		return true, nil
	case absent:
		w.note(t)
		w.deny(src, t)
		return true, nil
	case noRoom:
		w.note(t)
		return false, ErrPass
	case failed:
		w.note(t)
		w.again(src, t)
	}
	return false, nil
}

// again lets a source have another chance at the end: one that was cut off in the middle of a body which can go on, and
// an origin that was only late, since only it may say no.
func (w *fill) again(src rules.Source, t *carried) {
	if t.Outcome == measure.Refused && src.Origin {
		w.refused = true
	}
	if t.Bytes > 0 || src.Origin && t.late && w.times(src) == 1 {
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

// note records how a try ended and tells the board.
func (w *fill) note(t *carried) {
	w.tries[t.index] = t.Try
	if t.Outcome == measure.OK && t.Origin {
		w.f.public.put(w.subject(), struct{}{}, w.f.now(), publicLife)
	}
	w.f.Board.Add(t.sample())
}

// blame finds who sent wrong bytes. If several sent parts it is nobody in particular, and all is fetched from one.
func (w *fill) blame(t *carried, err error) {
	switch {
	case errors.Is(err, errUnvouched):
		t.Outcome = measure.Canceled
	case !errors.Is(err, digest.ErrMismatch), len(w.from) > 1:
		t.Outcome = measure.Broken
	default:
		t.Outcome = measure.WrongBytes
	}
	w.note(t)
	w.from = nil
}

// publish checks the bytes and makes them visible; nobody sees their end before.
func (w *fill) publish(ctx context.Context, src rules.Source, t *carried) error {
	if err := w.word.wait(ctx); errors.Is(err, notary.ErrSecurity) {
		return err
	}
	w.want = w.word.digest
	if !src.Origin && w.unvouched() {
		return errUnvouched
	}
	got, err := w.spool.commit(w.want, w.last.storable)
	if err != nil {
		return err
	}
	w.stored = got
	entry := cache.Entry{
		Digest: got, Size: w.spool.length(), Header: w.last.header, Source: src.Base, Vouched: w.word.by,
		Stored: w.f.now(), Checked: w.f.now(), Took: w.f.now().Sub(w.began),
	}
	w.word.dress(&entry)
	if got != "" {
		w.bind(ctx, entry)
	}
	w.note(t)
	w.spool.finish(nil)
	w.tellHead()
	return nil
}

// bind records what the name means. Failing to is no reason to fail the client: the next one fetches again.
func (w *fill) bind(ctx context.Context, e cache.Entry) {
	if e.Vouched == byClient && w.kept.Vouched != "" && w.kept.Vouched != byClient {
		return // an authority has spoken; a client's expectation does not replace that
	}
	_ = w.f.Store.Bind(ctx, cache.Name(w.req.Name), e)
	w.f.gone.drop(w.req.Name)
}

// confirm refreshes the age of what is kept: the origin said that it is still right (RFC 9111, section 4.3.4).
func (w *fill) confirm(ctx context.Context, t *carried) {
	entry := w.kept
	entry.Checked = w.f.now()
	entry.Header = maps.Clone(entry.Header)
	maps.Copy(entry.Header, t.header)
	w.bind(ctx, entry)
	w.tell(outcome{entry: &entry, state: Revalidated})
}

// goneLife is how long the origin's no is remembered. Longer would hide a version that was just published.
const goneLife = 30 * time.Second

func (w *fill) deny(src rules.Source, t *carried) {
	gone := negative{status: t.Status, header: map[string]string{}, body: t.body, source: src.Base}
	if ct := t.header["Content-Type"]; ct != "" {
		gone.header["Content-Type"] = ct
	}
	w.f.gone.put(w.req.Name, gone, w.f.now(), goneLife)
	w.tell(outcome{gone: &gone})
}

// tellHead lets the clients begin to read.
func (w *fill) tellHead() {
	w.tell(outcome{spool: w.spool, header: w.word.headers(w.last.header), report: w.report()})
}

func (w *fill) report() Report {
	r := Report{
		Name: cache.Name(w.req.Name), Rule: w.req.Rule.Name, State: Miss, Vouched: w.word.by, Digest: cmp.Or(w.stored, w.want),
		Tries: slices.Clone(w.tries), When: w.f.now(), Bytes: -1,
	}
	if len(w.from) > 0 {
		r.Source = w.from[len(w.from)-1]
	}
	if w.spool != nil {
		r.Bytes = w.spool.length()
	}
	return r
}

func (w *fill) isPublic() bool {
	_, ok := w.f.public.get(w.subject(), w.f.now())
	return ok
}

func (w *fill) subject() string { return w.req.subject() }

// publicLife is how long the origin's openness about a subject is believed.
const publicLife = time.Hour

// subject is what is public or private as a whole: a module, a package, an image.
func (r Request) subject() string { return r.Rule.Name + " " + r.Subject }

// prove asks the origin, without credentials, whether what the client asks for with credentials is public. If the origin
// cannot be reached, what is kept may still be served: it was given to us, who have none.
func (f *Fetcher) prove(ctx context.Context, req Request) (Request, error) {
	if _, ok := f.public.get(req.subject(), f.now()); ok {
		return req, nil
	}
	for _, src := range req.Origins() {
		resp, err := f.head(ctx, req.Match, src)
		if err != nil {
			continue
		}
		if resp.StatusCode != http.StatusOK {
			return req, ErrPass
		}
		f.public.put(req.subject(), struct{}{}, f.now(), publicLife)
		return req, nil
	}
	req.KeptOnly = true
	return req, nil
}
