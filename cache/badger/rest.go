package badger

import (
	"context"
	"fmt"
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
	// collected while somebody iterated, behind the last iterator. It begins with that when none is left: to have one of our
	// own would not stop it.
	s.walks.Lock()
	defer s.walks.Unlock()
	s.gate.Lock()
	defer s.gate.Unlock()
	if err := letGoLogs(s.opt.Dir); err != nil {
		return fmt.Errorf("the memory of the cache in %s could not be given back: %w; it is no more than pages of files, which the system takes when it needs them", s.opt.Dir, err)
	}
	return nil
}
