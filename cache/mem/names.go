package mem

import (
	"container/list"
	"context"
	"fmt"
	"time"

	"hither/cache"
)

const (
	// leastNames is what names may take however small the limit is, in bytes.
	leastNames = 4 << 20
	maxName    = 8 << 10 // bytes, cache.Name
	maxValue   = 4 << 10 // bytes, cache.Entry
)

type binding struct {
	name  cache.Name
	entry cache.Entry
	size  int64
}

// Lookup returns what name is bound to.
func (s *Store) Lookup(ctx context.Context, name cache.Name) (cache.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(ctx); err != nil {
		return cache.Entry{}, err
	}
	e, ok := s.names[name]
	if !ok {
		return cache.Entry{}, fmt.Errorf("name %q: %w", name, cache.ErrNotFound)
	}
	s.nameOrder.MoveToFront(e)
	return clone(e.Value.(*binding).entry), nil
}

// Bind makes name mean entry.
func (s *Store) Bind(ctx context.Context, name cache.Name, entry cache.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(ctx); err != nil {
		return err
	}
	return s.bindLocked(name, entry)
}

// Swap binds name if it is still bound as old says.
func (s *Store) Swap(ctx context.Context, name cache.Name, old, new cache.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(ctx); err != nil {
		return err
	}
	var bound cache.Entry
	if e, ok := s.names[name]; ok {
		bound = e.Value.(*binding).entry
	}
	if bound.Digest != old.Digest || string(bound.Value) != string(old.Value) {
		return fmt.Errorf("name %q: %w", name, cache.ErrConflict)
	}
	return s.bindLocked(name, new)
}

// Forget unbinds name.
func (s *Store) Forget(ctx context.Context, name cache.Name) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(ctx); err != nil {
		return err
	}
	s.forgetLocked(name)
	return nil
}

// Names calls yield for what was bound when it began, the last used first.
func (s *Store) Names(ctx context.Context, yield func(cache.Name, cache.Entry) bool) error {
	s.mu.Lock()
	err := s.usableLocked(ctx)
	var all []*binding
	for e := s.nameOrder.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*binding))
	}
	s.mu.Unlock()
	for _, b := range all {
		if err != nil || !yield(b.name, clone(b.entry)) {
			break
		}
		err = ctx.Err()
	}
	return err
}

func (s *Store) bindLocked(name cache.Name, entry cache.Entry) error {
	if len(name) > maxName || len(entry.Value) > maxValue {
		return fmt.Errorf("name %.80q…: a name of %d bytes with a value of %d is too long for the cache", name, len(name), len(entry.Value))
	}
	s.forgetLocked(name)
	b := &binding{name: name, entry: clone(entry)}
	b.size = int64(len(name)+len(entry.Value)+len(entry.Source)) + 256 // 256: the rest of an Entry, about
	for k, v := range entry.Header {
		b.size += int64(len(k) + len(v))
	}
	if s.names == nil {
		s.names = make(map[cache.Name]*list.Element)
	}
	s.names[name] = s.nameOrder.PushFront(b)
	s.nameBytes += b.size
	s.trimNamesLocked()
	return nil
}

func (s *Store) forgetLocked(name cache.Name) {
	if e, ok := s.names[name]; ok {
		s.nameBytes -= e.Value.(*binding).size
		s.nameOrder.Remove(e)
		delete(s.names, name)
	}
}

// trimNamesLocked forgets the names that were not used for longest, but never pinned ones.
func (s *Store) trimNamesLocked() {
	e := s.nameOrder.Back()
	for e != nil && s.nameBytes > max(leastNames, s.limit()/64) {
		b := e.Value.(*binding)
		e = e.Prev()
		if !b.entry.Pinned {
			s.forgetLocked(b.name)
		}
	}
}

// clone keeps callers from changing what others read.
func clone(e cache.Entry) cache.Entry {
	if e.Header != nil {
		header := make(map[string]string, len(e.Header))
		for k, v := range e.Header {
			header[k] = v
		}
		e.Header = header
	}
	if e.Value != nil {
		e.Value = append([]byte(nil), e.Value...)
	}
	e.Stored, e.Checked = unzoned(e.Stored), unzoned(e.Checked)
	return e
}

// unzoned drops the zone and the monotonic clock, as the store on disk does.
func unzoned(t time.Time) time.Time { return t.Round(0).UTC() }
