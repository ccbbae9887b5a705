package fetch

import (
	"context"
	"io"
	"net/http"

	"hither/cache"
	"hither/rules"
)

// Part says that an object is the first Size bytes of another one.
type Part struct {
	Of   rules.Match
	Size int64
}

// part answers from the beginning of something larger that is kept, when nobody gave the thing itself. nil: there is none.
func (f *Fetcher) part(ctx context.Context, req Request, failure *Failure) *Answer {
	if f.Parts == nil || failure.refused() {
		return nil
	}
	for _, p := range f.Parts(req.Match) {
		entry, err := f.Store.Lookup(ctx, cache.Name(p.Of.Name))
		if err != nil || entry.Size < p.Size {
			continue
		}
		blob, err := f.Store.Open(ctx, entry.Digest)
		if err != nil {
			continue
		}
		if _, ok := f.stands(ctx, Request{Match: p.Of}, &entry, blob); !ok {
			blob.Close()
			continue
		}
		return &Answer{
			Status: http.StatusOK, Header: repeat(entry.Header), Size: p.Size,
			Body: section{io.NewSectionReader(blob, 0, p.Size), blob},
			Report: Report{
				State: Stale, Source: entry.Source, Vouched: entry.Vouched, Tries: failure.Tries,
				Age: max(0, f.now().Sub(entry.Checked)), Err: failure.Error(),
			},
		}
	}
	return nil
}

// section is the beginning of a blob.
type section struct {
	*io.SectionReader
	io.Closer
}
