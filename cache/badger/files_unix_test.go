//go:build unix

package badger

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"hither/cache"
)

// withFiles runs f in a process that can open as many more as there may be, as when clients have the rest; 0: none.
func withFiles(t *testing.T, may int, f func()) {
	t.Helper()
	var usual syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &usual); err != nil {
		t.Fatal(err)
	}
	few, top := usual, 0
	few.Cur = 0
	var taken []*os.File
	defer func() {
		for _, file := range taken {
			file.Close()
		}
	}()
	for may > 0 && top < 1000 { // below it, all are taken
		file, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, file)
		top = int(file.Fd())
		few.Cur = uint64(top + 1 + may)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &usual); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// longName is one of 8 KiB.
func longName(i int) cache.Name {
	return cache.Name(strings.Repeat(string(rune('a'+i%26)), maxName-i/26))
}

// TestWhereNoFileCanBeMadeTheCacheOnlyReads writes more than Badger takes before it needs a file, and collects. Badger ends the
// process when it does not get one.
func TestWhereNoFileCanBeMadeTheCacheOnlyReads(t *testing.T) {
	s := openIn(t, t.TempDir())
	kept := fillMany(t, s, 3000, 20)
	withFiles(t, 0, func() {
		var err error
		for i := range 2000 {
			if err = s.Bind(t.Context(), longName(i), cache.Entry{}); err != nil && !errors.Is(err, cache.ErrFull) {
				t.Fatalf("binding a name\n got %v\nwant %v", err, cache.ErrFull)
			}
		}
		if err == nil {
			t.Errorf("binding 16 MB of names\n got no error\nwant %v", cache.ErrFull)
		}
		if err := s.Compact(t.Context()); !errors.Is(err, cache.ErrFull) {
			t.Errorf("collecting\n got %v\nwant %v", err, cache.ErrFull)
		}
		if _, err := s.Create(t.Context(), ""); !errors.Is(err, cache.ErrFull) {
			t.Errorf("beginning a fill\n got %v\nwant %v", err, cache.ErrFull)
		}
		for _, d := range kept {
			wantRead(t, s, d)
		}
	})
	if err := s.Bind(t.Context(), "later", cache.Entry{Digest: kept[0]}); err != nil {
		t.Error(err)
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Error(err)
	}
	for _, d := range append(kept, fillMany(t, s, 4000, 20)...) {
		wantRead(t, s, d)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestTheLastFilesAreLeftToBadger has two, of which Badger may take one for a table in the moment in which it needs another.
func TestTheLastFilesAreLeftToBadger(t *testing.T) {
	s := openIn(t, t.TempDir())
	withFiles(t, 2, func() {
		var err error
		for i := 0; i < 2*looksEach && err == nil; i++ {
			err = s.Bind(t.Context(), longName(i), cache.Entry{})
		}
		if !errors.Is(err, cache.ErrFull) {
			t.Errorf("binding names\n got %v\nwant %v", err, cache.ErrFull)
		}
	})
}

// TestTablesAreMergedWhereThereAreFilesForWhatComesOfThem has some, but fewer than the tables that come of a merge. Badger forgets the
// keys of one for which it gets none, if there is one again when it ends, and calls that a success.
func TestTablesAreMergedWhereThereAreFilesForWhatComesOfThem(t *testing.T) {
	s := openIn(t, t.TempDir())
	s.merging.Lock()
	if err := writeKeys(s, 4*memTable); err != nil {
		t.Fatal(err)
	}
	for s.db.Levels()[0].NumTables < 3 {
		time.Sleep(time.Millisecond)
	}
	withFiles(t, 3+2*spareFiles, func() {
		s.merging.Unlock()
		if err := s.flatten(); !errors.Is(err, cache.ErrFull) {
			t.Errorf("\n got %.100v\nwant %v", err, cache.ErrFull)
		}
	})
	if err := s.flatten(); err != nil {
		t.Error(err)
	}
}
