package fetch

import (
	"time"

	"hither/cache"
)

// What only a guess brought is served while it is fresh, as all is. A client that comes later would have had the origin asked but for
// the guess, unless what is older than that would do: the guess must not make its answer staler.

// guess remembers of what a fill brought that no client asked for it.
func (w *fill) guess(e cache.Entry) {
	if w.req.Path.Stale == 0 || w.isWanted() {
		w.f.guessed.drop(w.req.Name)
		return
	}
	asked := time.Time{}
	if w.whole {
		asked = w.f.unguessed(w.req, w.kept).Checked
	}
	w.f.guessed.put(w.req.Name, asked, w.f.now(), lifetime(w.req.Path, e)+w.req.Path.Stale, maxFacts)
}

// demanded notes that a client got what is fresh: without a guess, it would have had it fetched.
func (f *Fetcher) demanded(req Request, s State) {
	if req.Path.Stale > 0 && s != Refreshing && s != Stale {
		f.guessed.drop(req.Name)
	}
}

// unguessed is an entry as old as it would be without guesses.
func (f *Fetcher) unguessed(req Request, e cache.Entry) cache.Entry {
	if asked, ok := f.guessed.get(req.Name, f.now()); ok {
		e.Checked = asked
	}
	return e
}

// isWanted says that a client asked for it, too.
func (fl *flight) isWanted() bool {
	fl.f.flights.mu.Lock()
	defer fl.f.flights.mu.Unlock()
	return fl.wanted
}
