package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"hither/rules"
)

const (
	// outage is for how long a body that stands still waits while nothing can be connected to. The connection of a client without us
	// would outlive that: its sender only sends again.
	outage = 75 * time.Second
	// outagePace is how often it is tried to connect, and outageTry for how long each time: a packet that was lost while the network was
	// away is sent again seconds later, a new one at once.
	outagePace, outageTry = time.Second, 4 * time.Second
)

// pause is since a body stood still. The zero pause is before its first byte.
type pause struct {
	since time.Time      // when the patience with the last one was over that had sent any; zero: none had
	lost  []rules.Source // who could not be asked for the rest, and said nothing to that
	heard bool           // somebody did
	met   bool           // the last one had a connection, or much time
	back  bool           // those lost were asked once more, since they can be connected to
	err   error          // that they could not be for too long
}

// lose notes that a source did not bring the rest of a body.
func (w *fill) lose(src rules.Source, t *carried) {
	p := &w.pause
	switch {
	case t.Bytes > 0:
		*p = pause{since: w.f.now().Add(-t.spared)}
	case t.Status != 0 && !t.late:
		p.heard = true
	case !slices.ContainsFunc(p.lost, func(s rules.Source) bool { return s.Base == src.Base }):
		p.lost = append(p.lost, src)
	}
	p.met = t.late || t.met
}

// outlast waits until one of those can be connected to who were lost amid the body, and has them asked again. False: it is no
// outage, for the network carries, it lasts too long, or nobody wants the body any more.
func (w *fill) outlast(ctx context.Context) bool {
	p := &w.pause
	if w.f.Reach == nil || len(p.lost) == 0 || p.heard || p.since.IsZero() {
		return false
	}
	for first := true; w.awaited(); first = false {
		switch err := w.f.reaches(p.lost); {
		case err == nil && first && (p.met || p.back): // it has hung up, or hangs
			return false
		case err == nil:
			p.back = p.back || first // perhaps just now
			w.queue, p.lost = p.lost, nil
			return true
		case w.f.now().Sub(p.since) >= outage:
			p.err = fmt.Errorf("nothing could be connected to for %s amid the body; look at this machine's network", outage)
			return false
		case first && w.f.Trace.Waits != nil:
			w.f.Trace.Waits(w.req, err)
		}
		select {
		case <-time.After(outagePace):
		case <-ctx.Done():
			return false
		}
	}
	return false
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
	others := append(slices.Clone(w.queue), a.src)
	return func(extended time.Duration) (more time.Duration, last bool) {
		err := w.f.reaches(others)
		switch {
		case err == nil && extended > 0:
			return extended + stallPatience, true
		case err == nil, extended >= outage, !w.awaited():
			return 0, true
		case extended == 0 && w.f.Trace.Waits != nil:
			w.f.Trace.Waits(w.req, err)
		}
		return outagePace, false
	}
}

// reaches says why none of these can be connected to; nil: one can. All bodies that wait for the same source ask together.
func (f *Fetcher) reaches(sources []rules.Source) error {
	failures := make([]error, len(sources))
	var all sync.WaitGroup
	for i, src := range sources {
		all.Go(func() {
			_, failures[i], _ = f.probes.Do(src.Base, func() (any, error) {
				ctx, cancel := context.WithTimeout(f.flights.ctx, outageTry)
				defer cancel()
				return nil, f.Reach(ctx, src.Base)
			})
		})
	}
	all.Wait()
	if slices.Contains(failures, nil) {
		return nil
	}
	return errors.Join(failures...)
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
func (fl *flight) awaited() bool { return fl.waiting.Load() > 0 || fl.spool != nil && fl.spool.read() }

func (s *spool) read() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readers > 0
}
