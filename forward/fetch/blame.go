package fetch

import (
	"context"
	"errors"
	"io"
	"slices"

	"hither/cache"
	"hither/cache/digest"
	"hither/forward/measure"
	"hither/forward/split"
	"hither/rules"
)

// generation is bytes that several sources sent and that were wrong.
type generation struct {
	sent []split.Part
	body cache.Writer
}

// note records how a try ended and tells the board.
func (w *fill) note(t *carried) {
	w.tries[t.index] = t.Try
	if t.verdict == unchanged && t.Origin {
		w.f.public.put(w.subject(), struct{}{}, w.f.now(), publicLife, maxFacts)
	}
	w.f.Board.Add(w.sample(t))
}

// noteAll records a try and those who sent parts beside it.
func (w *fill) noteAll(t *carried) {
	for _, m := range w.mates {
		w.note(m)
	}
	w.mates = nil
	w.note(t)
}

func (w *fill) sample(t *carried) measure.Sample {
	s := measure.Sample{
		Base: t.Base, When: t.began, Outcome: t.Outcome, Wait: t.Wait, Took: t.Took, Bytes: t.Bytes, Extra: t.extra, RetryAfter: t.retry,
	}
	if !t.Origin { // that the origin lacks it is said otherwise, and for less long
		s.Name = w.req.Name
	}
	if w.spool != nil {
		s.Size = max(0, w.spool.known())
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
	mixed := w.mixed(t.Base)
	claimed := mismatch && !mixed && w.word.spokenBy() == byClient
	switch {
	case errors.Is(err, errUnvouched), ctx.Err() != nil, claimed, mismatch && mixed:
		t.Outcome = measure.Canceled
	case mismatch:
		t.Outcome = measure.WrongBytes
	default:
		t.Outcome = measure.Broken
	}
	for _, m := range w.mates {
		if m.Outcome == measure.OK {
			m.Outcome = measure.Canceled // nobody knows yet
		}
	}
	w.noteAll(t)
	if mismatch && mixed {
		w.suspect = append(w.suspect, generation{w.sent, w.spool.writer()})
		w.alone = true
		w.first(src)
	}
	w.sent = nil
	if claimed && src.Origin {
		return ErrPass
	}
	return nil
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
		for _, base := range liars(g, w.spool.writer()) {
			w.f.Board.Add(measure.Sample{Base: base, Outcome: measure.WrongBytes})
			for i := range w.tries {
				if t := &w.tries[i]; t.Base == base && t.Outcome == measure.Canceled {
					t.Outcome, t.Err = measure.WrongBytes, "sent a part that differs from the right bytes"
				}
			}
		}
	}
	w.suspect = nil
}

// liars are those whose parts differ from the right bytes.
func liars(g generation, right cache.Writer) (bases []string) {
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
func differ(wrong, right cache.Writer, p split.Part, a, b []byte) bool {
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
