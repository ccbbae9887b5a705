package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"hither/cache/digest"
	"hither/forward/measure"
	"hither/forward/split"
	"hither/rules"
)

// generation is bytes that several sources sent and that were wrong.
type generation struct {
	sent []split.Part
	body io.ReaderAt
}

// note records how a try ended and tells the board.
func (w *fill) note(t *carried) {
	w.tries[t.index] = t.Try
	if t.verdict == unchanged && t.Origin {
		w.f.public.put(w.subject(), struct{}{}, w.f.now(), publicLife, maxFacts)
	}
	w.f.Board.Add(w.sample(t))
}

// health is what an outcome says of whoever was asked. An origin that wants credentials is as well as one that lacks the thing: else
// who pulls private images would have it rest, and strangers be asked before it.
func health(o measure.Outcome, origin bool, status int) measure.Outcome {
	if origin && o == measure.Refused && status == http.StatusUnauthorized {
		return measure.Missing
	}
	return o
}

// noteAll records a try and those who sent parts beside it.
func (w *fill) noteAll(t *carried) {
	w.noteMates()
	w.note(t)
}

func (w *fill) noteMates() {
	for _, m := range w.mates {
		w.note(m)
	}
	w.mates = nil
}

func (w *fill) sample(t *carried) measure.Sample {
	s := measure.Sample{
		Base: t.Base, When: t.began, Outcome: health(t.Outcome, t.Origin, t.Status), Wait: t.Wait, Took: t.Took, Bytes: t.Bytes, Extra: t.extra, RetryAfter: t.retry,
	}
	if !t.Origin { // that the origin lacks it is said otherwise, and for less long
		s.Name = w.req.Name
	}
	if w.spool != nil {
		s.Size = max(0, w.spool.Known())
	}
	return s
}

// mixed says that others than base sent bytes of the current generation.
func (w *fill) mixed(base string) bool {
	return slices.ContainsFunc(w.sent, func(p split.Part) bool { return p.Base != base })
}

// blame finds who sent wrong bytes. If several sent parts it is nobody in particular yet: all is fetched from one, and
// compared. If it is only a client that expects others, nobody is wrong, and once the origin spoke it is between the two.
func (w *fill) blame(ctx context.Context, src rules.Source, t *carried, err error) error {
	mismatch := errors.Is(err, digest.ErrMismatch)
	mixed := w.mixed(t.Base) || w.pieced
	claimed := mismatch && !mixed && w.word.spokenBy() == byClient
	t.Outcome = measure.Canceled // who vouches, the disk or the client failed us, or nobody knows yet
	if mismatch && !mixed && !claimed && ctx.Err() == nil {
		t.Outcome = measure.WrongBytes
	}
	if errors.Is(err, errMiscalled) || errors.Is(err, errRefuted) {
		t.Outcome = measure.Refused
	}
	for _, m := range w.mates {
		if m.Outcome == measure.OK {
			m.Outcome = measure.Canceled // nobody knows yet
		}
	}
	w.charge(t)
	if mismatch && mixed {
		if !w.pieced { // else it changed under one sender's hands
			w.suspect = append(w.suspect, generation{w.sent, w.spool.Body()})
		}
		w.alone = true
		w.first(src)
	}
	w.sent = nil
	if claimed && src.Origin {
		return ErrPass
	}
	return nil
}

// accusation is bytes that one source sent and that were wrong.
type accusation struct {
	try  *carried
	size int64
	body io.ReaderAt
}

// charge notes a try. Of who sent wrong bytes the board hears when the fill ends: if the origin sends the same, it is the
// authority that differs from both, and neither is a liar. Where the name holds the digest, nothing can
// excuse it.
func (w *fill) charge(t *carried) {
	if t.Outcome != measure.WrongBytes || strings.Contains(w.req.Name, w.want.Sum()) {
		w.noteAll(t)
		return
	}
	w.noteMates()
	now := accusation{t, w.spool.Length(), w.spool.Body()}
	for _, a := range w.accused {
		if t.Origin && a.repeats(now) {
			a.try.Outcome, t.Outcome = measure.Canceled, measure.Canceled
			w.tries[a.try.index] = a.try.Try
		}
	}
	w.tries[t.index] = t.Try
	w.accused = append(w.accused, now)
}

// repeats says that two sent the same bytes.
func (a accusation) repeats(b accusation) bool {
	all := generation{[]split.Part{{To: a.size}}, a.body}
	return a.size == b.size && len(liars(all, b.body)) == 0
}

// accuse tells the board of those who are still accused.
func (w *fill) accuse() {
	for _, a := range w.accused {
		w.note(a.try)
	}
	w.accused = nil
}

// first puts who is asked for all at the head of the queue: the origin, else the last who sent some.
func (w *fill) first(src rules.Source) {
	if i := slices.IndexFunc(w.queue, func(s rules.Source) bool { return s.Origin }); i >= 0 && !src.Origin {
		w.queue = append(w.queue, src)
		src = w.queue[i]
		w.queue = slices.Delete(w.queue, i, i+1)
	}
	w.queue = slices.Insert(w.queue, 0, src)
}

// convict compares the bytes that were wrong with those that are right: whose parts differ lied.
func (w *fill) convict() {
	for _, g := range w.suspect {
		for _, base := range liars(g, w.spool.Body()) {
			w.f.Board.Add(measure.Sample{Base: base, Outcome: measure.WrongBytes})
			for i := range w.tries {
				if t := &w.tries[i]; t.Base == base && t.Bytes > 0 {
					t.Outcome, t.Err = measure.WrongBytes, "sent a part that differs from the right bytes"
				}
			}
		}
	}
	w.suspect = nil
}

// liars are those whose parts differ from the right bytes.
func liars(g generation, right io.ReaderAt) (bases []string) {
	a, b := buffers.Get().(*[]byte), buffers.Get().(*[]byte)
	defer buffers.Put(a)
	defer buffers.Put(b)
	for _, p := range g.sent {
		if !slices.Contains(bases, p.Base) && differ(g.body, right, p, *a, *b) {
			bases = append(bases, p.Base)
		}
	}
	return bases
}

// differ compares one part, by means of two buffers of one size. What cannot be read convicts nobody.
func differ(wrong, right io.ReaderAt, p split.Part, a, b []byte) bool {
	for at := p.From; at < p.To; at += int64(len(a)) {
		n := min(int64(len(a)), p.To-at)
		m, errA := wrong.ReadAt(a[:n], at)
		k, errB := right.ReadAt(b[:n], at)
		switch {
		case int64(m) < n && errA != nil && !errors.Is(errA, io.EOF), int64(k) < n && errB != nil && !errors.Is(errB, io.EOF):
			return false
		case m != k || !slices.Equal(a[:m], b[:k]):
			return true
		}
	}
	return false
}
