package fetch

import (
	"context"
	"errors"
	"io"

	"hither/cache"
	"hither/cache/digest"
)

// healing reads a kept blob and, when the disk turns out to have damaged it, goes on from where it was with bytes fetched
// anew. The digest pins them, so that the two halves fit.
type healing struct {
	io.ReadSeekCloser
	f      *Fetcher
	req    Request
	digest digest.Digest
	size   int64
	pos    int64
	healed bool
}

func (f *Fetcher) healing(req Request, d digest.Digest, blob cache.Blob) io.ReadSeekCloser {
	return &healing{ReadSeekCloser: blob, f: f, req: req, digest: d, size: blob.Size()}
}

func (h *healing) Read(p []byte) (int, error) {
	n, err := h.ReadSeekCloser.Read(p)
	h.pos += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && !h.healed && h.digest.Pins() && h.heal() {
		return n, nil
	}
	return n, err
}

func (h *healing) Seek(offset int64, whence int) (int64, error) {
	pos, err := h.ReadSeekCloser.Seek(offset, whence)
	if err == nil {
		h.pos = pos
	}
	return pos, err
}

// heal swaps the damaged blob for a fill of the same digest.
func (h *healing) heal() bool {
	h.healed = true
	ctx := context.Background() //nolint:forbidigo // a reader has no context; the fill has its own deadlines
	if h.f.Store.Remove(ctx, h.digest) != nil {
		return false
	}
	req := h.req
	req.Offset, req.Upto = 0, 0 // this client has begun to read: waiting is better than breaking off
	answer, err := h.f.wait(ctx, req, kept{now: h.f.now()})
	if err != nil {
		return false
	}
	if answer.Report.Digest != h.digest || h.resume(answer.Body) != nil {
		answer.Body.Close()
		return false
	}
	h.ReadSeekCloser.Close()
	h.ReadSeekCloser = answer.Body
	return true
}

// resume brings the new body to where the old one failed. A part is whole for its client before the last byte of the body, which
// is given only when all are checked, so that byte is waited for.
func (h *healing) resume(body io.ReadSeeker) error {
	if h.req.Upto > 0 {
		if _, err := body.Seek(h.size-1, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.ReadFull(body, make([]byte, 1)); err != nil {
			return err
		}
	}
	_, err := body.Seek(h.pos, io.SeekStart)
	return err
}
