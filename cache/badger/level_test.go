package badger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"hither/cache"
)

func TestNewTablesAreMergedInAQuietMoment(t *testing.T) {
	s := openIn(t, t.TempDir())
	if err := writeKeys(s, 3*memTable); err != nil { // more than two tables
		t.Fatal(err)
	}
	for s.db.Levels()[0].NumTables >= fewTables || s.db.Levels()[6].NumTables == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := s.get(fmt.Sprintf("some key %d", valueThreshold-1)); err != nil {
		t.Fatal(err)
	}
}

// Under the race detector.
func TestTablesAreMergedAndDroppedAtOnce(t *testing.T) {
	s := openIn(t, t.TempDir())
	var both sync.WaitGroup
	for _, what := range []func() error{s.flatten, func() error { return s.Compact(t.Context()) }} {
		both.Go(func() {
			for range 20 {
				if err := what(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
}

// Two of Badger's compactors woke forty times a second.
func TestNobodyLooksWhetherThereIsSomethingToMerge(t *testing.T) {
	openIn(t, t.TempDir())
	for !strings.Contains(stacks(t), "badger.(*Store).level(") {
		time.Sleep(time.Millisecond)
	}
	if strings.Contains(stacks(t), "runCompactor") {
		t.Error("one of Badger's own compactors runs")
	}
}

func stacks(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 2); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWhereTablesCannotBeMergedNobodyWaits writes keys until no more are taken. Badger let writers wait then, who held what dropping
// a prefix waits for, and a start with what such a process had left never ended.
func TestWhereTablesCannotBeMergedNobodyWaits(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	s := openIn(t, dir)
	dropped := make(chan error)
	s.merging.Lock()
	go func() { dropped <- s.dropPrefix([]byte(sentinelKey)) }()
	for !strings.Contains(stacks(t), "badger.(*Store).dropPrefix(") {
		time.Sleep(time.Millisecond)
	}
	written := make(chan error)
	go func() { written <- writeKeys(s, 2*maxTables*memTable) }()
	var err error
	for waits := false; err == nil && !waits; {
		select {
		case err = <-written:
		case <-time.After(100 * time.Millisecond):
			waits = strings.Contains(stacks(t), "ensureRoomForWrite") && s.db.Levels()[0].NumTables >= maxTables
		}
	}
	if !errors.Is(err, cache.ErrFull) {
		t.Errorf("writing\n got %v, or no end\nwant %v", err, cache.ErrFull)
	}
	for logs := []string{"", ""}; err != nil && len(logs) > 1; logs, _ = filepath.Glob(filepath.Join(dir, "*.mem")) {
		time.Sleep(time.Millisecond) // until all but the last are tables
	}
	if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
		t.Error(err)
	}
	s.merging.Unlock()
	if err := <-dropped; err != nil {
		t.Error(err)
	}
	for s.update(func(*badger.Txn) error { return nil }) != nil {
		time.Sleep(10 * time.Millisecond)
	}
	os.Remove(filepath.Join(other, "LOCK"))
	s = openIn(t, other)
	if err := s.Bind(t.Context(), "name", cache.Entry{}); err != nil {
		t.Errorf("after a start: %v", err)
	}
}

// writeKeys writes some bytes of keys and small values.
func writeKeys(s *Store, bytes int) error {
	value := make([]byte, valueThreshold-1)
	for n := 0; n < bytes; {
		err := s.update(func(txn *badger.Txn) error {
			for range 500 {
				n += len(value)
				if err := txn.Set(fmt.Appendf(nil, "some key %d", n), value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func TestTablesAreMergedWhereThereIsRoomForWhatComesOfThem(t *testing.T) {
	var l liar
	l.free.Store(1 << 40)
	s, err := Open(Options{Dir: t.TempDir(), Floor: 1, Free: l.Free})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.merging.Lock()
	if err := writeKeys(s, 4*memTable); err != nil {
		t.Fatal(err)
	}
	for s.db.Levels()[0].NumTables < 3 {
		time.Sleep(time.Millisecond)
	}
	l.free.Store(reserve + 2*memTable)
	s.merging.Unlock()
	if err := s.flatten(); !errors.Is(err, cache.ErrFull) {
		t.Errorf("merging three tables with room for two\n got %v\nwant %v", err, cache.ErrFull)
	}
	l.free.Store(1 << 40)
	if err := s.flatten(); err != nil {
		t.Error(err)
	}
}
