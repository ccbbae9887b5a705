package badger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"hither/cache"
	"hither/cache/digest"
)

var errWriterClosed = errors.New("the writer takes nothing more")

// Create begins a blob. Nothing is written before its first chunk is full.
func (s *Store) Create(ctx context.Context, want digest.Digest) (cache.Writer, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.running.Done()
	if err := s.spare(s.opt.Floor); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.next++
	id := uint64(s.run)<<32 | uint64(s.next)
	s.mu.Unlock()
	s.hold(id)
	return &writer{chunks: chunks{store: s, id: id}, namer: digest.NewNamer(want), flying: make(map[uint32][]byte)}, nil
}

// writer fills one blob. Its last chunk is in memory; full ones fly to Badger while the next is filled.
type writer struct {
	chunks
	namer   *digest.Namer
	journal bool  // the fill is in the journal
	counted int64 // bytes that were taken from the limit

	state  sync.RWMutex      // guards what follows
	size   int64             // bytes taken
	tail   []byte            // the bytes of chunk next
	next   uint32            //
	flying map[uint32][]byte // chunks on their way, and lost ones
	recent map[uint32][]byte // chunks that have landed, as many as may stay in memory; nil: none
	aloft  int               // how many are on their way
	landed chan struct{}     // nil, or closed when none is
	err    error             // why nothing more is taken
	digest digest.Digest     // once committed
	kept   bool              // the chunks are a blob's
	closed bool
}

func (w *writer) Write(p []byte) (int, error) {
	if err := w.store.enter(); err != nil {
		return 0, err
	}
	defer w.store.running.Done()
	for n := 0; ; {
		if err := w.usable(); err != nil || n == len(p) {
			return n, err
		}
		if len(w.tail) == chunkSize(w.next) {
			if err := w.send(); err != nil {
				return n, w.fail(err)
			}
		}
		n += w.fill(p[n:])
	}
}

func (w *writer) usable() error {
	w.state.RLock()
	defer w.state.RUnlock()
	if w.err == nil && (w.closed || w.digest != "") {
		return errWriterClosed
	}
	return w.err
}

// fail remembers the first error: after it a byte is missing.
func (w *writer) fail(err error) error {
	w.state.Lock()
	defer w.state.Unlock()
	if w.err == nil {
		w.err = err
	}
	return w.err
}

// fill puts what fits of p into the last chunk.
func (w *writer) fill(p []byte) int {
	w.state.Lock()
	defer w.state.Unlock()
	n := min(len(p), chunkSize(w.next)-len(w.tail))
	w.growLocked(len(w.tail) + n)
	w.tail = append(w.tail, p[:n]...)
	w.size += int64(n)
	_, _ = w.namer.Write(p[:n]) // hashes do not fail
	return n
}

// growLocked makes room for n bytes and the seal. Most blobs are small, and a hundred may be filled at once.
func (w *writer) growLocked(n int) {
	if cap(w.tail) >= n+sealSize {
		return
	}
	size := chunkSize(w.next)
	if 4*n < size {
		size = 2 * n
	}
	w.tail = append(w.store.buffers.get(size), w.tail...)
}

// send lets the last chunk, which is full, fly.
func (w *writer) send() error {
	if err := w.store.take(w.counted, int64(len(w.tail))); err != nil {
		return err
	}
	w.counted += int64(len(w.tail))
	if err := w.enterJournal(); err != nil {
		return err
	}
	if err := w.store.takeOff(len(w.tail)); err != nil {
		return err
	}
	w.state.Lock()
	n, b := w.next, w.tail
	w.flying[n] = b
	w.aloft++
	w.next, w.tail = n+1, nil
	w.state.Unlock()
	w.store.running.Add(1)
	go func() {
		defer w.store.running.Done()
		w.land(n, b, w.store.put(w.id, n, b))
	}()
	return nil
}

// enterJournal notes the fill before its first chunk is written, so that a killed process leaves nothing behind.
func (w *writer) enterJournal() error {
	if w.journal {
		return nil
	}
	err := w.store.update(func(txn *badger.Txn) error { return txn.Set(journalKey(w.id), nil) })
	w.journal = err == nil
	return err
}

// takeOff waits until n more bytes may fly.
func (s *Store) takeOff(n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), stall) //nolint:forbidigo // an io.Writer has no context; stall ends it
	defer cancel()
	if err := s.flight.Acquire(ctx, int64(n)); err != nil {
		return fmt.Errorf("the disk took nothing for %v", stall)
	}
	return nil
}

// put writes one chunk. Each is a transaction of its own: a batch would keep them all in memory until its end.
func (s *Store) put(id uint64, n uint32, b []byte) error {
	defer s.flight.Release(int64(len(b)))
	key := chunkKey(id, n)
	sealed := seal(key, b)
	err := s.update(func(txn *badger.Txn) error { return txn.Set(key, sealed) })
	if err == nil {
		err = s.view(key, func([]byte) {}) // lets go of the pages
	}
	return err
}

// land ends the flight of a chunk. One that was lost stays in memory for those who read.
func (w *writer) land(n uint32, b []byte, err error) {
	w.state.Lock()
	defer w.state.Unlock()
	if err == nil {
		delete(w.flying, n)
		w.rememberLocked(n, b)
	} else if w.err == nil {
		w.err = err
	}
	if w.aloft--; w.aloft == 0 && w.landed != nil {
		close(w.landed)
		w.landed = nil
	}
}

// rememberLocked keeps a chunk that has landed for those who read, if there is room, or gives its buffer back. A large fill
// keeps none: it would only take the room of small ones.
func (w *writer) rememberLocked(n uint32, b []byte) {
	if w.size > maxRecent {
		w.forgetLocked()
		w.store.buffers.put(b)
		return
	}
	size := int64(cap(b))
	room := w.store.recent.Add(size) <= maxRecent
	if w.closed || !room {
		w.store.recent.Add(-size)
		w.store.buffers.put(b)
		return
	}
	if w.recent == nil {
		w.recent = make(map[uint32][]byte)
	}
	w.recent[n] = b
}

// forgetLocked gives back what rememberLocked keeps.
func (w *writer) forgetLocked() {
	for _, b := range w.recent {
		w.store.recent.Add(-int64(cap(b)))
		w.store.buffers.put(b)
	}
	w.recent = nil
}

// settle waits until no chunk is flying.
func (w *writer) settle() error {
	w.state.Lock()
	landed := w.landed
	if landed == nil && w.aloft > 0 {
		landed = make(chan struct{})
		w.landed = landed
	}
	w.state.Unlock()
	if landed == nil {
		return nil
	}
	late := time.NewTimer(stall)
	defer late.Stop()
	select {
	case <-landed:
		return nil
	case <-late.C:
		return fmt.Errorf("the disk took nothing for %v", stall)
	}
}

// ReadAt reads what Write has taken: from memory what is there, from Badger the rest.
func (w *writer) ReadAt(p []byte, off int64) (int, error) {
	if err := w.store.enter(); err != nil {
		return 0, err
	}
	defer w.store.running.Done()
	if off < 0 {
		return 0, errors.New("an offset below zero")
	}
	for n := 0; ; {
		k, err := w.readSome(p[n:], off+int64(n))
		if n += k; n == len(p) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// readSome reads from one chunk.
func (w *writer) readSome(p []byte, off int64) (int, error) {
	w.state.RLock()
	size, closed := w.size, w.closed
	n, start := locate(off)
	b := w.flying[n]
	if n == w.next {
		b = w.tail
	}
	if b == nil {
		b = w.recent[n]
	}
	k := 0
	if off < size && b != nil {
		k = copy(p, b[off-start:])
	}
	w.state.RUnlock()
	switch {
	case closed:
		return 0, errWriterClosed
	case off >= size:
		return 0, io.EOF
	case b != nil:
		return k, nil
	}
	return w.chunks.readAt(p, off, size)
}

func (w *writer) Digest() digest.Digest {
	w.state.RLock()
	defer w.state.RUnlock()
	return w.digest
}
