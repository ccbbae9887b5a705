package badger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"hither/cache"
	"hither/cache/digest"
)

// Open reads a committed blob. The first time after an unclean end it reads it all, to check it.
func (s *Store) Open(ctx context.Context, d digest.Digest) (cache.Blob, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.running.Done()
	h, err := s.pinProved(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d, err)
	}
	s.touch(headerKey(d))
	return newBlob(s, d, h), nil
}

// Remove drops a blob. Who has it open may read on.
func (s *Store) Remove(ctx context.Context, d digest.Digest) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	return s.unlink([]string{headerKey(d)}, func(header) bool { return true })
}

// pinProved is pin for a blob that was checked since the last unclean end, and checks one that was not.
func (s *Store) pinProved(ctx context.Context, d digest.Digest) (header, error) {
	for {
		h, err := s.pin(d)
		if err != nil || h.proved >= s.epoch {
			return h, err
		}
		err = s.prove(ctx, d)
		now, gone := s.header(d)
		if err == nil && gone == nil && now.id == h.id {
			return h, nil
		}
		s.unpin(h.id)
		if err != nil {
			return header{}, err
		}
		// It was filled again meanwhile, and the new one was checked, not ours.
	}
}

// pin finds a blob and keeps its chunks until unpin.
func (s *Store) pin(d digest.Digest) (header, error) {
	for {
		h, err := s.header(d)
		if err != nil {
			return header{}, err
		}
		s.hold(h.id)
		// It may have been evicted before we held it. If its header is still there, who evicts it now will see us.
		again, err := s.header(d)
		if err == nil && again.id == h.id {
			return h, nil
		}
		s.unpin(h.id)
		if err != nil {
			return header{}, err
		}
	}
}

// header finds a blob. A header that was damaged on the disk counts as not there.
func (s *Store) header(d digest.Digest) (header, error) {
	if len(d) > 200 { // no digest is so long, and Badger has limits of its own for keys
		return header{}, cache.ErrNotFound
	}
	value, err := s.get(headerKey(d))
	if err != nil {
		return header{}, err
	}
	h, err := decodeHeader(value)
	if err != nil {
		return header{}, fmt.Errorf("%w: %w", cache.ErrNotFound, err)
	}
	return h, nil
}

// hold is who needs the chunks of a fill.
type hold struct {
	refs   int
	doomed bool // nobody will need them after these
	bytes  int64
}

func (s *Store) hold(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[id] == nil {
		s.held[id] = new(hold)
	}
	s.held[id].refs++
}

func (s *Store) unpin(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[id]
	if h.refs--; h.refs > 0 {
		return
	}
	delete(s.held, id)
	if h.doomed {
		s.discardLocked(id, h.bytes)
	}
}

// doom makes a fill garbage, as soon as nobody holds it. It must be in the journal.
func (s *Store) doom(id uint64, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.held[id]; h != nil {
		h.doomed, h.bytes = true, bytes
		return
	}
	s.discardLocked(id, bytes)
}

func (s *Store) discardLocked(id uint64, bytes int64) {
	s.garbage = append(s.garbage, id)
	s.dropped += bytes
	s.wake()
}

// unlink drops blobs of one stripe that are as the caller wants them: they are not found any more, and their chunks are
// garbage when the last reader has closed.
func (s *Store) unlink(keys []string, want func(header) bool) error {
	s.counts.RLock()
	defer s.counts.RUnlock()
	var gone []header
	err := s.editAll(keys, func(txn *badger.Txn, key string, old []byte) error {
		h, err := decodeHeader(old)
		if err != nil || !want(h) {
			return nil // also a damaged header: it is as good as none, and the next fill replaces it
		}
		gone = append(gone, h)
		if err := txn.Set(journalKey(h.id), nil); err != nil {
			return err
		}
		return txn.Delete([]byte(key))
	})
	if err != nil {
		return err
	}
	for _, h := range gone {
		s.countBlob(-1, -h.size)
		s.doom(h.id, h.size)
	}
	return nil
}

func (s *Store) countBlob(n, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs.add(tally{n, bytes})
}

// dropDamaged removes a blob that cannot be read, so that the next request fetches it again.
func (s *Store) dropDamaged(d digest.Digest, id uint64, why error) {
	s.opt.Log.Warn("a blob was dropped from the cache", "digest", d, "err", why)
	err := s.unlink([]string{headerKey(d)}, func(h header) bool { return h.id == id })
	if err != nil {
		s.opt.Log.Warn("a damaged blob could not be dropped", "digest", d, "err", err)
	}
}

// blob is an open blob.
type blob struct {
	*io.SectionReader
	source *source
}

func newBlob(s *Store, d digest.Digest, h header) blob {
	source := &source{chunks: chunks{store: s, id: h.id}, digest: d, size: h.size}
	return blob{io.NewSectionReader(source, 0, h.size), source}
}

// Close lets the blob be evicted.
func (b blob) Close() error {
	if !b.source.closed.Swap(true) {
		b.source.free()
		b.source.store.unpin(b.source.id)
	}
	return nil
}

// source reads the bytes of a blob that is pinned.
type source struct {
	chunks
	digest digest.Digest
	size   int64
	closed atomic.Bool
}

func (r *source) ReadAt(p []byte, off int64) (int, error) {
	if r.closed.Load() {
		return 0, fmt.Errorf("blob %s: read after Close", r.digest)
	}
	if err := r.store.enter(); err != nil {
		return 0, err
	}
	defer r.store.running.Done()
	for n := 0; ; {
		k, err := r.readAt(p[n:], off+int64(n), r.size)
		n += k
		switch {
		case n == len(p):
			return n, nil
		case errors.Is(err, errDamaged):
			r.store.dropDamaged(r.digest, r.id, err)
			return n, fmt.Errorf("blob %s: %w; it is dropped and will be fetched again", r.digest, err)
		case err != nil:
			return n, err
		}
	}
}
