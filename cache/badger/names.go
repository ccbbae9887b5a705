package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"hither/cache"
)

const (
	maxName    = 8 << 10 // bytes, cache.Name
	maxValue   = 4 << 10 // bytes, cache.Entry
	leastNames = 4 << 20 // bytes that names may take however small the limit is
)

// Lookup returns what name is bound to. A record that was damaged on the disk counts as not bound.
func (s *Store) Lookup(ctx context.Context, name cache.Name) (cache.Entry, error) {
	if err := s.begin(ctx); err != nil {
		return cache.Entry{}, err
	}
	defer s.running.Done()
	if len(name) > maxName { // Badger has limits of its own for keys
		return cache.Entry{}, fmt.Errorf("name %.80q…: %w", name, cache.ErrNotFound)
	}
	value, err := s.get(nameKey(name))
	if err != nil {
		return cache.Entry{}, fmt.Errorf("name %q: %w", name, err)
	}
	e, err := decodeEntry(value)
	if err != nil {
		return cache.Entry{}, fmt.Errorf("name %q: %w: %w", name, cache.ErrNotFound, err)
	}
	s.touch(nameKey(name))
	return e, nil
}

// Bind makes name mean entry.
func (s *Store) Bind(ctx context.Context, name cache.Name, entry cache.Entry) error {
	return s.bind(ctx, name, entry, func(cache.Entry) error { return nil })
}

// Swap binds name if it is still bound as old says.
func (s *Store) Swap(ctx context.Context, name cache.Name, old, new cache.Entry) error {
	return s.bind(ctx, name, new, func(bound cache.Entry) error {
		if bound.Digest != old.Digest || !bytes.Equal(bound.Value, old.Value) {
			return fmt.Errorf("name %q: %w", name, cache.ErrConflict)
		}
		return nil
	})
}

// bind writes entry if allow, asked about the bound one, has no objection.
func (s *Store) bind(ctx context.Context, name cache.Name, entry cache.Entry, allow func(bound cache.Entry) error) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	if len(name) > maxName || len(entry.Value) > maxValue {
		return fmt.Errorf("name %.80q…: a name of %d bytes with a value of %d is too long for the cache", name, len(name), len(entry.Value))
	}
	value, err := encodeEntry(entry, s.opt.Now())
	if err != nil {
		return err
	}
	key := nameKey(name)
	over, err := s.write(key, value, allow)
	if err != nil {
		return err
	}
	return s.trimNames(over)
}

// write writes and counts a name, and returns by how many bytes the names are now above what they may take.
func (s *Store) write(key string, value []byte, allow func(bound cache.Entry) error) (over int64, err error) {
	s.counts.RLock()
	defer s.counts.RUnlock()
	var change tally
	err = s.edit(key, func(txn *badger.Txn, old []byte) error {
		bound, _ := decodeEntry(old) // damaged is not bound
		change = tally{1, int64(len(key) + len(value))}
		if old != nil {
			change = tally{0, int64(len(value) - len(old))}
		}
		if err := allow(bound); err != nil {
			return err
		}
		return txn.Set([]byte(key), value)
	})
	if err != nil {
		return 0, err
	}
	return s.countNames(change), nil
}

// Forget unbinds name.
func (s *Store) Forget(ctx context.Context, name cache.Name) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	return s.forget([]string{nameKey(name)}, 0)
}

// Names calls yield for each name, some hundred at a time: what is bound meanwhile may be missing.
func (s *Store) Names(ctx context.Context, yield func(cache.Name, cache.Entry) bool) error {
	for from := namePrefix; ; {
		if err := s.begin(ctx); err != nil {
			return err
		}
		keys, values, err := s.page(namePrefix, from)
		s.running.Done()
		if err != nil || len(keys) == 0 {
			return err
		}
		for i, key := range keys {
			e, err := decodeEntry(values[i])
			if err == nil && !yield(cache.Name(key[len(namePrefix):]), e) {
				return nil
			}
		}
		from = keys[len(keys)-1] + "\x00"
	}
}

// countNames returns by how many bytes the names are now above what they may take.
func (s *Store) countNames(change tally) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names.add(change)
	return s.names.Bytes - s.nameLimit()
}

func (s *Store) nameLimit() int64 { return max(leastNames, s.opt.Limit/64) }

// trimNames forgets the names used longest ago, until some room is left. Pinned ones stay, even if they are all there is.
func (s *Store) trimNames(over int64) error {
	if over <= 0 {
		return nil
	}
	s.evict.Lock()
	defer s.evict.Unlock()
	if over = s.countNames(tally{}); over <= 0 { // somebody else was faster
		return nil
	}
	s.writeUsed()
	counted, _ := s.tallies()
	victims, there, err := s.oldest(namePrefix, over+s.nameLimit()/10, func(key string, value []byte) (int64, bool) {
		flags, _, err := readStamp(value)
		return int64(len(key) + len(value)), err != nil || flags&flagPinned == 0
	})
	for _, group := range s.byStripe(victims) {
		err = errors.Join(err, s.forget(group, flagPinned))
	}
	if err == nil && there < counted.Bytes {
		err = s.recount()
	}
	return err
}

// forget unbinds names of one stripe, but none that has one of the flags in spare.
func (s *Store) forget(keys []string, spare byte) error {
	s.counts.RLock()
	defer s.counts.RUnlock()
	var change tally
	err := s.editAll(keys, func(txn *badger.Txn, key string, old []byte) error {
		flags, _, _ := readStamp(old)
		if old == nil || flags&spare != 0 {
			return nil
		}
		change.add(tally{-1, -int64(len(key) + len(old))})
		return txn.Delete([]byte(key))
	})
	if err == nil {
		s.countNames(change)
	}
	return err
}
