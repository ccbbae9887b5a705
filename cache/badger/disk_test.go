package badger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"hither/cache"
	"hither/cache/cachetest"
	"hither/cache/digest"
)

// TestTheDirectoryShrinks is trap: Badger's own collection frees nothing where keys are few.
func TestTheDirectoryShrinks(t *testing.T) {
	for _, c := range []struct {
		name        string
		size, blobs int
	}{
		{"after blobs of one chunk were removed", 200 << 10, 1000},
		{"after blobs of few chunks were removed", 1 << 20, 200},
		{"after blobs of many chunks were removed", 6 << 20, 33},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(Options{Dir: t.TempDir(), Limit: 1 << 30, Floor: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			all := fillMany(t, s, c.size, c.blobs)
			before := onDisk(t, s)
			for i, d := range all {
				if i%8 != 0 {
					if err := s.Remove(t.Context(), d); err != nil {
						t.Fatal(err)
					}
				}
			}
			checkGarbage(t, s)
			after, blobs := onDisk(t, s), int64((c.blobs+7)/8*c.size)
			t.Logf("%d MiB, then %d MiB, of which %d MiB are blobs", before>>20, after>>20, blobs>>20)
			if before < 190<<20 || after > blobs+smallLog {
				t.Errorf("on disk\n got %d MiB, then %d MiB\nwant at least 190, then at most %d", before>>20, after>>20, (blobs+smallLog)>>20)
			}
			for i := 0; i < len(all); i += 8 {
				wantRead(t, s, all[i])
			}
		})
	}
}

func fillMany(t *testing.T, s *Store, size, n int) (all []digest.Digest) {
	t.Helper()
	for i := range n {
		d, err := commit(s, "", noise(uint64(i), size), true)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

func onDisk(t *testing.T, s *Store) int64 {
	t.Helper()
	u, err := s.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return u.OnDisk
}

func wantRead(t *testing.T, s *Store, d digest.Digest) {
	t.Helper()
	b, err := s.Open(t.Context(), d)
	if err != nil {
		t.Error(err)
		return
	}
	defer b.Close()
	if err := d.Check(b, b.Size()); err != nil {
		t.Error(err)
	}
}

// liar is a file system that has as much room as it is told to say.
type liar struct{ free atomic.Int64 }

func (l *liar) Free(string) (int64, error) { return l.free.Load(), nil }

func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	var l liar
	opt := Options{Dir: dir, Limit: 64 << 20, Floor: 1 << 30, Free: l.Free}
	l.free.Store(1<<29 - 1)
	_, err := Open(opt)
	if !errors.Is(err, cache.ErrFull) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("opening far below the floor\n got %v\nwant %v, and where", err, cache.ErrFull)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("opening far below the floor wrote %v", files)
	}
	l.free.Store(1 << 30)
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := io.Copy(w, noise(1, 2<<20)); err != nil {
		t.Fatal(err)
	}
	l.free.Store(1<<30 - 1)
	n, err := io.Copy(w, noise(2, 8<<20))
	if !errors.Is(err, cache.ErrFull) || n > smallChunk {
		t.Errorf("filling while the disk fills\n got %d bytes, %v\nwant at most a chunk, %v", n, err, cache.ErrFull)
	}
	if _, err := s.Create(t.Context(), ""); !errors.Is(err, cache.ErrFull) {
		t.Errorf("beginning a fill below the floor\n got %v\nwant %v", err, cache.ErrFull)
	}
	if err := s.Bind(t.Context(), "name", cache.Entry{}); err != nil {
		t.Errorf("binding a name above the reserve: %v", err)
	}
	l.free.Store(0)
	if err := s.Bind(t.Context(), "name", cache.Entry{}); !errors.Is(err, cache.ErrFull) {
		t.Errorf("binding a name without any room\n got %v\nwant %v", err, cache.ErrFull)
	}
	for what, err := range map[string]error{"a name": s.Forget(t.Context(), "name"), "all": s.Clear(t.Context())} {
		if want := "64 MiB must stay free; make room, or end Hither and delete " + dir; !errors.Is(err, cache.ErrFull) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("forgetting %s without any room\n got %v\nwant %v: … %s, for that is written too", what, err, cache.ErrFull, want)
		}
	}
	if _, err := s.Lookup(t.Context(), "name"); err != nil {
		t.Errorf("reading needs no room, but: %v", err)
	}
	if err := s.Close(); !errors.Is(err, cache.ErrFull) {
		t.Errorf("closing without any room\n got %v\nwant %v", err, cache.ErrFull)
	}
	s.db.Close() // the process would end here
	l.free.Store(1 << 40)
	s, err = Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.epoch != s.run {
		t.Error("the next start believes what could not be closed")
	}
}

// TestAFullDiskAfterAnUncleanEnd reads what has to be checked and noted, or dropped, when nothing may be written.
func TestAFullDiskAfterAnUncleanEnd(t *testing.T) {
	var l liar
	l.free.Store(1 << 40)
	opt := Options{Dir: t.TempDir(), Limit: 64 << 20, Floor: 1, Free: l.Free}
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(noise(2, 2*smallChunk))
	good, _ := commit(s, "", noise(1, 5000), true)
	bad, _ := commit(s, "", bytes.NewReader(body), true)
	crash(s)
	damage(t, opt.Dir, body[smallChunk:smallChunk+100], 50)
	if s, err = Open(opt); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l.free.Store(0)
	before := s.db.MaxVersion()
	wantRead(t, s, good)
	if _, err := s.Open(t.Context(), bad); !errors.Is(err, cache.ErrNotFound) {
		t.Errorf("a damaged blob\n got %v\nwant %v", err, cache.ErrNotFound)
	}
	if after := s.db.MaxVersion(); after != before {
		t.Errorf("transactions without any room\n got %d\nwant none: it could be the last that the process does", after-before)
	}
	l.free.Store(1 << 40)
}

func TestBelowTheFloorTheOldestMakeRoom(t *testing.T) {
	var l liar
	l.free.Store(1 << 40)
	s, err := Open(Options{Dir: t.TempDir(), Limit: 64 << 20, Floor: 1 << 30, Free: l.Free})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := fillMany(t, s, 1<<20, 10)
	s.yield()
	wantRead(t, s, all[0])
	wantRead(t, s, all[1])
	l.free.Store(1<<30 - 1)
	s.yield()
	if _, err := s.Open(t.Context(), all[2]); !errors.Is(err, cache.ErrNotFound) {
		t.Errorf("the one used longest ago\n got %v\nwant %v", err, cache.ErrNotFound)
	}
	for _, i := range []int{0, 1, 3, 4, 5, 6, 7, 8, 9} {
		wantRead(t, s, all[i])
	}
}

func TestALinkToAnotherDiskIsCounted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Symlink(t.TempDir(), dir); err != nil {
		t.Skip(err)
	}
	s := openIn(t, dir)
	fillMany(t, s, 1<<20, 2)
	if got := onDisk(t, s); got < 2<<20 {
		t.Errorf("on the disk\n got %d bytes\nwant at least the 2 MiB of blobs", got)
	}
}

func TestDirectoriesThatCannotBeACache(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	os.WriteFile(file, nil, 0o600)
	home := filepath.Join(base, "home")
	os.MkdirAll(home, 0o755)
	os.WriteFile(filepath.Join(home, "thesis.tex"), nil, 0o644)
	for _, c := range []struct{ name, dir, want string }{
		{"none at all", "", "name one"},
		{"a file", file, "choose one that you may write to"},
		{"below a file", filepath.Join(file, "cache"), "choose one that you may write to"},
		{"where nobody may write", "/proc/hither", "choose one that you may write to"},
		{"somebody's home", home, "holds thesis.tex: choose an empty directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(Options{Dir: c.dir})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("\n got %v\nwant ... %s", err, c.want)
			}
		})
	}
	if info, _ := os.Stat(home); info.Mode().Perm() != 0o755 {
		t.Errorf("the mode of somebody's home\n got %v\nwant it untouched", info.Mode())
	}
}

func TestTheDirectoryIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	os.MkdirAll(dir, 0o755)
	openIn(t, dir)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode\n got %v, %v\nwant 0700", info.Mode(), err)
	}
}

func TestAnotherVersionsCacheIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	s.update(func(txn *badger.Txn) error {
		return txn.Set([]byte(stateKey), []byte(`{"version":99}`))
	})
	crash(s)
	_, err := Open(Options{Dir: dir, Floor: 1})
	if err == nil || !strings.Contains(err.Error(), "format 99") {
		t.Errorf("\n got %v\nwant that the format is 99", err)
	}
}

func TestTheOrderOfUseOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	var clock atomic.Int64
	opt := Options{Dir: dir, Limit: cachetest.Limit, Floor: 1, Now: func() time.Time { return time.Unix(clock.Add(1), 0) }}
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	var all []digest.Digest
	for i := range 7 {
		d, err := commit(s, "", noise(uint64(i), 1<<20), true)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	wantRead(t, s, all[0])
	s.Close()
	if s, err = Open(opt); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 3 {
		if _, err := commit(s, "", noise(uint64(100+i), 1<<20), true); err != nil {
			t.Fatal(err)
		}
	}
	wantRead(t, s, all[0])
	if _, err := s.Open(t.Context(), all[1]); !errors.Is(err, cache.ErrNotFound) {
		t.Errorf("the one used longest ago\n got %v\nwant %v", err, cache.ErrNotFound)
	}
}

// TestAClockThatWasAheadKeepsNothingForEver fills the cache while the clock is years ahead, as one is at times until it is set. What
// was used then would be the youngest for years, and all that comes later would go at once.
func TestAClockThatWasAheadKeepsNothingForEver(t *testing.T) {
	const all = cachetest.Limit >> 20
	var clock atomic.Int64
	clock.Store(2e9)
	s, err := Open(Options{Dir: t.TempDir(), Limit: cachetest.Limit, Floor: 1, Now: func() time.Time { return time.Unix(clock.Add(1), 0) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ahead := fillMany(t, s, 1<<20, all)
	clock.Store(1e9)
	wantRead(t, s, ahead[all-1])
	var young []digest.Digest
	for i := range all - 2 {
		d, err := commit(s, "", noise(uint64(100+i), 1<<20), true)
		if err != nil {
			t.Fatal(err)
		}
		young = append(young, d)
	}
	for _, d := range young {
		wantRead(t, s, d)
	}
	wantRead(t, s, ahead[all-1]) // it was used since
}

func TestChunksOfALargeBlob(t *testing.T) {
	for _, c := range []struct {
		off   int64
		n     uint32
		start int64
	}{
		{0, 0, 0},
		{smallChunk - 1, 0, 0},
		{smallChunk, 1, smallChunk},
		{64<<20 - 1, 255, 64<<20 - smallChunk},
		{64 << 20, 256, 64 << 20},
		{65<<20 - 1, 256, 64 << 20},
		{65 << 20, 257, 65 << 20},
	} {
		t.Run(fmt.Sprint("at ", c.off), func(t *testing.T) {
			if n, start := locate(c.off); n != c.n || start != c.start {
				t.Errorf("\n got %d, %d\nwant %d, %d", n, start, c.n, c.start)
			}
		})
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(header{id: 1, size: 2, used: time.Unix(3, 4), committed: time.Unix(5, 6), proved: 7}.encode())
	entry, _ := encodeEntry(cache.Entry{Source: "x"}, time.Unix(1, 2))
	f.Add(entry)
	f.Add([]byte{recordVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHeader(b); err == nil && h.size < 0 {
			t.Error("a size below zero")
		}
		if e, err := decodeEntry(b); err == nil {
			if _, err := encodeEntry(e, time.Now()); err != nil {
				t.Errorf("an entry that was read cannot be written: %v", err)
			}
		}
	})
}
