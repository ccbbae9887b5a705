package badger

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/y"

	"hither/cache"
)

// damage flips a bit of what follows marker in the log files of dir.
func damage(t *testing.T, dir string, marker []byte, offset int64) {
	t.Helper()
	logs, _ := filepath.Glob(filepath.Join(dir, "*.vlog"))
	for _, name := range logs {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		i := bytes.Index(body, marker)
		if i < 0 {
			continue
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		at := int64(i) + offset
		if _, err := f.WriteAt([]byte{body[at] ^ 0x40}, at); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the bytes are in no log file")
}

func TestADamagedChunkIsAnErrorAndIsFetchedAgain(t *testing.T) {
	for _, c := range []struct {
		name   string
		offset int64
	}{
		{"in its bytes", 1000},
		{"in its first byte", 0},
		{"in its seal", smallChunk + 2},
		{"in the lengths that Badger keeps before it", -26},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openIn(t, dir)
			body, _ := io.ReadAll(noise(1, 1<<20))
			d, err := commit(s, "", bytes.NewReader(body), true)
			if err != nil {
				t.Fatal(err)
			}
			damage(t, dir, body[2*smallChunk:2*smallChunk+100], c.offset)
			b, err := s.Open(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			got, err := io.ReadAll(b)
			if !errors.Is(err, errDamaged) || !bytes.Equal(got, body[:2*smallChunk]) {
				t.Errorf("reading\n got %d bytes, %v\nwant %d good bytes, then %v", len(got), err, 2*smallChunk, errDamaged)
			}
			if _, err := s.Open(t.Context(), d); !errors.Is(err, cache.ErrNotFound) {
				t.Errorf("opening it again\n got %v\nwant %v", err, cache.ErrNotFound)
			}
			if _, err := commit(s, d, bytes.NewReader(body), true); err != nil {
				t.Errorf("fetching it again: %v", err)
			}
			wantRead(t, s, d)
		})
	}
}

func TestAValueUnderAnothersKeyIsDamage(t *testing.T) {
	s := openIn(t, t.TempDir())
	d, err := commit(s, "", noise(1, 2*smallChunk), true)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := s.header(d)
	var other []byte
	s.view(chunkKey(h.id, 1), func(value []byte) { other = bytes.Clone(value) })
	s.update(func(txn *badger.Txn) error { return txn.Set(chunkKey(h.id, 0), other) })
	b, err := s.Open(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if n, err := io.Copy(io.Discard, b); n != 0 || !errors.Is(err, errDamaged) {
		t.Errorf("reading\n got %d bytes, %v\nwant %v", n, err, errDamaged)
	}
}

// crash ends a store as a kill does, as far as the next start can see.
func crash(s *Store) {
	s.stop()
	s.running.Wait()
	s.db.Close()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
}

func TestAfterAnUncleanEndABlobIsCheckedOnce(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	good, _ := commit(s, "", noise(1, 600_000), true)
	bad, _ := commit(s, "", noise(2, 600_000), true)
	h, _ := s.header(bad)
	wrong, _ := io.ReadAll(noise(3, smallChunk))
	if err := errors.Join(s.takeOff(smallChunk), s.put(h.id, 1, wrong)); err != nil { // sealed well, and another's bytes
		t.Fatal(err)
	}
	crash(s)

	s = openIn(t, dir)
	wantRead(t, s, good)
	if h, err := s.header(good); err != nil || h.proved != s.run {
		t.Errorf("a blob that was checked\n got proved %d, %v\nwant %d", h.proved, err, s.run)
	}
	if _, err := s.Open(t.Context(), bad); !errors.Is(err, cache.ErrNotFound) {
		t.Errorf("a blob with another's bytes\n got %v\nwant %v", err, cache.ErrNotFound)
	}
	if u, _ := s.Usage(t.Context()); u.Blobs != 1 || u.Bytes != 600_000 {
		t.Errorf("usage\n got %+v\nwant one blob of 600000 bytes", u)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openIn(t, dir)
	if h, err := s.header(good); err != nil || h.proved < s.epoch {
		t.Errorf("after a clean end nothing is checked again\n got proved %d, epoch %d, %v", h.proved, s.epoch, err)
	}
}

func TestATableCutShortIsASentence(t *testing.T) {
	for _, left := range []int64{0, 3, 9, 400} { // bytes
		dir := t.TempDir()
		s := openIn(t, dir)
		fillMany(t, s, 1000, 10)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		tables, _ := filepath.Glob(filepath.Join(dir, "*.sst"))
		if err := os.Truncate(tables[0], left); err != nil {
			t.Fatal(err)
		}
		s, err := Open(Options{Dir: dir, Floor: 1})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "delete the directory") {
			t.Errorf("opening a cache with a table of %d bytes\n got %v\nwant an error, and what to do", left, err)
		}
	}
}

// TestADirectoryThatWasEmptiedIsOurs has somebody remove all that is in it while the cache is open, which then ends as it should.
func TestADirectoryThatWasEmptiedIsOurs(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	fillMany(t, s, 2000, 20)
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Log(err)
	}
	s, err := Open(Options{Dir: dir, Floor: 1})
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, ErrDamaged) || errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "delete the directory") {
		t.Errorf("\n got %v\nwant %v, and to delete the directory", err, ErrDamaged)
	}
}

// TestAFileWithAnEndingOfBadgersIsNotOurs guards against the advice to delete a directory that somebody works in.
func TestAFileWithAnEndingOfBadgersIsNotOurs(t *testing.T) {
	for _, name := range []string{"rom.mem", "run1.vlog", "12.sst", ".mem"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("work"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Dir: dir, Floor: 1}); !errors.Is(err, ErrForeign) {
			t.Errorf("%s\n got %v\nwant %v", name, err, ErrForeign)
		}
	}
}

func TestWhatPassesIsNotCalledDamage(t *testing.T) {
	for cause, want := range map[error]bool{
		syscall.EMFILE: false, syscall.ENOMEM: false, fs.ErrPermission: false, syscall.EIO: true,
	} {
		err := explain("dir", y.Wrapf(cause, "Opening file: %q", "000001.vlog"))
		if got := errors.Is(err, ErrDamaged); got != want {
			t.Errorf("damaged: %v\n got %v\nwant %v", err, got, want)
		}
	}
}

// TestABlobThatWasReplacedDoesNotVouchForTheOldOne fills a blob again while somebody waits for the check of what was there.
func TestABlobThatWasReplacedDoesNotVouchForTheOldOne(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	d, _ := commit(s, "", noise(1, 2*smallChunk), true)
	h, _ := s.header(d)
	wrong, _ := io.ReadAll(noise(2, smallChunk))
	if err := errors.Join(s.takeOff(smallChunk), s.put(h.id, 1, wrong)); err != nil {
		t.Fatal(err)
	}
	crash(s)

	s = openIn(t, dir)
	check := make(chan struct{})
	s.checks.DoChan(string(d), func() (any, error) {
		<-check
		return s.verify(t.Context(), d)
	})
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		wantRead(t, s, d)
	}()
	for pinned := false; !pinned; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		pinned = s.held[h.id] != nil
		s.mu.Unlock()
	}
	if _, err := commit(s, d, noise(1, 2*smallChunk), true); err != nil {
		t.Fatal(err)
	}
	close(check)
	<-opened
}

func TestWhatAnUncleanEndLeftUnfinishedIsDropped(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	kept, _ := commit(s, "", noise(1, 600_000), true)
	w, err := s.Create(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, noise(2, 3_000_000)); err != nil {
		t.Fatal(err)
	}
	crash(s)
	w.Close()

	s = openIn(t, dir)
	wantRead(t, s, kept)
	checkGarbage(t, s)
}
