package badger

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"hither/cache/digest"
)

// TestALostStateIsNoNewBeginning has the state of the runs lost, as when Badger compacts a table with a damaged block: what comes
// behind it is gone without a word. Were the runs counted from the beginning, new chunks would take the places of old blobs'.
func TestALostStateIsNoNewBeginning(t *testing.T) {
	for name, later := range map[string]int64{"a second later": 1, "within the second": 0, "a clock that was set back": -1e6} {
		t.Run(name, func(t *testing.T) { loseState(t, later) })
	}
}

func loseState(t *testing.T, later int64) {
	const size, many = 3000, 20
	var clock atomic.Int64
	clock.Store(1e9)
	opt := Options{Dir: t.TempDir(), Floor: 1, Now: func() time.Time { return time.Unix(clock.Load(), 0) }}
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	old := fillMany(t, s, size, many)
	if err := s.update(func(txn *badger.Txn) error { return txn.Delete([]byte(stateKey)) }); err != nil {
		t.Fatal(err)
	}
	crash(s)
	clock.Add(later)
	if s, err = Open(opt); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if u, _ := s.Usage(t.Context()); u.Blobs != many || u.Bytes != many*size {
		t.Errorf("usage\n got %d blobs, %d bytes\nwant %d, %d", u.Blobs, u.Bytes, many, many*size)
	}
	for i := range many {
		if _, err := commit(s, "", noise(uint64(many+i), size), true); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range old {
		wantRead(t, s, d)
	}
}

// TestWhatWasLostIsNotCountedForEver takes records away behind the store's back, as a damaged table does. If they counted on,
// there would be room for nothing any more.
func TestWhatWasLostIsNotCountedForEver(t *testing.T) {
	s := openIn(t, t.TempDir())
	for _, d := range fillMany(t, s, 1<<20, 7)[:6] {
		if err := s.update(func(txn *badger.Txn) error { return txn.Delete([]byte(headerKey(d))) }); err != nil {
			t.Fatal(err)
		}
	}
	var all []digest.Digest
	for i := range 6 {
		d, err := commit(s, "", noise(uint64(10+i), 1<<20), true)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	if u, _ := s.Usage(t.Context()); u.Blobs != 6 || u.Bytes != 6<<20 {
		t.Errorf("usage\n got %d blobs, %d bytes\nwant 6 of 1 MiB each", u.Blobs, u.Bytes)
	}
	for _, d := range all {
		wantRead(t, s, d)
	}
}

// awaitSweep waits until the keeper has swept, and everything belongs to something.
func awaitSweep(t *testing.T, s *Store) {
	t.Helper()
	for range 2000 {
		lost, _, _, err := s.strays(0)
		if err == nil && len(lost) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("what belongs to nothing is not swept away")
}

func TestChunksThatLostTheirHeaderAreGivenBack(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *Store) digest.Digest{
		"after an unclean end": func(t *testing.T, s *Store) digest.Digest {
			d, err := commit(s, "", noise(9, 3000), true)
			crash(s)
			return must(t, d, err)
		},
		"when less was there than was counted": func(t *testing.T, s *Store) digest.Digest {
			d, err := commit(s, "", noise(9, 3<<20), true) // makes room, and misses them
			return must(t, d, errors.Join(err, s.Close()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openIn(t, dir)
			for _, d := range fillMany(t, s, 1<<20, 7)[:6] {
				if err := s.update(func(txn *badger.Txn) error { return txn.Delete([]byte(headerKey(d))) }); err != nil {
					t.Fatal(err)
				}
			}
			kept := end(t, s)
			s = openIn(t, dir)
			awaitSweep(t, s)
			checkGarbage(t, s)
			wantRead(t, s, kept)
		})
	}
}

func must(t *testing.T, d digest.Digest, err error) digest.Digest {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestNothingThatIsUsedIsSweptAway sweeps while blobs are filled, evicted and read.
func TestNothingThatIsUsedIsSweptAway(t *testing.T) {
	s := openIn(t, t.TempDir())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			d, err := commit(s, "", noise(uint64(i), 1+i*5000), i%5 != 0)
			if err == nil && d != "" {
				wantRead(t, s, d)
			}
		}
	}()
	for busy := true; busy; {
		select {
		case <-done:
			busy = false
		default:
		}
		if lost, _, _, err := s.strays(0); err != nil || len(lost) > 0 {
			t.Fatalf("fills of which nothing but chunks is left\n got %x, %v\nwant none", lost, err)
		}
	}
}

// TestWhatADamagedTableHidesIsNotSweptAway flips a bit in a table: an iterator ends there without a word, and behind it Get finds all.
func TestWhatADamagedTableHidesIsNotSweptAway(t *testing.T) {
	const many = 300
	dir := t.TempDir()
	s := openIn(t, dir)
	all := fillMany(t, s, 2000, many)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	flipped := false
	tables, _ := filepath.Glob(filepath.Join(dir, "*.sst"))
	for _, table := range tables {
		body, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(body, []byte("hsha256:")); i > 0 {
			body[i+8<<10] ^= 1 // in a block that has only headers
			flipped = true
			if err := os.WriteFile(table, body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !flipped {
		t.Fatal("no table holds a header")
	}
	s = openIn(t, dir)
	s.mu.Lock()
	s.unswept = true
	s.mu.Unlock()
	hidden, _, _, err := s.strays(0)
	if err != nil || len(hidden) == 0 {
		t.Fatalf("hidden\n got %d fills, %v\nwant some", len(hidden), err)
	}
	if err := s.sweep(t.Context()); err != nil { // else the keeper was faster
		t.Log(err)
	}
	unswept := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.unswept && len(s.garbage) == 0
	}
	for range 2000 {
		if !unswept() {
			time.Sleep(5 * time.Millisecond)
		}
	}
	if !unswept() {
		t.Error("a cache that is damaged was swept\nwant it left for the next start")
	}
	found := 0
	for _, d := range all {
		if _, err := s.header(d); err == nil {
			found++
			wantRead(t, s, d)
		}
	}
	if found < many-len(hidden)/2 {
		t.Errorf("blobs\n got %d of %d, %d are hidden from an iterator\nwant more: there is nothing to be swept away", found, many, len(hidden))
	}
}
