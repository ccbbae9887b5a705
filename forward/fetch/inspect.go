package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"hither/cache"
	"hither/forward/notary"
)

// maxInspected is more than any document has that an inspector looks at, in bytes.
const maxInspected = 1 << 20

// byInspection in Entry.Vouched: the document proved itself, by the checksum database's signed tree.
const byInspection = "gosum"

// errRefuted drops bytes that are surely not what was asked for, whoever sent them.
var errRefuted = errors.New("sent something else than was asked for")

// refuted looks at what came before it is kept. It returns an error if the next source is to be asked, and who vouches for it
// otherwise; empty: nobody.
func (w *fill) refuted(ctx context.Context) (by string, err error) {
	if w.f.Inspector == nil || w.req.Path.Notary != "" {
		return "", nil
	}
	if ok, _ := w.f.Inspector.Inspects(w.req.Match); !ok {
		return "", nil
	}
	size := w.spool.Length()
	if size > maxInspected {
		return "", fmt.Errorf("%w: it has %d bytes", errRefuted, size)
	}
	document, err := w.spool.Document()
	if err != nil {
		return "", err // the disk
	}
	finding, err := w.f.Inspector.Inspect(ctx, w.req.Match, document)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", errRefuted, err)
	case finding == notary.Proven:
		return byInspection, nil
	}
	return "", nil
}

// stands looks once more at what is kept and was not proven when it came: what it is proven by came later, perhaps. False: it is
// wrong, or may be, and nobody shall see it again. Stays is until when an unproven one need not be asked for; zero: for ever.
func (f *Fetcher) stands(ctx context.Context, req Request, entry *cache.Entry, blob cache.Blob) (stays time.Time, ok bool) {
	if f.Inspector == nil || req.Path.Notary != "" || entry.Vouched != "" {
		return time.Time{}, true
	}
	if _, provable := f.Inspector.Inspects(req.Match); !provable {
		return time.Time{}, true
	}
	document := make([]byte, min(blob.Size(), maxInspected+1))
	if _, err := blob.ReadAt(document, 0); err != nil && !errors.Is(err, io.EOF) {
		return entry.Checked.Add(unvouchedLife), true // damaged on the disk: whoever reads it sees to that
	}
	finding, err := f.Inspector.Inspect(ctx, req.Match, document)
	switch {
	case ctx.Err() != nil:
	case err != nil || finding == notary.Doubtful:
		_ = f.Store.Forget(ctx, cache.Name(req.Name)) // a store that is in trouble serves nothing either
		return time.Time{}, false
	case finding == notary.Proven:
		old := *entry
		entry.Vouched = byInspection
		_ = f.Store.Swap(ctx, cache.Name(req.Name), old, *entry) // another copy came meanwhile, or the disk: it is proven again
		return time.Time{}, true
	}
	return entry.Checked.Add(unvouchedLife), true
}
