package badger

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

const (
	// deadShare is the share of a log file that must be garbage before Badger writes the rest elsewhere and deletes it.
	// More would let the directory grow to twice what is in it; less would write everything again and again.
	deadShare = 0.3
	// fewChunks is up to how many chunks a fill is deleted one by one. Many chunks are dropped by their prefix, which
	// stops all writes for some 10 ms and looks at every key in the tree once for each prefix.
	fewChunks = 16
	// maxPrefixes is how many fills are dropped by prefix at once.
	maxPrefixes = 64
)

// Compact collects garbage and gives the space back to the file system now, without waiting for the keeper. What is in
// the log file that is being written stays until that is full.
func (s *Store) Compact(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	return s.collect(ctx, true)
}

// collect drops the chunks of garbage, and gives their space back when it is worth it or the caller insists.
func (s *Store) collect(ctx context.Context, insist bool) error {
	select {
	case s.tidying <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.tidying }()
	if err := s.spare(reserve); err != nil {
		return err
	}
	s.mu.Lock()
	ids := s.garbage
	s.garbage = nil
	worth := s.dropped >= logSize(s.opt.Limit)/4
	s.mu.Unlock()
	many, err := s.dropFew(ctx, ids)
	for len(many) > 0 && err == nil {
		batch := many[:min(len(many), maxPrefixes)]
		many = many[len(batch):]
		err = s.dropMany(batch)
	}
	if err != nil {
		s.mu.Lock()
		s.garbage = append(s.garbage, ids...) // again later; to drop what is dropped does no harm
		s.mu.Unlock()
	}
	if err != nil || !worth && !insist {
		return err
	}
	return s.giveBack(ctx)
}

// dropFew deletes the chunks of fills that have few, and returns the fills that have many.
func (s *Store) dropFew(ctx context.Context, ids []uint64) (many []uint64, err error) {
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		keys, err := s.chunkKeys(id, fewChunks+1)
		if err != nil {
			return nil, err
		}
		if len(keys) > fewChunks {
			many = append(many, id)
			continue
		}
		if err := s.deleteAll(append(keys, journalKey(id))); err != nil {
			return nil, err
		}
	}
	return many, nil
}

func (s *Store) deleteAll(keys [][]byte) error {
	return s.update(func(txn *badger.Txn) error {
		for _, key := range keys {
			if err := txn.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
}

// chunkKeys returns up to limit keys of a fill's chunks.
func (s *Store) chunkKeys(id uint64, limit int) ([][]byte, error) {
	var keys [][]byte
	err := s.walk(fillPrefix(id), func(it *badger.Iterator) error {
		for it.Rewind(); it.Valid() && len(keys) < limit; it.Next() {
			keys = append(keys, it.Item().KeyCopy(nil))
		}
		return nil
	})
	return keys, err
}

// dropMany drops fills by their prefixes, and then strikes them from the journal.
func (s *Store) dropMany(ids []uint64) error {
	var prefixes, entries [][]byte
	for _, id := range ids {
		prefixes = append(prefixes, fillPrefix(id))
		entries = append(entries, journalKey(id))
	}
	if err := s.dropPrefix(prefixes...); err != nil {
		return err
	}
	for _, id := range ids { // Badger says nothing when it could not
		if left, err := s.chunkKeys(id, 1); err != nil || len(left) > 0 {
			return errors.Join(fmt.Errorf("chunks of fill %x were not dropped", id), err)
		}
	}
	return s.deleteAll(entries)
}

// dropPrefix keeps our writers waiting meanwhile: Badger would refuse them.
func (s *Store) dropPrefix(prefixes ...[]byte) error {
	s.merging.Lock()
	defer s.merging.Unlock()
	s.gate.Lock()
	defer s.gate.Unlock()
	if err := s.spareTables(); err != nil {
		return err
	}
	return s.db.DropPrefix(prefixes...)
}

// giveBack makes Badger delete log files. It does so only for files of which it knows that enough is dead; that it
// learns only in a compaction; and those come only when there are many keys, of which we have few. Dropping a prefix
// forces one (dgraph-io/badger issues 767, 2334; reference/blocks.md section 2).
func (s *Store) giveBack(ctx context.Context) error {
	s.mu.Lock()
	s.dropped = 0
	s.mu.Unlock()
	err := s.update(func(txn *badger.Txn) error { return txn.Set([]byte(sentinelKey), nil) })
	if err == nil {
		err = s.dropPrefix([]byte(sentinelKey))
	}
	for err == nil {
		if err = errors.Join(ctx.Err(), s.spare(reserve)); err == nil {
			err = s.dropLog()
		}
	}
	if errors.Is(err, badger.ErrNoRewrite) {
		return nil
	}
	return err
}

// dropLog lets Badger empty and delete one log file. Writers wait for it, some 10 ms for a file that is all dead, up to
// 0.4 s for one of 256 MiB of which much is alive: Badger reads the version of its newest key without a lock while they
// write it, and has brought deleted keys back before (dgraph-io/badger issue 2286).
func (s *Store) dropLog() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if err := s.files.spare(s.opt.Dir, s.opt.Now(), spareFiles); err != nil {
		return err
	}
	return s.db.RunValueLogGC(deadShare)
}

// loadJournal makes garbage of what earlier runs left unfinished or did not come to drop.
func (s *Store) loadJournal() error {
	return s.snapshot(func(txn *badger.Txn) error {
		fills(txn, journalPrefix, 0, func(id uint64) bool {
			s.garbage = append(s.garbage, id)
			s.dropped = logSize(s.opt.Limit) // nobody knows how much; let it be worth a look
			return true
		})
		return nil
	})
}
