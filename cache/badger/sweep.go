package badger

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// maxSwept is how many fills are looked at at once: 2 MiB of their numbers.
const maxSwept = 256 << 10

// sweep makes garbage of fills of which nothing but chunks is left, because a damaged table has lost their headers: nobody finds
// them, and they would keep their room on the disk for ever. It looks at all keys, so it does so only after an unclean end, or when
// less was there than was counted.
func (s *Store) sweep(ctx context.Context) error {
	s.mu.Lock()
	unswept := s.unswept
	s.unswept = false
	s.mu.Unlock()
	if !unswept {
		return nil
	}
	err := s.checkBlocks()
	for from, more := uint64(0), true; more && err == nil; {
		var lost []uint64
		if lost, from, more, err = s.strays(from); err == nil {
			err = errors.Join(ctx.Err(), s.doomStrays(lost))
		}
	}
	if err != nil {
		s.mu.Lock()
		s.unswept = true // the next start tries again
		s.mu.Unlock()
	}
	return err
}

// checkBlocks reads all tables. Behind a damaged block, an iterator passes over what Get may still find; to sweep that away would
// break blobs that are whole. Badger panics where it should say what it found, and a bad sector is a fault at an address.
func (s *Store) checkBlocks() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = errors.New("one of its tables is damaged; what it has lost will be fetched again")
		}
	}()
	return s.db.VerifyChecksum()
}

// strays returns those of the next maxSwept fills, from one on, that are in no header and not in the journal, and where to go on.
// At every moment each is in one of the two: what takes it out of one puts it into the other, or drops its chunks, at once.
func (s *Store) strays(from uint64) (lost []uint64, next uint64, more bool, err error) {
	err = s.snapshot(func(txn *badger.Txn) error {
		var all []uint64
		fills(txn, chunkPrefix, from, func(id uint64) bool {
			if len(all) == 0 || all[len(all)-1] != id {
				if len(all) == maxSwept {
					next, more = id, true
					return false
				}
				all = append(all, id)
			}
			return true
		})
		known := make([]bool, len(all))
		know := func(id uint64) bool {
			if i, ok := slices.BinarySearch(all, id); ok {
				known[i] = true
			}
			return true
		}
		fills(txn, journalPrefix, from, know)
		err := records(txn, headerPrefix, func(_ string, value []byte) {
			if h, err := decodeHeader(value); err == nil {
				know(h.id)
			}
		})
		for i, id := range all {
			if !known[i] {
				lost = append(lost, id)
			}
		}
		return err
	})
	return lost, next, more, err
}

// doomStrays puts fills into the journal, and has them collected.
func (s *Store) doomStrays(lost []uint64) error {
	for batch := range slices.Chunk(lost, maxBatch) {
		err := s.update(func(txn *badger.Txn) error {
			for _, id := range batch {
				if err := txn.Set(journalKey(id), nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, id := range batch {
			s.doom(id, logSize(s.opt.Limit)) // nobody knows how much; let it be worth a look
		}
	}
	return nil
}
