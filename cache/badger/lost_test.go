package badger

import (
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
