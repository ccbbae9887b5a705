package badger

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"hither/cache"
	"hither/cache/digest"
)

// Verify reads every blob and checks it against its digest, in no particular order. It calls yield for each, with its
// size in bytes, and with nil or what is wrong: a wrong blob is dropped, so that it will be fetched again. Blobs that come
// or go meanwhile may be left out. It ends early with ctx's error.
func (s *Store) Verify(ctx context.Context, yield func(d digest.Digest, size int64, err error)) error {
	for from := headerPrefix; ; {
		if err := s.begin(ctx); err != nil {
			return err
		}
		keys, _, err := s.page(headerPrefix, from)
		s.running.Done()
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, key := range keys {
			d := digest.Digest(key[len(headerPrefix):])
			size, err := s.verify(ctx, d)
			if ctx.Err() != nil || errors.Is(err, cache.ErrClosed) {
				return errors.Join(ctx.Err(), err)
			}
			if !errors.Is(err, cache.ErrNotFound) {
				yield(d, size, err)
			}
		}
		from = keys[len(keys)-1] + "\x00"
	}
}

// verify checks one blob and tells its size; cache.ErrNotFound if it is gone.
func (s *Store) verify(ctx context.Context, d digest.Digest) (int64, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.running.Done()
	h, err := s.pin(d)
	if err != nil {
		return 0, err
	}
	defer s.unpin(h.id)
	return h.size, s.check(d, h)
}

// prove checks a blob once, however many want to open it. A wrong one is not found. The check goes on when ctx ends, for
// the next who asks.
func (s *Store) prove(ctx context.Context, d digest.Digest) error {
	result := s.checks.DoChan(string(d), func() (any, error) { return s.verify(context.WithoutCancel(ctx), d) })
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r := <-result:
		if errors.Is(r.Err, digest.ErrMismatch) || errors.Is(r.Err, errDamaged) {
			return fmt.Errorf("%w: it was damaged: %w", cache.ErrNotFound, r.Err)
		}
		return r.Err
	}
}

// check reads a blob that is pinned. If it is right, it is believed until the next unclean end; if it is wrong, it goes.
func (s *Store) check(d digest.Digest, h header) error {
	b := newBlob(s, d, h)
	defer b.source.free()
	err := d.Check(b, h.size)
	if errors.Is(err, digest.ErrMismatch) {
		s.dropDamaged(d, h.id, err)
	}
	if err != nil || h.proved >= s.epoch {
		return err
	}
	err = s.edit(headerKey(d), func(txn *badger.Txn, old []byte) error {
		now, err := decodeHeader(old)
		if err != nil || now.id != h.id {
			return nil // evicted meanwhile
		}
		now.proved = s.run
		return txn.Set([]byte(headerKey(d)), now.encode())
	})
	if errors.Is(err, cache.ErrFull) {
		return nil // it is right all the same, and will be checked again
	}
	return err
}
