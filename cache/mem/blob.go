package mem

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"hither/cache"
	"hither/cache/digest"
)

type blob struct {
	digest digest.Digest
	body   *body
}

// Open reads a committed blob.
func (s *Store) Open(ctx context.Context, d digest.Digest) (cache.Blob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(ctx); err != nil {
		return nil, err
	}
	e, ok := s.blobs[d]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", d, cache.ErrNotFound)
	}
	s.blobOrder.MoveToFront(e)
	b := e.Value.(*blob).body
	return &reader{SectionReader: io.NewSectionReader(b, 0, b.len())}, nil
}

// Remove drops a blob. Who has it open may read on.
func (s *Store) Remove(ctx context.Context, d digest.Digest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(ctx); err != nil {
		return err
	}
	if e, ok := s.blobs[d]; ok {
		s.dropLocked(e)
	}
	return nil
}

// Clear drops all but pinned names.
func (s *Store) Clear(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(ctx); err != nil {
		return err
	}
	for name, e := range s.names {
		if !e.Value.(*binding).entry.Pinned {
			s.forgetLocked(name)
		}
	}
	for _, e := range s.blobs {
		s.dropLocked(e)
	}
	return nil
}

// Create begins a blob.
func (s *Store) Create(ctx context.Context, want digest.Digest) (cache.Writer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(ctx); err != nil {
		return nil, err
	}
	return &writer{store: s, namer: digest.NewNamer(want), body: new(body)}, nil
}

// take counts n more bytes for a fill that has size already, and drops blobs to make room for them.
func (s *Store) take(size, n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return cache.ErrClosed
	}
	if size+n > s.limit()/2 || s.filling+n > s.limit()/2 { // one blob, or all fills together, would drive out everything
		return cache.ErrFull
	}
	for s.bytes+s.filling+n > s.limit() {
		oldest := s.blobOrder.Back()
		if oldest == nil {
			return cache.ErrFull
		}
		s.dropLocked(oldest)
	}
	s.filling += n
	return nil
}

func (s *Store) dropLocked(e *list.Element) {
	b := e.Value.(*blob)
	s.blobOrder.Remove(e)
	delete(s.blobs, b.digest)
	s.bytes -= b.body.len()
}

// publishLocked makes a fill a blob, unless there is one already.
func (s *Store) publishLocked(d digest.Digest, b *body) {
	s.filling -= b.len()
	if e, ok := s.blobs[d]; ok {
		s.blobOrder.MoveToFront(e)
		return
	}
	if s.blobs == nil {
		s.blobs = make(map[digest.Digest]*list.Element)
	}
	s.blobs[d] = s.blobOrder.PushFront(&blob{digest: d, body: b})
	s.bytes += b.len()
}

// reader is an open blob.
type reader struct {
	*io.SectionReader
	closed atomic.Bool
}

func (r *reader) Read(p []byte) (int, error) {
	if r.closed.Load() {
		return 0, errReaderClosed
	}
	return r.SectionReader.Read(p)
}

func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if r.closed.Load() {
		return 0, errReaderClosed
	}
	return r.SectionReader.ReadAt(p, off)
}

func (r *reader) Close() error {
	r.closed.Store(true)
	return nil
}

var (
	errReaderClosed = errors.New("the blob was closed")
	errWriterClosed = errors.New("the writer was closed")
)

// writer fills one blob.
type writer struct {
	store  *Store
	namer  *digest.Namer
	body   *body
	err    error         // of a Write; after it a byte is missing, so nothing more is taken
	digest digest.Digest // once committed; store.mu guards it
	closed atomic.Bool
}

func (w *writer) Write(p []byte) (int, error) {
	if w.closed.Load() || w.Digest() != "" {
		return 0, errWriterClosed
	}
	if w.err == nil {
		w.err = w.store.take(w.body.len(), int64(len(p)))
	}
	if w.err != nil {
		return 0, w.err
	}
	_, _ = w.namer.Write(p) // hashes do not fail
	w.body.append(p)
	return len(p), nil
}

func (w *writer) ReadAt(p []byte, off int64) (int, error) {
	if w.closed.Load() {
		return 0, errWriterClosed
	}
	return w.body.ReadAt(p, off)
}

func (w *writer) Commit() error {
	if w.closed.Load() {
		return errWriterClosed
	}
	if w.Digest() != "" || w.err != nil {
		return w.err
	}
	d, err := w.namer.Name(w.body, w.body.len())
	if err != nil {
		return err
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if w.store.closed {
		return cache.ErrClosed
	}
	w.store.publishLocked(d, w.body)
	w.digest = d
	return nil
}

func (w *writer) Digest() digest.Digest {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return w.digest
}

func (w *writer) Close() error {
	if w.closed.Swap(true) || w.Digest() != "" {
		return nil
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.filling -= w.body.len()
	return nil
}
