package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"hither/rules"
)

// pause is since a body stood still. The zero pause is before its first byte.
type pause struct {
	since time.Time      // when the patience with the last one was over that had sent any; zero: none had
	lost  []rules.Source // who could not be asked for the rest, and said nothing to that
	heard bool           // somebody did, or the upstream proxy in one's place
	met   bool           // the last one had a connection, or much time
	unmet []rules.Source // of lost, those who had neither
	back  bool           // those lost were asked once more, since they can be connected to
	err   error          // that they could not be for too long
}

// lose notes that a source did not bring the rest of a body.
func (w *fill) lose(src rules.Source, t *carried) {
	p := &w.pause
	switch {
	case t.Bytes > 0:
		*p = pause{since: w.f.now().Add(-t.spared)}
	case t.Status != 0 && !t.late, t.denied:
		p.heard = true
	default:
		p.lost = append(without(p.lost, src), src)
	}
	p.met = t.late || t.met
	if p.unmet = without(p.unmet, src); !p.met && t.Status == 0 && !t.denied {
		p.unmet = append(p.unmet, src)
	}
}

func without(sources []rules.Source, src rules.Source) []rules.Source {
	return slices.DeleteFunc(sources, func(s rules.Source) bool { return s.Base == src.Base })
}

// outlast waits until one of those can be connected to who were lost, and has them asked again. False: it is no outage, for the network
// carries, it lasts too long, or nobody wants the body any more.
func (w *fill) outlast(ctx context.Context) bool {
	p := &w.pause
	switch {
	case w.f.Reach == nil || len(p.lost) == 0:
		return false
	case p.since.IsZero():
		return w.persist(ctx)
	case p.heard:
		return false
	}
	waits := 0
	defer func() { w.f.absence.wait(-waits) }()
	for first := true; w.awaited(); first = false {
		switch _, err := w.f.reaches(basesOf(p.lost)); {
		case err == nil && first && (p.met || p.back): // it has hung up, or hangs
			return false
		case err == nil:
			p.back = p.back || first // perhaps just now
			w.queue, p.lost = p.lost, nil
			return true
		case w.f.now().Sub(p.since) >= outage:
			p.err = fmt.Errorf("nothing could be connected to for %s amid the body; look at this machine's network", outage)
			return false
		case first:
			w.f.waits(w.req, err)
			waits = 1
			w.f.absence.wait(1)
		}
		select {
		case <-time.After(outagePace):
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// persist is outlast before the first byte, for what a client waits for and cannot have from the cache. Where anybody can be connected
// to who might have it, or who answered lately, it is no outage, and those who are away by themselves are not waited for.
func (w *fill) persist(ctx context.Context) bool {
	p := &w.pause
	if w.whole || !w.isWanted() || w.partKept(ctx) {
		return false
	}
	was, back, err := w.f.await(ctx, basesOf(w.req.Sources()), w.awaited, func(err error) { w.f.waits(w.req, err) })
	switch {
	case errors.Is(err, errAway):
		p.err = fmt.Errorf("%w; look at this machine's network", err)
		return false
	case !back:
		p.err = err
		return false
	case was:
		w.queue, p.back = p.lost, false
	case p.back || p.heard: // it refuses, or hangs
		return false
	default: // perhaps just now
		there := w.f.there(basesOf(p.unmet))
		away := func(s rules.Source) bool { return !slices.Contains(there, s.Base) }
		w.queue, p.back = slices.DeleteFunc(p.unmet, away), true
	}
	p.lost, p.unmet, p.heard = nil, nil, false
	return len(w.queue) > 0
}

// partKept says that the cache has it as part of something else.
func (w *fill) partKept(ctx context.Context) bool {
	part := w.f.part(ctx, w.req, &Failure{})
	if part != nil {
		part.Body.Close()
	}
	return part != nil
}

// spare is for a body whose rest nobody may be asked for. While nothing can be connected to, the connection that it comes by is not
// left: a client without us would not, and its sender sends again, after as long as it was silent at most. nil: somebody may be.
//
// BUG: a connection of HTTP/2 ends by its own ping when 20 s passed without a byte (transport.Config), and net/http tells nobody before.
// Such a body waits for the network all the same, but comes from its first byte then.
func (w *fill) spare(a *asking) func(time.Duration) (time.Duration, bool) {
	ranges := a.resp.StatusCode == http.StatusPartialContent || a.resp.Header.Get("Accept-Ranges") == "bytes"
	if w.f.Reach == nil || w.want.Pins() && (ranges || len(w.queue) > 0) || ranges && w.continues(a.src) {
		return nil
	}
	others := basesOf(append(slices.Clone(w.queue), a.src))
	return func(extended time.Duration) (more time.Duration, last bool) {
		_, err := w.f.reaches(others)
		switch {
		case err == nil && extended > 0:
			return extended + stallPatience, true
		case err == nil, extended >= outage, !w.awaited():
			return 0, true
		case extended == 0:
			w.f.waits(w.req, err)
		}
		w.rest(a)
		return outagePace, false
	}
}

// What asking.waits is: whether a body waits for the network on its connection.
const (
	moving int32 = iota
	waiting
	ended
)

// rest and move note that a body waits for the network, and that it does not any more; end, that it never will again.
func (w *fill) rest(a *asking) {
	if a.waits.CompareAndSwap(moving, waiting) {
		w.f.absence.wait(1)
	}
}

func (w *fill) move(a *asking) {
	if a.waits.CompareAndSwap(waiting, moving) {
		w.f.absence.wait(-1)
	}
}

func (w *fill) end(a *asking) {
	if a.waits.Swap(ended) == waiting {
		w.f.absence.wait(-1)
	}
}

// attend is said for a client that joins, part when it has its answer.
func (fl *flight) attend() {
	fl.waiters.Add(1)
	fl.waiting.Add(1)
}

func (fl *flight) part() {
	fl.waiting.Add(-1)
	fl.waiters.Done()
}

// awaited says that somebody waits for the body, or reads it.
func (fl *flight) awaited() bool {
	return fl.waiting.Load() > 0 || fl.spool != nil && fl.spool.IsRead()
}
