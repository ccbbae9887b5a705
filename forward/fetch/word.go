package fetch

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"time"

	"hither/cache"
	"hither/cache/digest"
	"hither/forward/notary"
	"hither/rules"
)

// word is what an authority says about the bytes of one fill. It is asked once, in its own goroutine.
type word struct {
	beside bool          // the bytes may be fetched while it is still thinking
	pins   bool          // and it names the bytes as they are, so that it is waited for when they begin to come
	heard  chan struct{} // closed when the fields below are set
	digest digest.Digest // zero: nobody vouches
	by     string        // who
	path   string        // where the bytes are better asked for
	header map[string]string
	err    error
}

// ask begins to find out which bytes are meant.
func (fl *flight) ask(ctx context.Context) *word {
	w := &word{heard: make(chan struct{})}
	n := fl.f.Notaries[fl.req.Path.Notary]
	switch {
	case fl.req.Claim != "" && !fl.req.Claim.Weak():
		w.digest, w.by = fl.req.Claim, byClient
	case fl.remembers() && !beside(n):
		w.digest, w.by = fl.kept.Digest, fl.kept.Vouched // evicted or damaged; its name does not change
	case n != nil:
		w.pins = pins(n) && !fl.whole && fl.alone() && fl.f.unheard.Load() < maxUnheard
		w.beside = beside(n) || w.pins
		if w.pins {
			fl.f.unheard.Add(1)
		}
		fl.f.flights.wg.Go(func() {
			w.listen(context.WithValue(ctx, clientKey{}, fl), n, fl.req)
			if w.pins {
				fl.f.unheard.Add(-1)
			}
		})
		return w
	}
	close(w.heard)
	return w
}

// remembers says that an authority once named the bytes of what is not here any more.
func (fl *flight) remembers() bool {
	return fl.kept.Digest.Pins() && !fl.whole && fl.kept.Vouched != "" && fl.kept.Vouched != byClient && fl.req.Path.Keep == rules.Forever
}

// beside says that a notary need not be waited for. Its word may be an h1, which another zip than the one that was kept
// fulfils too: it must be asked again.
func beside(n notary.Notary) bool {
	b, ok := n.(notary.Besider)
	return ok && b.Beside()
}

// maxUnheard is how many fills wait with an answer in their hands for a notary that pins. Each has a place among the transfers, of
// which the notary's own questions need some too, and its bytes lie unread, as many as a connection takes in. The others wait first.
const maxUnheard = 64

// pins says that a notary names the bytes as they are. Where nobody but the origin may be asked, and nothing is kept that its word
// may confirm, it need not be waited for either before that is done.
func pins(n notary.Notary) bool {
	p, ok := n.(notary.Pinner)
	return ok && p.Pins()
}

// alone says that the origin has no mirror.
func (fl *flight) alone() bool { return len(fl.req.Sources()) == len(fl.req.Origins()) }

// flows says that a client may see a large body before all of it is here.
func (w *word) flows() bool { return !w.beside || w.pins }

// wordPatience is how long an authority may think. It is longer than what its own questions may take.
const wordPatience = 3 * time.Minute

func (w *word) listen(ctx context.Context, n notary.Notary, req Request) {
	defer close(w.heard)
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, proofKey{}, req.proof), wordPatience)
	defer cancel()
	said, err := n.Attest(ctx, req.Match)
	if err != nil {
		w.err = err
		return
	}
	w.digest, w.by, w.path, w.header = said.Digest, cmp.Or(said.By, req.Path.Notary), said.Path, said.Header
}

// wait hears the word out. ErrSecurity and ErrRefused are answers; another error only means that nobody vouches, or, while the word
// is pending, that the fill is ended.
func (w *word) wait(ctx context.Context) error {
	select {
	case <-w.heard:
		return w.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spokenBy is who vouches; empty if nobody does, or not yet.
func (w *word) spokenBy() string {
	if w.pending() {
		return ""
	}
	return w.by
}

// pending says that the authority is still thinking.
func (w *word) pending() bool {
	select {
	case <-w.heard:
		return false
	default:
		return true
	}
}

// trouble is why the authority could not be asked; nil if it could, or if it only knows nothing.
func (w *word) trouble() error {
	if w.pending() || errors.Is(w.err, notary.ErrUnknown) || errors.Is(w.err, notary.ErrGone) {
		return nil
	}
	return w.err
}

// redirect is where to ask for the bytes.
func (w *word) redirect(m rules.Match) rules.Match {
	if w.pending() || w.path == "" {
		return m
	}
	if at, ok := m.Rule.Match(m.Host.Name, w.path); ok {
		return at
	}
	return m
}

// dress adds the authority's headers to an entry.
func (w *word) dress(e *cache.Entry) { e.Header = w.headers(e.Header) }

func (w *word) headers(h map[string]string) map[string]string {
	if w.pending() || len(w.header) == 0 {
		return h
	}
	out := maps.Clone(w.header)
	for key, value := range h {
		if _, ok := out[key]; !ok {
			out[key] = value
		}
	}
	return out
}
