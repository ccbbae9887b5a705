package fetch

import (
	"context"
	"net/http"
	"time"

	"hither/cache"
)

// Copies of different ages may not fit together: what one tells of, another is too old to know. Whoever can read them is told of
// what changed, and says of what is kept whether it will still do.

// Copy is a document that is kept and may change.
type Copy struct {
	Checked time.Time // when the origin last confirmed it
	Fresh   bool      // the origin need not be asked by its age; else it is asked beside the answer
	Body    cache.Blob
}

// lacks says that a copy must not be served before the origin was asked. Where that failed a moment ago, it has to do.
func (f *Fetcher) lacks(ctx context.Context, req Request, c Copy) bool {
	return f.Lacks != nil && req.Path.Stale > 0 && !req.KeptOnly && !f.rests(req) && f.Lacks(ctx, req, c)
}

// maxNews is more than nearly all documents have that Came is told of, in bytes.
const maxNews = 32 << 20

// herald tells of a document that is newer than others that are kept, perhaps: they were for as long as it may be served itself.
func (w *fill) herald() {
	p, size := w.req.Path, w.spool.Length()
	if w.f.Came == nil || p.Stale == 0 || size > maxNews {
		return
	}
	changed, err := http.ParseTime(w.last.header["Last-Modified"])
	if w.kept.Digest == "" && (err != nil || w.f.now().Sub(changed) > time.Duration(p.Keep)+p.Stale) {
		return
	}
	document, err := w.spool.Document()
	if err != nil {
		return // the disk
	}
	w.f.Came(w.req.Match, document)
}
