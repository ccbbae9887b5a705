package spool

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
)

// Reader returns a new reader at the beginning, whose waits end with ctx too. It must be called before the filler's
// Release.
func (s *Spool) Reader(ctx context.Context) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers++
	told := s.size
	if s.holdAll && !s.done {
		told = -1 // a stranger's word: who is told that nothing will come has all of it
	}
	return &Reader{s: s, Told: told, left: ctx.Done(), gone: make(chan struct{})}
}

// Reader is one client's view, for one goroutine. Read waits for bytes; Close, from any goroutine, ends the waiting.
type Reader struct {
	Told int64 // the size that its client may be told; -1: none

	s    *Spool
	pos  int64
	high int64           // how far the client was ever given bytes
	gen  int             // in which generation the last of them
	left <-chan struct{} // closed when the client is gone
	once sync.Once
	gone chan struct{}
}

func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, wait, err := r.read(p)
		if wait == nil {
			return n, err
		}
		select {
		case <-wait:
		case <-r.left:
			return 0, context.Canceled
		case <-r.gone:
			return 0, io.ErrClosedPipe
		}
	}
}

// read reads what is there, or returns what to wait for.
func (r *Reader) read(p []byte) (n int, wait <-chan struct{}, err error) {
	s := r.s
	s.mu.Lock()
	limit, err := s.openLocked(r.Told, r.high, r.gen)
	w, gen, moved := s.w, s.gen, s.moved
	if err != nil || s.done && r.pos >= limit {
		s.mu.Unlock()
		return 0, nil, cmp.Or(err, io.EOF)
	}
	if r.pos >= limit {
		s.mu.Unlock()
		return 0, moved, nil
	}
	p = p[:min(int64(len(p)), limit-r.pos)]
	s.given = max(s.given, r.pos+int64(len(p)))
	s.mu.Unlock()

	n, err = w.ReadAt(p, r.pos)
	switch {
	case n == len(p):
		err = nil
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF // the end is where the spool says, not where the disk ends
	}
	r.pos += int64(n)
	if r.pos > r.high { // what was read again says nothing about the rest of what was given
		r.high, r.gen = r.pos, gen
	}
	return n, nil, err
}

// Seek waits for the size only if it is asked from the end.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		size, err := r.size()
		if err != nil {
			return 0, err
		}
		offset += size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning of the body")
	}
	r.pos = offset
	return offset, nil
}

func (r *Reader) size() (int64, error) {
	for {
		r.s.mu.Lock()
		size, err, moved := r.s.size, r.s.err, r.s.moved
		r.s.mu.Unlock()
		if size >= 0 || err != nil {
			return size, err
		}
		select {
		case <-moved:
		case <-r.left:
			return 0, context.Canceled
		case <-r.gone:
			return 0, io.ErrClosedPipe
		}
	}
}

// Close lets go of the spool. It may be called twice.
func (r *Reader) Close() error {
	r.once.Do(func() {
		close(r.gone)
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		r.s.readers--
		r.s.sweepLocked()
	})
	return nil
}

// openLocked says how far a reader may read that was told a size (-1: none) and given high bytes, the last of them in
// generation gen. Who was told a size must not get so many bytes while it may be another's lie.
func (s *Spool) openLocked(told, high int64, gen int) (limit int64, err error) {
	if told < 0 {
		return s.reachLocked(high, gen)
	}
	if s.size >= 0 && s.size != told {
		return 0, ErrDiverged
	}
	limit, err = s.reachLocked(high, gen)
	if !s.done {
		limit = min(limit, told-holdBack)
	}
	return limit, err
}

func (s *Spool) reachLocked(high int64, gen int) (limit int64, err error) {
	if high > 0 && gen < s.gen {
		for _, cut := range s.cuts[gen+1:] {
			if high > cut {
				return 0, ErrDiverged
			}
		}
		if high > s.same && (s.differs || s.done && s.same < s.limit) {
			return 0, ErrDiverged
		}
	}
	switch {
	case s.done:
		return s.end, nil
	case s.err != nil:
		return 0, s.err
	case s.holdAll:
		return 0, nil
	case !s.settledLocked():
		return s.same, nil
	case s.size >= 0:
		return min(s.end, s.size-holdBack), nil
	default:
		return s.end - holdBack, nil
	}
}
