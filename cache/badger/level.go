package badger

import (
	"context"
	"fmt"
	"time"

	"hither/cache"
)

const (
	// levelAfter is how long after a write we look whether the tables want merging, and whether the writes have ended.
	levelAfter = time.Second
	// fewTables is how many tables of new keys are merged into the tree in quiet moments, and manyTables how many while others
	// write. At maxTables nothing is written: 128 MiB of keys and records more, which nobody writes in levelAfter, so that they
	// cannot be merged.
	fewTables, manyTables, maxTables = 2, 8, 24
	memTable                         = 8 << 20
	lastLevel                        = 6 // Badger's default
	// leastTable is how large a table is at least, in bytes, of many that come of a merge.
	leastTable = 2 << 20
)

// level merges new tables into the tree until ctx ends. Badger would do so itself, but its compactors look twenty times a second
// each, for ever: of a Hither that did nothing at all, that was nine tenths of its time. This one sleeps until something is written.
func (s *Store) level(ctx context.Context) {
	defer s.running.Done()
	late := time.NewTimer(levelAfter)
	defer late.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wrote:
		}
		late.Reset(levelAfter)
		select {
		case <-ctx.Done():
			return
		case <-late.C:
		}
		if !s.uneven(len(s.wrote) > 0) {
			continue
		}
		before := failed
		err := s.flatten()
		if failed = err != nil; failed && !before {
			s.opt.Log.Warn("the cache could not merge its tables", "dir", s.opt.Dir, "err", err)
		}
	}
}

// uneven says that the tables want merging. All keys are then written anew, so that it waits for more new ones where there are
// many old ones, and while others write.
func (s *Store) uneven(busy bool) bool {
	levels := s.db.Levels()
	sum, between := int64(0), false
	for _, l := range levels {
		sum += l.Size
		between = between || l.Level > 0 && l.Score >= 1 // not the last, which has none
	}
	if busy {
		return levels[0].NumTables >= manyTables
	}
	enough := min(max(fewTables, int(sum/(manyTables*memTable))), manyTables)
	return between || levels[0].NumTables >= enough
}

// flatten merges all tables. Badger must not drop a prefix meanwhile: both stop its compactors, and it has no lock for that.
func (s *Store) flatten() error {
	s.merging.Lock()
	defer s.merging.Unlock()
	if err := s.spareTables(); err != nil {
		return err
	}
	return s.db.Flatten(1)
}

// spareTables says whether there is room, and files, for what comes of all new tables before they go; the others are merged a few at
// a time. Badger forgets the keys of a table for which it gets no file, and calls that a success.
func (s *Store) spareTables() error {
	fresh, all := int64(0), int64(0)
	for _, l := range s.db.Levels() {
		all += l.Size
		if l.Level < lastLevel {
			fresh += l.Size
		}
	}
	if err := s.spare(reserve + fresh); err != nil {
		return err
	}
	return s.files.spare(s.opt.Dir, s.opt.Now(), spareFiles+int(all/leastTable))
}

// behind is an error wrapping cache.ErrFull where too many tables wait to be merged. Badger would let writers wait, for ever where it
// cannot be done, and a start as well.
func (s *Store) behind() error {
	if n := s.db.Levels()[0].NumTables; n >= maxTables {
		return fmt.Errorf("%w: %d tables wait to be merged, for which its disk lacks room or time, or Hither files", cache.ErrFull, n)
	}
	return nil
}
