package badger

import (
	"github.com/dgraph-io/badger/v4"

	"hither/cache/digest"
)

// Commit checks the digest and writes the header, with which the blob exists.
func (w *writer) Commit() error {
	if err := w.store.enter(); err != nil {
		return err
	}
	defer w.store.running.Done()
	if w.Digest() != "" {
		return nil
	}
	if err := w.usable(); err != nil {
		return err
	}
	d, err := w.namer.Name(w, w.size)
	if err != nil {
		return err
	}
	if err := w.settle(); err != nil {
		return w.fail(err)
	}
	if err := w.usable(); err != nil { // a chunk may have been lost
		return err
	}
	if err := w.store.take(w.counted, int64(len(w.tail))); err != nil {
		return w.fail(err)
	}
	w.counted += int64(len(w.tail))
	return w.publish(d)
}

// publish writes the last chunk and the header in one transaction, unless the blob is there already. Most blobs have
// only one chunk, so that this is all that is written.
func (w *writer) publish(d digest.Digest) error {
	s := w.store
	now := s.opt.Now()
	h := header{id: w.id, size: w.size, committed: now, used: now, proved: s.run}
	var old header
	var there, replaced bool
	if err := s.takeOff(len(w.tail)); err != nil {
		return w.fail(err)
	}
	defer s.flight.Release(int64(len(w.tail)))
	s.counts.RLock()
	defer s.counts.RUnlock()
	err := s.edit(headerKey(d), func(txn *badger.Txn, record []byte) error {
		var err error
		old, err = decodeHeader(record)
		there = err == nil && old.proved >= s.epoch
		replaced = err == nil && !there // one that was not checked since an unclean end is worth less than ours
		if there {
			return nil
		}
		return w.writeHeader(txn, headerKey(d), h, replaced, old.id)
	})
	if err != nil {
		return w.fail(err)
	}
	if there {
		s.touch(headerKey(d))
	} else {
		s.countCommit(h, replaced, old)
	}
	w.published(d, !there)
	return nil
}

// published ends what Write and Commit do. The last chunk is in memory until Close only if it was not needed on the disk.
func (w *writer) published(d digest.Digest, kept bool) {
	if kept && len(w.tail) > 0 {
		_ = w.store.view(chunkKey(w.id, w.next), func([]byte) {}) // lets go of the pages
	}
	w.state.Lock()
	defer w.state.Unlock()
	w.digest, w.kept = d, kept
	if kept && w.tail != nil {
		w.rememberLocked(w.next, w.tail)
		w.tail = nil
	}
}

func (w *writer) writeHeader(txn *badger.Txn, key string, h header, replaced bool, old uint64) error {
	if len(w.tail) > 0 {
		key := chunkKey(w.id, w.next)
		if err := txn.Set(key, seal(key, w.tail)); err != nil {
			return err
		}
	}
	if w.journal {
		if err := txn.Delete(journalKey(w.id)); err != nil {
			return err
		}
	}
	if replaced {
		if err := txn.Set(journalKey(old), nil); err != nil {
			return err
		}
	}
	return txn.Set([]byte(key), h.encode())
}

// countCommit turns the bytes of a fill into those of a blob.
func (s *Store) countCommit(h header, replaced bool, old header) {
	s.mu.Lock()
	s.filling -= h.size
	s.blobs.add(tally{1, h.size})
	s.mu.Unlock()
	if replaced {
		s.countBlob(-1, -old.size)
		s.doom(old.id, old.size)
	}
}

// Close frees what the writer holds. What is not a blob becomes garbage.
func (w *writer) Close() error {
	w.state.Lock()
	closed := w.closed
	w.closed = true
	w.state.Unlock()
	if closed {
		return nil
	}
	late := w.settle() // garbage is collected once, so all of it must have landed
	w.state.Lock()
	w.tail = nil
	w.forgetLocked()
	kept := w.kept
	w.state.Unlock()
	w.free()
	if !kept {
		w.store.count(-w.counted)
	}
	if !kept && w.journal && late == nil {
		w.store.doom(w.id, w.counted)
	}
	w.store.unpin(w.id)
	return nil // a fill whose chunks are late stays in the journal, for the next start
}
