package fetch

import (
	"cmp"
	"context"
	"errors"
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
	queue   []rules.Source // who is still to be asked
	afresh  string         // Base of a source that is asked for all, though it could go on; empty: none
	from    []string       // the sources of the bytes in the current generation
	refused bool           // the origin knows us and says no: strangers are not asked about what may be private
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
		w.spool.finish(cmp.Or(err, errDiverged)) // without an err it was published, or turned out not to exist
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
	for len(w.queue) > 0 && len(w.tries) < maxTries && ctx.Err() == nil {
		src := w.queue[0]
		w.queue = w.queue[1:]
		if !src.Origin && !w.mayAsk(ctx) {
			continue
		}
		try := w.carry(ctx, src, w.patience())
		done, err := w.weigh(ctx, src, try)
		if done || err != nil {
			return err
		}
	}
	cause := w.word.trouble()
	if ctx.Err() != nil {
		cause = errClosed
	}
	return &Failure{Name: w.req.Name, Tries: w.tries, Cause: cause}
}

// heed waits for the authority and uses its word before anybody is asked for bytes: perhaps they are here already.
func (w *fill) heed(ctx context.Context) (done bool, err error) {
	if err := w.word.wait(ctx); errors.Is(err, notary.ErrSecurity) {
		return false, &Failure{Name: w.req.Name, Cause: err}
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

const (
	// headPatience is how long a source may take to begin its answer while another could be asked instead.
	headPatience = 6 * time.Second
	// lastPatience is for the last one. The Go module proxy takes up to a minute to say that a module does not exist.
	lastPatience = 75 * time.Second
	// stallPatience is how long a body may stand still.
	stallPatience = 10 * time.Second
)

func (w *fill) patience() time.Duration {
	if len(w.queue) == 0 {
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
		return false, w.blame(ctx, src, t, err)
	case unchanged:
		w.note(t)
		w.confirm(ctx, t)
		return true, nil
	case absent:
		w.note(t)
		w.deny(ctx, src, t)
		return true, nil
	case unfit:
		w.note(t)
		return false, ErrPass
	case failed:
		w.note(t)
		w.again(src, t)
	}
	return false, nil
}

// again lets a source have another chance at the end: one that was cut off in the middle of a body which can go on, and
// an origin that was only late, since only it may say no. One that could not go on is asked for all at once.
func (w *fill) again(src rules.Source, t *carried) {
	if t.Outcome == measure.Refused && src.Origin && t.Status != http.StatusTooManyRequests {
		w.refused = true
	}
	switch {
	case w.afresh == src.Base:
		w.queue = slices.Insert(w.queue, 0, src)
	case t.Bytes > 0 || src.Origin && t.late && w.times(src) == 1:
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
		w.f.public.put(w.subject(), struct{}{}, w.f.now(), publicLife, maxFacts)
	}
	w.f.Board.Add(t.sample())
}

// blame finds who sent wrong bytes. If several sent parts it is nobody in particular, and all is fetched from the last. If
// it is only a client that expects others, nobody is wrong, and once the origin spoke it is between the two.
func (w *fill) blame(ctx context.Context, src rules.Source, t *carried, err error) error {
	mismatch := errors.Is(err, digest.ErrMismatch)
	mixed := slices.ContainsFunc(w.from, func(base string) bool { return base != t.Base })
	claimed := mismatch && !mixed && w.word.spokenBy() == byClient
	switch {
	case errors.Is(err, errUnvouched), ctx.Err() != nil, claimed, mismatch && mixed:
		t.Outcome = measure.Canceled
	case mismatch:
		t.Outcome = measure.WrongBytes
	default:
		t.Outcome = measure.Broken
	}
	w.note(t)
	w.from = nil
	if claimed && src.Origin {
		return ErrPass
	}
	if mismatch && mixed {
		w.queue = slices.Insert(w.queue, 0, src)
	}
	return nil
}
