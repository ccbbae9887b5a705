package fetch

import (
	"context"
	"slices"

	"hither/forward/mark"
	"hither/rules"
)

// opening has the transport tell as soon as the origin has shown that the name is public, by what it lets somebody without
// credentials do. That is one or two round trips before its answer.
func (w *fill) opening(ctx context.Context, src rules.Source) context.Context {
	if !src.Origin || w.isPublic() {
		return ctx
	}
	return mark.Granted(ctx, func() {
		w.granted.Store(true)
		select {
		case w.opened <- struct{}{}:
		default: // it was told already
		}
	})
}

// join asks the first of the others beside the origin, when the name has become public while the origin was asked for
// something large whose bytes a digest pins, and is not known to be the faster. Whoever answers first begins, and the other
// helps.
func (w *fill) join(ctx context.Context) {
	i := w.hedgeAt(w.mayHelp)
	if len(w.asked) != 1 || !w.asked[0].Origin || i < 0 || len(w.tries) >= maxTries || w.stretch(w.queue[i]) == 0 {
		return
	}
	if known := w.f.Board.Rate(w.asked[0].Base); known > 0 && known >= w.f.Board.Rate(w.queue[i].Base) {
		return
	}
	release, ok := w.f.slots.try()
	if !ok {
		return // more would not be faster
	}
	src := w.queue[i]
	w.queue = slices.Delete(w.queue, i, i+1)
	w.told = w.told || !src.Origin
	w.ask(ctx, src, release)
}
