package badger

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// Rest takes the pages of the log files out of the process's memory; they stay in the page cache. Readers let go of what they
// read, but the system maps some pages around each that is touched, and Badger goes through its newest log when it opens: that
// was up to 170 MiB after a few hundred blobs. Call it when nobody reads or writes; writers wait for its end, some milliseconds.
func (s *Store) Rest(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	// Badger unmaps a log file when it is full or collected, which both take a writer or our own dropLog; or, of one that was
	// collected while somebody iterated, with the last iterator: so there is one until we are done.
	s.gate.Lock()
	defer s.gate.Unlock()
	return s.db.View(func(txn *badger.Txn) error {
		defer txn.NewIterator(badger.IteratorOptions{}).Close()
		if err := letGoLogs(s.opt.Dir); err != nil {
			return fmt.Errorf("the memory of the cache in %s could not be given back: %w; it is no more than pages of files, which the system takes when it needs them", s.opt.Dir, err)
		}
		return nil
	})
}
