package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"

	"hither/rules"
)

// smallHead is the size up to which a HEAD is taken as the beginning of a GET: the client will ask for the body next.
const smallHead = 1 << 20

// head asks one source about an object, without credentials and without its body.
func (f *Fetcher) head(ctx context.Context, m rules.Match, src rules.Source) (*http.Response, error) {
	watch := newWatch(ctx, headPatience)
	defer watch.stop()
	req, err := http.NewRequestWithContext(watch.ctx, http.MethodHead, src.URL, nil)
	if err != nil {
		return nil, err
	}
	if accept := m.Accept(); accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := f.carrier(m.Rule).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	return resp, nil
}

// headOnly answers a HEAD for something large that is not kept, from the origin. nil: fetch it.
func (f *Fetcher) headOnly(ctx context.Context, req Request) *Answer {
	for _, src := range req.Origins() {
		resp, err := f.head(ctx, req.Match, src)
		if err != nil {
			continue
		}
		if resp.StatusCode != http.StatusOK || resp.ContentLength <= smallHead {
			return nil
		}
		a := &Answer{
			Status: http.StatusOK, Header: repeat(keepHeader(resp.Header, true)), Size: resp.ContentLength,
			Body:   &bodiless{size: resp.ContentLength},
			Report: Report{State: Miss, Source: src.Base},
		}
		return a
	}
	return nil
}

// Head asks the origins about an object; it is what the tag notary asks with. It returns the last error if none answers.
func (f *Fetcher) Head(ctx context.Context, m rules.Match) (http.Header, int, error) {
	last := errors.New("the rule names no origin")
	for _, src := range m.Origins() {
		resp, err := f.head(ctx, m, src)
		if err == nil {
			return resp.Header, resp.StatusCode, nil
		}
		last = err
	}
	return nil, 0, last
}

// bodiless stands for a body that nobody will read.
type bodiless struct{ size, pos int64 }

func (b *bodiless) Read([]byte) (int, error) {
	return 0, errors.New("the answer to a HEAD has no body")
}

func (b *bodiless) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.pos
	case io.SeekEnd:
		offset += b.size
	}
	b.pos = offset
	return offset, nil
}

func (b *bodiless) Close() error { return nil }
