package fetch

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"hither/cache"
	"hither/cache/digest"
)

// overflow goes on in memory when the disk has no room left for the rest of a body that clients are reading already, or none
// for a small one from its first byte on. What went over is served, not kept.
type overflow struct {
	cache.Writer               // nil: all goes over
	want         digest.Digest // what Writer checks; zero: nothing
	all          *atomic.Int64 // bytes that all fills of a Fetcher have gone over
	most         int64         // so many may go over here

	mu   sync.Mutex
	disk int64  // bytes that Writer took
	over []byte // the rest
	full bool
}

// maxOverflow bounds the memory of one fill without a disk, and maxOverflows that of all together. More fails the fill;
// the client's next try is passed on.
const (
	maxOverflow  = 64 << 20
	maxOverflows = 96 << 20
)

func (o *overflow) Write(p []byte) (int, error) {
	o.mu.Lock()
	full := o.full
	o.mu.Unlock()
	n := 0
	if !full {
		var err error
		n, err = o.Writer.Write(p)
		o.mu.Lock()
		o.disk += int64(n)
		o.full = err != nil
		o.mu.Unlock()
		if err == nil {
			return n, nil
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	more := int64(len(p) - n)
	if int64(len(o.over))+more > o.most || o.all.Load()+more > maxOverflows {
		return n, cache.ErrFull
	}
	o.all.Add(more)
	o.over = append(o.over, p[n:]...)
	return len(p), nil
}

// Close gives back the memory too.
func (o *overflow) Close() error {
	o.mu.Lock()
	o.all.Add(-int64(len(o.over)))
	o.over = nil
	o.mu.Unlock()
	if o.Writer == nil {
		return nil
	}
	return o.Writer.Close()
}

func (o *overflow) ReadAt(p []byte, off int64) (int, error) {
	o.mu.Lock()
	disk, over := o.disk, o.over
	o.mu.Unlock()
	n := 0
	if off < disk {
		var err error
		n, err = o.Writer.ReadAt(p[:min(int64(len(p)), disk-off)], off)
		if err != nil && !errors.Is(err, io.EOF) || n == len(p) || off+int64(n) < disk {
			return n, err
		}
	}
	if at := off + int64(n) - disk; at < int64(len(over)) {
		n += copy(p[n:], over[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// commit checks the bytes and publishes them if they may be. It returns the name they are kept under; zero if they are
// not kept, because there is no room or publish is false.
func (s *spool) commit(want digest.Digest, publish bool) (digest.Digest, error) {
	w := s.w.(*overflow)
	checked := false
	if want != w.want || w.full || !publish { // an authority spoke late, or named no digest of the bytes as they are
		if err := check(w, want, s.length()); err != nil {
			return "", err
		}
		checked = true
	}
	if w.full || !publish {
		return "", nil
	}
	err := w.Commit()
	switch {
	case err == nil:
		return w.Digest(), nil
	case errors.Is(err, digest.ErrMismatch):
		return "", err
	case checked:
		return "", nil // the disk failed us, the bytes are right
	}
	return "", check(w, want, s.length())
}

// check compares what was spooled with want; nothing is wanted if nobody vouches.
func check(body io.ReaderAt, want digest.Digest, size int64) error {
	if want == "" {
		return nil
	}
	return want.Check(body, size)
}
