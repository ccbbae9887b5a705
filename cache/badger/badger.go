// Package badger is the cache on disk: names and blobs in one Badger database, made to forget.
//
// Blobs are kept in chunks, so that memory stays small, ranges are cheap and readers never hold the database up. A blob
// exists from the moment its header is written, which is the last thing a fill writes: a torn fill is invisible. What a
// fill wrote before is listed in a journal, so that the next start drops it without looking through everything.
//
// Writes are not synced one by one. A killed process loses nothing it was told is written; a power cut may lose the last
// seconds. So after an unclean end each blob is checked against its digest when it is first opened.
//
//	store, err := badger.Open(badger.Options{Dir: dir})
//	defer store.Close()
//
// What Badger's defaults get wrong for blobs, and why it is told otherwise here, stands in engine.go. Its worst habit is
// in space.go: it dies on a full disk.
package badger

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"hither/cache"
)

const (
	// defaultLimit holds a few weeks of one developer's builds.
	defaultLimit = 10 << 30
	// maxFlight is how many bytes of chunks may be on their way into Badger, for the process. More does not make the disk
	// faster, and all of it is memory.
	maxFlight = 8 << 20
	// maxRecent is how many bytes of chunks that have landed stay in memory until their writer is closed, for the process.
	// What is filled is read at once, to be checked and by who waits for it; from Badger, each chunk is summed twice more.
	maxRecent = 8 << 20
	// stall is how long the disk may take no bytes before a fill gives up: the client is better served without a cache.
	stall = 30 * time.Second
	// tidyEvery is how often last-used times are written and space is given back that could not be before. A kill loses
	// no more than this much of the order in which blobs are evicted.
	tidyEvery = time.Minute
)

// Options say where and how much. Only Dir is needed.
type Options struct {
	// Dir is the cache's own directory. It is made, with mode 0700, if it is not there.
	Dir string
	// Limit caps the bytes of blobs, with fills under way; 0: 10 GiB. Those used longest ago make room, a twentieth of
	// Limit at a time. A blob above half of Limit is ErrFull, as it would drive out everything else. Names may take 1/64
	// of Limit, at least 4 MiB, and are forgotten in the same order, pinned ones never. On the disk all this takes up to
	// half as much again, and never less than a value log file (64 or 256 MiB).
	Limit int64
	// Floor is how many bytes must stay free on the file system. Below it fills get ErrFull, and each minute a tenth of
	// the blobs makes room; below half of it Open fails. 0: 2 GiB or a twentieth of the file system, whichever is more.
	// Less than 256 MiB counts as 256 MiB, for Badger needs that much to tidy up.
	Floor int64
	// Log hears of trouble; nil: nobody does.
	Log *slog.Logger
	// Free tells how many bytes are free where dir is; nil: the file system is asked.
	Free func(dir string) (int64, error)
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Store keeps names and blobs in a directory that no other process may use meanwhile. Make it with Open.
type Store struct {
	opt   Options // with the defaults put in
	db    *badger.DB
	run   uint32 // a number for each time this directory was opened, each above the one before
	epoch uint32 // the first run since the last unclean end; what was proved before it is not believed

	stop    context.CancelFunc // of the keeper
	running sync.WaitGroup     // calls, flights and the keeper; Close waits for them

	gate    sync.RWMutex        // held for reading by who writes, and for writing by DropPrefix, during which Badger refuses writes
	merging sync.Mutex          // held by who merges tables or drops a prefix; before gate
	walks   sync.RWMutex        // held for reading by who has an iterator, and for writing by Rest; before gate
	counts  sync.RWMutex        // held for reading from a change of names or blobs until it is counted, and for writing by who counts all; before the stripes
	stripes [64]sync.Mutex      // one is held from reading a record until its new version is written
	seed    maphash.Seed        // chooses the stripe
	flight  *semaphore.Weighted // bytes of maxFlight
	recent  atomic.Int64        // bytes of maxRecent
	buffers buffers             //
	checks  singleflight.Group  // blobs that are being checked after an unclean end, by digest
	evict   sync.Mutex          // one at a time looks for the oldest
	tidying chan struct{}       // of size 1: held by who collects garbage
	kick    chan struct{}       // of size 1: tells the keeper that there is something to do
	wrote   chan struct{}       // of size 1: tells level that something was written
	used    used                //
	seals   seals               //
	files   files               //
	mu      sync.Mutex          // guards what follows
	closed  bool                //
	next    uint32              // number of the next fill in this run
	held    map[uint64]*hold    // fills and blobs that are being read or written
	garbage []uint64            // fills that nobody needs, to be dropped
	dropped int64               // bytes of garbage since space was last given back
	unswept bool                // there may be chunks that belong to nothing
	names   tally               //
	blobs   tally               //
	filling int64               // bytes of fills that are not committed
}

var _ cache.Store = (*Store)(nil)

// tally counts records and their bytes.
type tally struct {
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
}

func (t *tally) add(d tally) {
	t.Count += d.Count
	t.Bytes += d.Bytes
}

// Close lets running calls end, and notes that all is well. Blobs and writers that are still open fail afterwards with
// ErrClosed. On a disk without any room it leaves the directory as a kill would: even closing Badger writes.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return cache.ErrClosed
	}
	s.stop()
	s.running.Wait()
	if err := s.spare(reserve); err != nil {
		return err
	}
	s.writeUsed()
	if err := s.sayGoodbye(); err != nil {
		s.opt.Log.Warn("the cache will be checked at its next start", "dir", s.opt.Dir, "err", err)
	}
	return s.db.Close()
}

// enter begins a call; the caller defers s.running.Done. It must not be held while a client is waited for.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return cache.ErrClosed
	}
	s.running.Add(1)
	return nil
}

// begin is enter for calls with a context.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.enter()
}

// Usage tells what is kept. It looks at each file in the directory, of which there are some hundreds.
func (s *Store) Usage(ctx context.Context) (cache.Usage, error) {
	if err := s.begin(ctx); err != nil {
		return cache.Usage{}, err
	}
	defer s.running.Done()
	free, err := s.opt.Free(s.opt.Dir)
	if err != nil {
		free = 0
	}
	onDisk, err := diskUse(s.opt.Dir)
	if err != nil {
		err = fmt.Errorf("how much of the disk it takes is not known: %w%s", err, remedy(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return cache.Usage{
		Names: s.names.Count, Blobs: s.blobs.Count, Bytes: s.blobs.Bytes,
		OnDisk: onDisk, Limit: s.opt.Limit, Free: free, Floor: s.opt.Floor,
	}, err
}

// keep sweeps, and then makes room below the floor, writes last-used times and collects garbage, until ctx ends.
func (s *Store) keep(ctx context.Context) {
	defer s.running.Done()
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	s.yield()
	if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
		s.opt.Log.Warn("the cache may keep what belongs to nothing until its next start", "dir", s.opt.Dir, "err", err)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.kick:
		case <-ticker.C:
			s.yield()
		}
		s.writeUsed()
		if err := s.collect(ctx, false); err != nil && ctx.Err() == nil {
			s.opt.Log.Warn("the cache could not give space back", "dir", s.opt.Dir, "err", err)
		}
	}
}

// wake lets the keeper look, soon.
func (s *Store) wake() { nudge(s.kick) }

// nudge tells who waits for a channel of size 1.
func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has been told
	}
}
