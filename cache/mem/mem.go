// Package mem is a cache in memory: for tests, and for --cache=off or a full disk, where equal requests are still merged
// and what was just fetched is still at hand.
//
//	store := &mem.Store{Limit: 64 << 20}
//	defer store.Close()
package mem

import (
	"container/list"
	"context"
	"sync"

	"hither/cache"
	"hither/cache/digest"
)

// defaultLimit is small beside what a developer's machine has, and large beside what a build asks for twice.
const defaultLimit = 128 << 20

// Store keeps names and blobs in memory. The zero value is ready. What was used last stays longest: blobs are dropped in
// that order when they and the fills under way pass Limit, unpinned names when they pass 1/64 of it (at least 4 MiB).
// A blob above half the limit is ErrFull, as it would drive out everything else.
type Store struct {
	// Limit caps the bytes of blobs; 0: 128 MiB. Set it before first use.
	Limit int64

	mu        sync.Mutex
	closed    bool
	names     map[cache.Name]*list.Element
	nameOrder list.List // of *binding, the last used in front
	nameBytes int64
	blobs     map[digest.Digest]*list.Element
	blobOrder list.List // of *blob, the last used in front
	bytes     int64     // of blobs
	filling   int64     // of writers that are not committed
}

var _ cache.Store = (*Store)(nil)

func (s *Store) limit() int64 {
	if s.Limit > 0 {
		return s.Limit
	}
	return defaultLimit
}

// Usage tells what is kept.
func (s *Store) Usage(ctx context.Context) (cache.Usage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return cache.Usage{}, cache.ErrClosed
	}
	return cache.Usage{Names: int64(len(s.names)), Blobs: int64(len(s.blobs)), Bytes: s.bytes, Limit: s.limit()}, ctx.Err()
}

// Close forgets everything. Open blobs stay readable.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return cache.ErrClosed
	}
	s.closed = true
	s.names, s.blobs = nil, nil
	s.nameOrder.Init()
	s.blobOrder.Init()
	return nil
}

func (s *Store) usableLocked(ctx context.Context) error {
	if s.closed {
		return cache.ErrClosed
	}
	return ctx.Err()
}
