package fetch

import (
	"context"
	"net/http"
	"slices"
	"time"

	"hither/forward/measure"
	"hither/rules"
)

// order is whom to ask. Without a digest that pins or proves, only the origin may send what a notary should vouch for.
// What changes is asked of the origin first, and so is what may be private: a stranger hears a name only after the origin
// gave it to somebody without credentials, or gave such a one a token that opens it, or when the origin cannot be reached.
func (w *fill) order(pending bool) []rules.Source {
	match := w.word.redirect(w.req.Match)
	if w.unvouched() {
		awake, resting := w.awake(match.Origins())
		return append(awake, resting...)
	}
	all := match.Sources()
	byBase := make(map[string]rules.Source, len(all))
	bases := make([]string, 0, len(all))
	for _, s := range all {
		byBase[s.Base] = s
		bases = append(bases, s.Base)
	}
	originsFirst := w.want == "" && !pending || !w.isPublic()
	var ordered, resting []rules.Source
	if originsFirst {
		ordered, resting = w.awake(match.Origins())
	}
	first := len(ordered)
	for _, base := range w.f.Board.Order(bases, w.object()) {
		if s := byBase[base]; !s.Origin || !originsFirst {
			ordered = append(ordered, s)
		}
	}
	return append(w.pinned(ordered, first), resting...)
}

// pinned moves the source that the user wants first as far to the front as it may stand: behind so many origins, if it is
// none. One that failed lately stays where it is.
func (w *fill) pinned(ordered []rules.Source, origins int) []rules.Source {
	i := slices.IndexFunc(ordered, func(s rules.Source) bool { return s.Base == w.req.Rule.Pin })
	if i < origins || w.f.Board.Resting(ordered[i].Base) {
		return ordered
	}
	src := ordered[i]
	return slices.Insert(slices.Delete(ordered, i, i+1), origins, src)
}

// object is what the board should know of the thing.
func (w *fill) object() measure.Object {
	return measure.Object{Name: w.req.Name, Size: w.expected(), Changes: w.req.Path.Keep != rules.Forever}
}

// awake keeps the origins in their own order, for the first that answers decides. Those that failed lately are to be asked
// last, so that not every request waits for them.
func (w *fill) awake(origins []rules.Source) (awake, resting []rules.Source) {
	for _, o := range origins {
		if w.f.Board.Resting(o.Base) {
			resting = append(resting, o)
		} else {
			awake = append(awake, o)
		}
	}
	return awake, resting
}

// unvouched says that a notary should have named these bytes and could not: no verifier, no mirror.
func (w *fill) unvouched() bool {
	return !w.word.pending() && w.req.Path.Notary != "" && (w.word.digest == "" || w.word.digest.Weak())
}

// mayAsk says whether a stranger may hear this name. If the origin has not yet given the subject to us, the authority must
// have spoken first: what it knows is public. What the origin has just refused to us is not, whether it can be reached now or not.
func (w *fill) mayAsk(ctx context.Context) bool {
	if !w.isPublic() {
		_ = w.word.wait(ctx)
		if w.refused || w.word.pending() || w.f.isClosed(w.req) {
			return false
		}
	}
	return !w.unvouched()
}

// isPublic says that the origin gave the subject to us within the last hour, or promises to by a token that it gives to everybody.
// Its promise is for this fill alone: it may refuse yet.
func (w *fill) isPublic() bool {
	if w.granted.Load() && !w.refused {
		return true
	}
	return w.f.isOpen(w.req)
}

func (w *fill) subject() string { return w.req.subject() }

const (
	// publicLife is how long the origin's openness about a subject is believed.
	publicLife = time.Hour
	// closedLife is how long what else is of a subject is passed on unasked, after the origin refused one thing of it to somebody without
	// credentials. An image has dozens, and each would cost its client the rounds for a token that is worth nothing.
	closedLife = time.Minute
)

// subject is what is public or private as a whole: a module, a package, an image.
func (r Request) subject() string { return r.Rule.Name + " " + r.Subject }

// prove asks the origin, without credentials, whether what the client asks for with credentials is public. If the origin
// cannot be reached, what is kept may still be served: it was given to us, who have none.
func (f *Fetcher) prove(ctx context.Context, req Request) (Request, error) {
	if f.isOpen(req) {
		return req, nil
	}
	if refused, ok := f.closed.get(req.subject(), f.now()); ok && refused != req.Name { // who asks for the same again may know more
		return req, ErrPass
	}
	f.miss(req)
	for _, src := range req.Origins() {
		resp, err := f.head(ctx, req.Match, src)
		if err != nil {
			continue
		}
		if resp.StatusCode != http.StatusOK {
			if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
				f.refuse(req, req.Name)
			}
			return req, ErrPass
		}
		f.public.put(req.subject(), struct{}{}, f.now(), publicLife, maxFacts)
		req.proof = &proof{src.URL, resp.Header, f.now()}
		return req, nil
	}
	req.KeptOnly = true
	return req, nil
}

// isOpen says that the origin gave the subject to us within the last hour.
func (f *Fetcher) isOpen(req Request) bool {
	_, open := f.public.get(req.subject(), f.now())
	return open
}

// refuse notes that the origin refused something of a subject to us. asked is what a client has asked for with credentials; empty:
// none has yet.
func (f *Fetcher) refuse(req Request, asked string) {
	if req.Subject != "" {
		f.closed.put(req.subject(), asked, f.now(), closedLife, maxFacts)
	}
}

// isClosed says that the origin has just refused something of the subject to us, so that a client without credentials should hear for
// itself where tokens are had. With them, it was asked about this very name since.
func (f *Fetcher) isClosed(req Request) bool {
	_, closed := f.closed.get(req.subject(), f.now())
	return closed && !req.Doubtful
}
