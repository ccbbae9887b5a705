// Package spool is the body of one fill while it comes: readers go on with what is there, and nobody sees the end before it is
// known to be right.
package spool

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// Spool is the body of one fill: one goroutine appends, any number read, each at its own pace. A fill that has to begin
// again with another source (wrong digest, or a source that cannot resume) begins a new generation; readers go over to
// it unseen if what they were given is the same there, and are cut off if it is not.
type Spool struct {
	mu    sync.Mutex
	moved chan struct{} // closed and replaced whenever a reader may go on

	w       *Overflow // what is being written now
	end     int64     // bytes in w
	size    int64     // of the whole; -1 while not known
	holdAll bool      // give nothing before the end is verified
	done    bool      // verified and whole
	err     error     // why it will never be

	gen     int         // counts restarts
	base    *Overflow   // the generation that w is compared with; nil for the first
	limit   int64       // so many bytes of base were given to readers
	same    int64       // so many leading bytes of w are those of base
	differs bool        // and the next one is not
	cuts    []int64     // for each former generation: readers who were given more than this are cut off
	given   int64       // how far any reader has come
	former  []*Overflow // closed with the spool: a reader may be in the middle of one

	born   time.Time // when its first bytes came, or were about to
	beside int64     // bytes that its clients get elsewhere meanwhile

	readers int
	closed  bool // by the filler: the last reader closes the writers
}

// holdBack is what no reader gets before the digest is checked. It is more than the largest buffer between us and a
// client, so that a client never holds a whole body that is wrong.
const holdBack = 64 << 10

// ErrDiverged cuts off a client that was given bytes which turned out to be wrong.
var ErrDiverged = errors.New("the first source sent wrong bytes and some had been passed on; ask again")

// New is an empty spool; size is that of the whole, -1 while it is not known. With holdAll nothing is given before the end is
// known to be right. Its first bytes are about to come, at the time born.
func New(w *Overflow, size int64, holdAll bool, born time.Time) *Spool {
	return &Spool{w: w, size: size, holdAll: holdAll, born: born, moved: make(chan struct{})}
}

// Write appends for the filler. It compares with what readers of an earlier generation were given.
func (s *Spool) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.settledLocked() {
		if err := s.compareLocked(p[:n]); err != nil {
			return n, err
		}
	}
	s.end += int64(n)
	s.wakeLocked()
	return n, err
}

// settledLocked says that it is known for every reader whether it may go on in this generation.
func (s *Spool) settledLocked() bool { return s.base == nil || s.differs || s.same >= s.limit }

func (s *Spool) compareLocked(p []byte) error {
	p = p[:min(int64(len(p)), s.limit-s.same)]
	old := make([]byte, len(p))
	if n, err := s.base.ReadAt(old, s.same); n < len(old) {
		return fmt.Errorf("read back what was given to clients: %w", err)
	}
	for i := range p {
		if p[i] != old[i] {
			s.differs = true
			return nil
		}
		s.same++
	}
	return nil
}

// Restart begins a new generation with an empty writer.
func (s *Spool) Restart(w *Overflow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cut := int64(math.MaxInt64)
	if s.differs {
		cut = s.same
	}
	s.cuts = append(s.cuts, cut)
	if s.settledLocked() {
		s.base, s.limit = s.w, min(s.given, s.end)
	}
	s.former = append(s.former, s.w)
	s.w, s.end, s.same, s.differs = w, 0, 0, false
	s.gen++
}

// Know tells readers how long the body will be, and whether it may flow before its end.
func (s *Spool) Know(size int64, holdAll bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size, s.holdAll = size, holdAll
	s.wakeLocked()
}

// Finish admits the end (nil), or fails every reader. Only the first call counts.
func (s *Spool) Finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done || s.err != nil {
		return
	}
	if err != nil {
		s.err = err
	} else {
		s.done, s.size = true, s.end
	}
	s.wakeLocked()
}

// Complete says that the end was admitted.
func (s *Spool) Complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// Release is the filler's last call: whoever is last, it or a reader, closes the writers.
func (s *Spool) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.sweepLocked()
}

func (s *Spool) sweepLocked() {
	if !s.closed || s.readers > 0 || s.w == nil {
		return
	}
	for _, w := range append(s.former, s.w) {
		w.Close()
	}
	s.w, s.base, s.former = nil, nil, nil
}

func (s *Spool) wakeLocked() {
	close(s.moved)
	s.moved = make(chan struct{})
}

// Body is the current generation, for the filler. It stays readable until Release.
func (s *Spool) Body() io.ReaderAt { return s.w }

// Length is how much was written so far.
func (s *Spool) Length() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// Known is the size, -1 while nobody said it.
func (s *Spool) Known() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// Document is all that was written so far, for the filler. An error is the disk's.
func (s *Spool) Document() ([]byte, error) {
	document := make([]byte, s.Length())
	if n, err := s.w.ReadAt(document, 0); n < len(document) {
		return nil, fmt.Errorf("read back what came: %w", err)
	}
	return document, nil
}

// IsRead says that somebody reads it.
func (s *Spool) IsRead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readers > 0
}
