package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"hither/cache"
)

// spool is the body of one fill: one goroutine appends, any number read, each at its own pace. A fill that has to begin
// again with another source (wrong digest, or a source that cannot resume) begins a new generation; readers go over to
// it unseen if what they were given is the same there, and are cut off if it is not.
type spool struct {
	mu    sync.Mutex
	moved chan struct{} // closed and replaced whenever a reader may go on

	w       cache.Writer // what is being written now
	end     int64        // bytes in w
	size    int64        // of the whole; -1 while not known
	holdAll bool         // give nothing before the end is verified
	done    bool         // verified and whole
	err     error        // why it will never be

	gen     int            // counts restarts
	base    cache.Writer   // the generation that w is compared with; nil for the first
	limit   int64          // so many bytes of base were given to readers
	same    int64          // so many leading bytes of w are those of base
	differs bool           // and the next one is not
	cuts    []int64        // for each former generation: readers who were given more than this are cut off
	given   int64          // how far any reader has come
	former  []cache.Writer // closed with the spool: a reader may be in the middle of one

	born   time.Time // when its first bytes came, or were about to
	beside int64     // bytes that its clients get elsewhere meanwhile

	readers int
	closed  bool // by the filler: the last reader closes the writers
}

// holdBack is what no reader gets before the digest is checked. It is more than the largest buffer between us and a
// client, so that a client never holds a whole body that is wrong.
const holdBack = 64 << 10

// errDiverged cuts off a client that was given bytes which turned out to be wrong.
var errDiverged = errors.New("the first source sent wrong bytes and some had been passed on; ask again")

func newSpool(w cache.Writer, size int64, holdAll bool) *spool {
	return &spool{w: w, size: size, holdAll: holdAll, moved: make(chan struct{})}
}

// Write appends for the filler. It compares with what readers of an earlier generation were given.
func (s *spool) Write(p []byte) (int, error) {
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
func (s *spool) settledLocked() bool { return s.base == nil || s.differs || s.same >= s.limit }

func (s *spool) compareLocked(p []byte) error {
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

// restart begins a new generation with an empty writer.
func (s *spool) restart(w cache.Writer) {
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

// know tells readers how long the body will be, and whether it may flow before its end.
func (s *spool) know(size int64, holdAll bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size, s.holdAll = size, holdAll
	s.wakeLocked()
}

// finish admits the end (nil), or fails every reader. Only the first call counts.
func (s *spool) finish(err error) {
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

// complete says that the end was admitted.
func (s *spool) complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// release is the filler's last call: whoever is last closes the writers.
func (s *spool) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.sweepLocked()
}

func (s *spool) sweepLocked() {
	if !s.closed || s.readers > 0 || s.w == nil {
		return
	}
	for _, w := range append(s.former, s.w) {
		w.Close()
	}
	s.w, s.base, s.former = nil, nil, nil
}

func (s *spool) wakeLocked() {
	close(s.moved)
	s.moved = make(chan struct{})
}

// writer is the current generation. It stays readable until the filler's release.
func (s *spool) writer() cache.Writer { return s.w }

// length is how much was written so far.
func (s *spool) length() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// openLocked says how far a reader may read that was told a size (-1: none) and given high bytes, the last of them in
// generation gen. Who was told a size must not get so many bytes while it may be another's lie.
func (s *spool) openLocked(told, high int64, gen int) (limit int64, err error) {
	if told < 0 {
		return s.reachLocked(high, gen)
	}
	if s.size >= 0 && s.size != told {
		return 0, errDiverged
	}
	limit, err = s.reachLocked(high, gen)
	if !s.done {
		limit = min(limit, told-holdBack)
	}
	return limit, err
}

func (s *spool) reachLocked(high int64, gen int) (limit int64, err error) {
	if high > 0 && gen < s.gen {
		for _, cut := range s.cuts[gen+1:] {
			if high > cut {
				return 0, errDiverged
			}
		}
		if high > s.same && (s.differs || s.done && s.same < s.limit) {
			return 0, errDiverged
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

// reader returns a new reader at the beginning, whose waits end with ctx too. It must be called before the filler's
// release.
func (s *spool) reader(ctx context.Context) *spoolReader {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers++
	told := s.size
	if s.holdAll && !s.done {
		told = -1 // a stranger's word: who is told that nothing will come has all of it
	}
	return &spoolReader{s: s, told: told, left: ctx.Done(), gone: make(chan struct{})}
}

// spoolReader is one client's view. Read waits for bytes; Close, from any goroutine, ends the waiting.
type spoolReader struct {
	s    *spool
	told int64 // the size that its client was told; -1: none
	pos  int64
	high int64           // how far the client was ever given bytes
	gen  int             // in which generation the last of them
	left <-chan struct{} // closed when the client is gone
	once sync.Once
	gone chan struct{}
}

func (r *spoolReader) Read(p []byte) (int, error) {
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
func (r *spoolReader) read(p []byte) (n int, wait <-chan struct{}, err error) {
	s := r.s
	s.mu.Lock()
	limit, err := s.openLocked(r.told, r.high, r.gen)
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
func (r *spoolReader) Seek(offset int64, whence int) (int64, error) {
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

func (r *spoolReader) size() (int64, error) {
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
func (r *spoolReader) Close() error {
	r.once.Do(func() {
		close(r.gone)
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		r.s.readers--
		r.s.sweepLocked()
	})
	return nil
}

// known is the size, -1 while nobody said it.
func (s *spool) known() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}
