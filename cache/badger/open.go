package badger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/ristretto/v2/z"
	"golang.org/x/sync/semaphore"

	"hither/cache"
)

var (
	// ErrDamaged reports a cache that was begun and cannot be opened any more.
	ErrDamaged = errors.New("it is damaged, or its disk is")
	// ErrForeign reports a directory that holds something else: the user has named it by mistake.
	ErrForeign = errors.New("is not a cache")
)

// Open opens the cache in a directory, or begins one there. It fails, and says what to do, if another process uses the
// directory, if it cannot be written, if it holds something else (ErrForeign), if what it holds does not open (the error then wraps
// ErrDamaged), or if too little of its file system is free (cache.ErrFull); the caller goes on without a disk. The store must be
// closed.
func Open(opt Options) (*Store, error) {
	opt = opt.withDefaults()
	if err := prepare(opt.Dir); err != nil {
		return nil, err
	}
	if opt.Floor == 0 {
		opt.Floor = defaultFloor(opt.Dir)
	}
	opt.Floor = max(opt.Floor, LeastFloor)
	s := &Store{
		opt: opt, seed: maphash.MakeSeed(), flight: semaphore.NewWeighted(maxFlight),
		tidying: make(chan struct{}, 1), kick: make(chan struct{}, 1), wrote: make(chan struct{}, 1), held: make(map[uint64]*hold),
	}
	// Before Badger writes its first byte, as that may be its last. A cache that has filled its disk down to the floor
	// must open again, to be read and to make room: so half of the floor is enough.
	if err := s.spare(opt.Floor / 2); err != nil {
		return nil, fmt.Errorf("cache in %s: %w", opt.Dir, err)
	}
	if err := checkTables(engine(opt)); err != nil {
		return nil, explain(opt.Dir, err)
	}
	db, err := badger.Open(engine(opt))
	for tries := 0; tries < 3 && err != nil && strings.Contains(err.Error(), z.NewFile.Error()); tries++ {
		// A process that was killed after it made a file and before it gave it a size leaves an empty one. Badger gives
		// it a size, and then takes it for an error; the next time it is right.
		db, err = badger.Open(engine(opt))
	}
	if err != nil {
		return nil, explain(opt.Dir, err)
	}
	s.db = db
	if s.behind() != nil { // the last run was killed in the midst
		err = s.flatten()
	}
	if err == nil {
		err = s.sayHello()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cache in %s: %w", opt.Dir, err), db.Close())
	}
	ctx, stop := context.WithCancel(context.Background()) //nolint:forbidigo // Close ends it
	s.stop = stop
	s.running.Add(2)
	go s.keep(ctx)
	go s.level(ctx)
	s.wake()
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Limit <= 0 {
		o.Limit = defaultLimit
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Free == nil {
		o.Free = freeBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// prepare makes the directory, or sees that it is ours and private.
func prepare(dir string) error {
	if dir == "" {
		return errors.New("the cache has no directory: name one")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the directory for the cache cannot be made: %w; choose one that you may write to", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("the directory of the cache cannot be read: %w; change its owner, or choose another", err)
	}
	other, orphan := foreign(entries)
	if other != "" {
		return fmt.Errorf("%s %w, it holds %s: choose an empty directory", dir, ErrForeign, other)
	}
	if orphan != "" {
		return explain(dir, fmt.Errorf("its MANIFEST is gone, without which nobody knows what is in %s", orphan))
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("the directory of the cache cannot be made private: %w; change its owner, or choose another", err)
	}
	if err := makeFiles(dir, 1); err != nil {
		return fmt.Errorf("the directory of the cache cannot be written: %w; choose another", err)
	}
	return nil
}

// foreign names a file that is not Badger's in a directory that has no database; to make such a directory private, or to
// fill it with files, would be a bad surprise. An orphan is one of Badger's own there: somebody has emptied the directory while
// the cache was open.
func foreign(entries []os.DirEntry) (other, orphan string) {
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "MANIFEST":
			return "", ""
		case name == "LOCK", name == "lost+found", strings.HasPrefix(name, "MANIFEST-"): // the last of a start that was killed
		case name == "DISCARD", name == "KEYREGISTRY", isNumbered(name):
			orphan = name
		default:
			other = name
		}
	}
	return other, orphan
}

// isNumbered says that a file has the name of one of Badger's tables or logs. What has only its ending may be somebody's work.
func isNumbered(name string) bool {
	ext := filepath.Ext(name)
	number := strings.TrimSuffix(name, ext)
	return slices.Contains([]string{".mem", ".sst", ".vlog"}, ext) && len(number) >= 5 && strings.Trim(number, "0123456789") == ""
}

// explain makes sentences of Badger's errors, which do not wrap what caused them.
func explain(dir string, err error) error {
	if strings.Contains(err.Error(), "Another process is using this Badger database") {
		owner := "another process"
		if pid, err := os.ReadFile(filepath.Join(dir, "LOCK")); err == nil && len(pid) > 0 {
			owner = "another Hither, process " + strings.TrimSpace(string(pid))
		}
		return fmt.Errorf("the cache in %s is in use by %s: stop that one, or give this one a directory of its own", dir, owner)
	}
	if says(err, fs.ErrPermission) {
		return fmt.Errorf("the cache in %s holds files of somebody else: %w; change their owner, or choose another directory", dir, err)
	}
	if says(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM) {
		return fmt.Errorf("the cache in %s cannot be opened: %w; nothing in it is damaged: let Hither have more, or others have less, and start it again", dir, err)
	}
	return fmt.Errorf("the cache in %s cannot be opened: %w: %w; if it does not mend, delete the directory: everything in it can be fetched again", dir, ErrDamaged, err)
}

// says looks for causes in the words of an error, too.
func says(err error, causes ...error) bool {
	return slices.ContainsFunc(causes, func(cause error) bool {
		return errors.Is(err, cause) || strings.Contains(err.Error(), cause.Error())
	})
}

// state is the record that tells one run what the last one left.
type state struct {
	Version int    `json:"version"` // of all records
	Run     uint32 `json:"run"`
	Epoch   uint32 `json:"epoch"`
	Clean   bool   `json:"clean"`   // the run has ended as it should; the tallies are right
	Unswept bool   `json:"unswept"` // there may be chunks that belong to nothing
	Names   tally  `json:"names"`
	Blobs   tally  `json:"blobs"`
}

// sayHello begins a run. The disk must know that it has begun before anything else is written: were that lost in a power
// cut, the next start would believe what the last clean end said.
func (s *Store) sayHello() error {
	last, err := s.lastState()
	if err != nil {
		return err
	}
	// Also after the time, for a damaged disk may forget the last runs, and bring an older state back: with their numbers, new
	// chunks would be old blobs'.
	s.run = max(last.Run+1, uint32(s.opt.Now().Unix()))
	s.epoch, s.names, s.blobs, s.unswept = last.Epoch, last.Names, last.Blobs, last.Unswept
	if !last.Clean {
		s.epoch = s.run
		if err := s.recount(); err != nil {
			return err
		}
	}
	if err := s.loadJournal(); err != nil {
		return err
	}
	if err := s.saveState(false); err != nil {
		return err
	}
	return s.db.Sync()
}

// sayGoodbye ends a run. All else must be on the disk before the word that it is.
func (s *Store) sayGoodbye() error {
	if err := s.db.Sync(); err != nil {
		return err
	}
	return s.saveState(true)
}

func (s *Store) lastState() (state, error) {
	last := state{Version: recordVersion}
	value, err := s.get(stateKey)
	if errors.Is(err, cache.ErrNotFound) {
		last.Run, err = s.newestRun()
		return last, err // a new directory, or one that was damaged: not clean, so that nothing in it is believed
	}
	if err == nil {
		err = json.Unmarshal(value, &last)
	}
	if err == nil && last.Version != recordVersion {
		err = fmt.Errorf("it was written by another version of Hither (format %d, not %d): delete it, or run that version", last.Version, recordVersion)
	}
	return last, err
}

// newestRun finds the last run of which anything is left. The time does not tell it: a clock may have been set back, and who is
// started again within a second has a run that is ahead of it.
func (s *Store) newestRun() (uint32, error) {
	newest := uint64(0)
	err := s.scan(headerPrefix, func(_ string, value []byte) {
		if h, err := decodeHeader(value); err == nil {
			newest = max(newest, h.id, uint64(h.proved)<<32)
		}
	})
	err = errors.Join(err, s.snapshot(func(txn *badger.Txn) error {
		for _, prefix := range []string{chunkPrefix, journalPrefix} {
			fills(txn, prefix, 0, func(id uint64) bool {
				newest = max(newest, id)
				return true
			})
		}
		return nil
	}))
	return uint32(newest >> 32), err
}

func (s *Store) saveState(clean bool) error {
	s.mu.Lock()
	now := state{Version: recordVersion, Run: s.run, Epoch: s.epoch, Clean: clean, Unswept: s.unswept, Names: s.names, Blobs: s.blobs}
	s.mu.Unlock()
	value, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return s.update(func(txn *badger.Txn) error { return txn.Set([]byte(stateKey), value) })
}

func (s *Store) tallies() (names, blobs tally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names, s.blobs
}

// recount takes the tallies from the records, when a killed run did not save them, or a damaged table lost some of them.
func (s *Store) recount() error {
	s.counts.Lock()
	defer s.counts.Unlock()
	var names, blobs tally
	err := s.scan(namePrefix, func(key string, value []byte) {
		names.add(tally{1, int64(len(key) + len(value))})
	})
	if err != nil {
		return err
	}
	err = s.scan(headerPrefix, func(_ string, value []byte) {
		if h, err := decodeHeader(value); err == nil {
			blobs.add(tally{1, h.size})
		}
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names, s.blobs, s.unswept = names, blobs, true
	return nil
}
