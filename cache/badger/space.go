package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"hither/cache"
)

const (
	// LeastFloor is what must stay free however small a floor was asked for, in bytes. Badger writes through memory
	// maps, so a full disk is a SIGBUS in one of its goroutines: nothing can catch it, and the process dies.
	LeastFloor = 256 << 20
	// reserve must be free before anything at all is written: names, evictions, what Close has to write. It is the room
	// for a memtable, the tables it becomes, and the flights of fills that were begun above the floor.
	reserve = 64 << 20
	// spareFiles is how many files it must be possible to make before anything is written. Badger needs one after 8 MiB of keys
	// and small values, and when it collects, in the moment in which it makes others of what was before; without it, it ends the
	// process. looksEach and looksWithin are how many writes may pass, of up to 9 KiB of these, and how much time, before it is
	// seen again.
	spareFiles             = 4
	looksEach, looksWithin = 256, 100 * time.Millisecond
	// probe begins the names of files that are made to see whether it can be done. A killed process may leave them.
	probe = "MANIFEST-probe"
	// ordinaryFloor and a twentieth of the file system are kept free by default.
	ordinaryFloor = 2 << 30
)

// BUG: a stranger who writes 192 MiB between two of our looks at the free space can still kill us, and so can a quota,
// which does not show in it, and who takes the last files in the moment in which Badger makes one.

// spare says whether at least n bytes are free, and files can be made, as an error wrapping cache.ErrFull if not.
func (s *Store) spare(n int64) error {
	free, err := s.opt.Free(s.opt.Dir)
	if err != nil {
		return fmt.Errorf("%w: its file system does not tell how much is free: %w%s", cache.ErrFull, err, remedy(err))
	}
	if free < n {
		return fmt.Errorf("%w: %d MiB are free on its file system, and %d MiB must stay free; %s", cache.ErrFull, free>>20, n>>20, s.advice(n))
	}
	return s.files.spare(s.opt.Dir, s.opt.Now(), 0)
}

// advice is what to do where less than n bytes are free.
func (s *Store) advice(n int64) string {
	switch {
	case n != s.opt.Floor && n != s.opt.Floor/2: // which nobody can set, and to forget is to write, too
		return "make room, or end Hither and delete " + s.opt.Dir
	case s.opt.Floor <= LeastFloor:
		return "make room"
	}
	return "make room, or set a lower floor"
}

// remedy is what to do about a directory that cannot be looked at; empty: nobody knows.
func remedy(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "; its directory was removed, and nothing new is kept until Hither is started again"
	}
	return ""
}

// files is when files could be made last. The zero value does not know.
type files struct {
	mu   sync.Mutex // held while they are made, too: they have the same names each time, and others would do it for nothing
	when time.Time
	left int // writes for which that is believed
}

// spare is Store.spare for files: for n of them, seen right now, or, if n is 0, for spareFiles.
func (f *files) spare(dir string, now time.Time, n int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left--
	if age := now.Sub(f.when); n == 0 && f.left >= 0 && age >= 0 && age <= looksWithin {
		return nil
	}
	f.when, f.left = now, 0
	if err := makeFiles(dir, max(n, spareFiles)); err != nil {
		return fmt.Errorf("%w: no more files can be made in its directory: %w; let Hither have more, or write there", cache.ErrFull, err)
	}
	f.left = looksEach
	return nil
}

// makeFiles makes n files in a directory at once, and removes them.
func makeFiles(dir string, n int) error {
	name := filepath.Join(dir, probe+strconv.Itoa(n))
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if n > 1 {
		err = makeFiles(dir, n-1)
	}
	err = errors.Join(err, file.Close())
	if gone := os.Remove(name); !errors.Is(gone, fs.ErrNotExist) { // else a start that another process has tried was quicker
		err = errors.Join(err, gone)
	}
	return err
}

// yield evicts a tenth of the blobs if too little is free: whoever took the room, the cache can do without, and one that
// has filled its disk would otherwise keep what is old for ever.
func (s *Store) yield() {
	s.evict.Lock()
	defer s.evict.Unlock()
	s.mu.Lock()
	tenth := s.blobs.Bytes / 10
	s.mu.Unlock()
	if tenth == 0 || s.spare(s.opt.Floor) == nil {
		return
	}
	if err := s.evictBlobs(tenth); err != nil {
		s.opt.Log.Warn("the cache could not make room on its disk", "dir", s.opt.Dir, "err", err)
	}
}

func defaultFloor(dir string) int64 {
	total, err := totalBytes(dir)
	if err != nil {
		return ordinaryFloor
	}
	return max(ordinaryFloor, total/20)
}

// diskUse is what the file system gave for the files of dir, which may be a link to the directory.
func diskUse(dir string) (int64, error) {
	entries, err := os.ReadDir(dir)
	sum := int64(0)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() { // else it was deleted under us
			sum += allocated(info)
		}
	}
	return sum, err
}

// take counts n more bytes for a fill that holds size already, and makes room for them.
func (s *Store) take(size, n int64) error {
	if err := s.spare(s.opt.Floor); err != nil {
		return err
	}
	if size+n > s.opt.Limit/2 {
		return fmt.Errorf("%w: a blob of more than half of its %d MiB would drive out everything else", cache.ErrFull, s.opt.Limit>>20)
	}
	if s.crowded(n) {
		return fmt.Errorf("%w: fills under way take half of its %d MiB, and more would drive out everything else", cache.ErrFull, s.opt.Limit>>20)
	}
	if s.count(n) <= 0 {
		return nil
	}
	s.evict.Lock()
	defer s.evict.Unlock()
	over := s.count(0)
	if over > 0 {
		if err := s.evictBlobs(over + s.opt.Limit/20); err != nil {
			s.opt.Log.Warn("the cache could not evict", "dir", s.opt.Dir, "err", err)
		}
		over = s.count(0)
	}
	if over > 0 {
		s.count(-n)
		return fmt.Errorf("%w: fills under way take all of its %d MiB", cache.ErrFull, s.opt.Limit>>20)
	}
	return nil
}

// crowded says that n more bytes would be too much for the fills under way, which together must leave as much to what is
// kept as each of them: many at once would drive out everything, and then not fit themselves.
func (s *Store) crowded(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.filling+n > s.opt.Limit/2
}

// count adds n bytes to the fills under way and returns by how much the cache is now above its limit.
func (s *Store) count(n int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filling += n
	return s.blobs.Bytes + s.filling - s.opt.Limit
}
