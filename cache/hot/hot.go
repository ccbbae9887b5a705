// Package hot keeps what a store is asked for again and again in memory, under a fixed bound: entries, and blobs small
// enough that finding them costs more than sending them.
//
//	store := hot.New(badger, 32<<20)
//	defer store.Close()
//
// The store below stays the truth. Whatever changes a name or a blob goes there first, and is then forgotten here before
// the call returns; an answer that was read meanwhile is not kept. What is here is believed for a few seconds only: then
// the store below is asked again, which tells it that the thing is still used, and us whether it was evicted there.
//
// What stays is chosen by S3-FIFO (Yang and others, SOSP 2023): a thing asked for once passes through a small queue, and
// only one asked for again moves to the large one. It is written here and not taken from a library, because a fill must be
// dropped under the same lock under which it would be kept, and because the bound is to hold at every moment.
package hot

import (
	"bytes"
	"context"
	"io"
	"maps"
	"sync/atomic"
	"time"

	"hither/cache"
	"hither/cache/digest"
)

const (
	// maxBlob is the largest blob that is kept, in bytes. Of a larger one the sending costs more than the finding.
	maxBlob = 64 << 10
	// belief is for how long the store below is not asked again.
	belief = 10 * time.Second
)

// New puts a hot set of so many bytes in front of store, which it closes with itself. If store can verify what it keeps,
// so can the result.
func New(store cache.Store, bytes int64) cache.Store {
	s := &hot{under: store, set: newSet(bytes), now: time.Now}
	if v, ok := store.(verifier); ok {
		return &verifying{hot: s, under: v}
	}
	return s
}

// hot is a cache.Store in front of another.
type hot struct {
	under  cache.Store
	set    *set
	now    func() time.Time
	closed atomic.Bool
}

// Keys of the set. Names and digests may look alike.
func nameKey(name cache.Name) string { return "n" + string(name) }
func blobKey(d digest.Digest) string { return "b" + string(d) }
func copied(e cache.Entry) cache.Entry {
	e.Header, e.Value = maps.Clone(e.Header), bytes.Clone(e.Value)
	return e
}

// usable is what every store checks first.
func (s *hot) usable(ctx context.Context) error {
	if s.closed.Load() {
		return cache.ErrClosed
	}
	return ctx.Err()
}

// Lookup returns what name is bound to.
func (s *hot) Lookup(ctx context.Context, name cache.Name) (cache.Entry, error) {
	if err := s.usable(ctx); err != nil {
		return cache.Entry{}, err
	}
	key, now := nameKey(name), s.now()
	found, ticket := s.set.get(key, now)
	if found != nil {
		return copied(found.entry), nil
	}
	e, err := s.under.Lookup(ctx, name)
	if err == nil {
		kept := copied(e)
		s.set.put(newEntryItem(key, kept).believed(now), ticket)
	}
	return e, err
}

// Open reads a committed blob.
func (s *hot) Open(ctx context.Context, d digest.Digest) (cache.Blob, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	key, now := blobKey(d), s.now()
	found, ticket := s.set.get(key, now)
	if found != nil {
		return newBlob(found.blob), nil
	}
	b, err := s.under.Open(ctx, d)
	if err != nil || b.Size() > maxBlob {
		return b, err
	}
	whole := make([]byte, b.Size())
	if n, _ := b.ReadAt(whole, 0); n < len(whole) {
		return b, nil // who reads it will meet the error
	}
	s.set.put(newBlobItem(key, whole).believed(now), ticket)
	return newBlob(whole), b.Close()
}

// Bind makes name mean entry.
func (s *hot) Bind(ctx context.Context, name cache.Name, entry cache.Entry) error {
	defer s.set.drop(nameKey(name))
	return s.under.Bind(ctx, name, entry)
}

// Swap binds name if it is still bound as old says.
func (s *hot) Swap(ctx context.Context, name cache.Name, old, new cache.Entry) error {
	defer s.set.drop(nameKey(name))
	return s.under.Swap(ctx, name, old, new)
}

// Forget unbinds name.
func (s *hot) Forget(ctx context.Context, name cache.Name) error {
	defer s.set.drop(nameKey(name))
	return s.under.Forget(ctx, name)
}

// Remove drops a blob. Who has it open may read on.
func (s *hot) Remove(ctx context.Context, d digest.Digest) error {
	defer s.set.drop(blobKey(d))
	return s.under.Remove(ctx, d)
}

// Clear drops all but pinned names.
func (s *hot) Clear(ctx context.Context) error {
	defer s.set.clear()
	return s.under.Clear(ctx)
}

// Create begins a blob. What it commits is not here before somebody asks for it.
func (s *hot) Create(ctx context.Context, want digest.Digest) (cache.Writer, error) {
	return s.under.Create(ctx, want)
}

// Names lists what is bound.
func (s *hot) Names(ctx context.Context, yield func(cache.Name, cache.Entry) bool) error {
	return s.under.Names(ctx, yield)
}

// Usage tells what is kept below.
func (s *hot) Usage(ctx context.Context) (cache.Usage, error) { return s.under.Usage(ctx) }

// Close closes the store below. Open blobs that are in memory stay readable.
func (s *hot) Close() error {
	s.closed.Store(true)
	s.set.clear()
	return s.under.Close()
}

// verifier is a store that can read all it has again.
type verifier interface {
	Verify(ctx context.Context, yield func(d digest.Digest, size int64, err error)) error
}

// verifying is a hot set in front of one.
type verifying struct {
	*hot
	under verifier
}

// Verify has the store below check what it keeps. What was wrong there is not served from here either.
func (s *verifying) Verify(ctx context.Context, yield func(d digest.Digest, size int64, err error)) error {
	return s.under.Verify(ctx, func(d digest.Digest, size int64, err error) {
		if err != nil {
			s.set.drop(blobKey(d))
		}
		yield(d, size, err)
	})
}

// blob reads bytes in memory, which nobody changes.
type blob struct {
	*io.SectionReader
	closed atomic.Bool
}

func newBlob(b []byte) *blob {
	return &blob{SectionReader: io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))}
}

func (b *blob) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, io.ErrClosedPipe
	}
	return b.SectionReader.Read(p)
}

func (b *blob) ReadAt(p []byte, off int64) (int, error) {
	if b.closed.Load() {
		return 0, io.ErrClosedPipe
	}
	return b.SectionReader.ReadAt(p, off)
}

// Close may be called more than once.
func (b *blob) Close() error {
	b.closed.Store(true)
	return nil
}
