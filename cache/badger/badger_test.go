package badger

import (
	"testing"

	"hither/cache"
	"hither/cache/cachetest"
)

// openIn opens a small store in dir, on a disk with room.
func openIn(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, Limit: cachetest.Limit, Floor: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestPromises(t *testing.T) {
	cachetest.Test(t, func(t *testing.T) cache.Store { return openIn(t, t.TempDir()) })
}

func TestPromisesToTheNextProcess(t *testing.T) {
	cachetest.TestReopen(t, func(t *testing.T, dir string) cache.Store { return openIn(t, dir) })
}
