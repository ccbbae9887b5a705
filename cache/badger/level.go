package badger

import (
	"context"
	"time"
)

const (
	// levelAfter is how long after a write we look whether the tables want merging, and whether the writes have ended.
	levelAfter = time.Second
	// fewTables is how many tables of new keys are merged into the tree in quiet moments, and manyTables how many while others
	// write. At stallTables Badger lets writers wait: 128 MiB of keys and records more, which nobody writes in levelAfter.
	fewTables, manyTables, stallTables = 2, 8, 24
	memTable                           = 8 << 20
)

// level merges new tables into the tree until ctx ends. Badger would do so itself, but its compactors look twenty times a second
// each, for ever: of a Hither that did nothing at all, that was nine tenths of its time. This one sleeps until something is written.
func (s *Store) level(ctx context.Context) {
	defer s.running.Done()
	late := time.NewTimer(levelAfter)
	defer late.Stop()
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
		if err := s.flatten(); err != nil {
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
	if err := s.spare(reserve); err != nil {
		return err
	}
	return s.db.Flatten(1)
}
