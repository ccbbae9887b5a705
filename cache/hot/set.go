package hot

import (
	"container/list"
	"hash/maphash"
	"sync"
	"time"

	"hither/cache"
)

const (
	// overhead is what an item costs beside its bytes: its record, its places in the map and a queue, and the ghost that it
	// leaves one day. It was measured.
	overhead = 480
	// perHeader is what a header of an entry costs beside its bytes.
	perHeader = 64
	// often is up to where uses are counted; more does not make an item stay longer.
	often = 3
	// stripes is how many tickets there are. Keys that share one make each other's fills be thrown away, now and then.
	stripes = 256
)

// item is an entry or a blob. Its bytes are never changed.
type item struct {
	key   string
	entry cache.Entry
	blob  []byte
	until time.Time // the store below is asked again then
	size  int64     // what it costs, in bytes

	used int  // since it came or was last passed over
	main bool // it is in the large queue
}

func newEntryItem(key string, e cache.Entry) *item {
	n := len(e.Digest) + len(e.Source) + len(e.Vouched) + len(e.Value)
	for name, value := range e.Header {
		n += len(name) + len(value) + perHeader
	}
	return &item{key: key, entry: e, size: int64(len(key)+n) + overhead}
}

func newBlobItem(key string, b []byte) *item {
	return &item{key: key, blob: b, size: int64(len(key)+len(b)) + overhead}
}

// believed sets how long the store below, which was asked at that time, is not asked again.
func (it *item) believed(asked time.Time) *item {
	it.until = asked.Add(belief)
	return it
}

// set is a bounded number of bytes, of which those used again stay. Its methods may be called from many goroutines.
type set struct {
	limit int64
	seed  maphash.Seed

	mu      sync.Mutex
	items   map[string]*list.Element // of *item, in small or main
	small   list.List                // the newest in front
	main    list.List
	smalls  int64 // bytes
	mains   int64
	ghosts  map[uint64]*list.Element // hashes of keys that left small unused; two keys of one hash do no harm
	leaving list.List                // of uint64, the newest in front
	changes [stripes]uint64
}

func newSet(limit int64) *set {
	return &set{limit: limit, seed: maphash.MakeSeed(), items: map[string]*list.Element{}, ghosts: map[uint64]*list.Element{}}
}

// ticket says how things stood when the store below was asked.
type ticket struct {
	stripe uint64
	change uint64
}

// get returns an item that is still believed, or nil and a ticket for the fill.
func (s *set) get(key string, now time.Time) (*item, ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.items[key]; ok {
		it := e.Value.(*item)
		it.used = min(it.used+1, often)
		if now.Before(it.until) {
			return it, ticket{}
		}
	}
	stripe := maphash.String(s.seed, key) % stripes
	return nil, ticket{stripe, s.changes[stripe]}
}

// put keeps an item, unless something of its kind was dropped since the ticket was drawn.
func (s *set) put(it *item, t ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes[t.stripe] != t.change || it.size > s.limit/8 {
		return
	}
	if old, ok := s.items[it.key]; ok { // asked for again: it keeps its place
		was := old.Value.(*item)
		it.used, it.main = was.used, was.main
		old.Value = it
		s.countLocked(it.main, it.size-was.size)
	} else {
		hash := maphash.String(s.seed, it.key)
		ghost, known := s.ghosts[hash]
		if known {
			s.leaving.Remove(ghost)
			delete(s.ghosts, hash)
		}
		it.main = known
		s.pushLocked(it)
	}
	s.trimLocked()
}

func (s *set) pushLocked(it *item) {
	queue := &s.small
	if it.main {
		queue = &s.main
	}
	s.items[it.key] = queue.PushFront(it)
	s.countLocked(it.main, it.size)
}

func (s *set) countLocked(main bool, n int64) {
	if main {
		s.mains += n
	} else {
		s.smalls += n
	}
}

// takeLocked removes an item from its queue.
func (s *set) takeLocked(e *list.Element) *item {
	it := e.Value.(*item)
	if it.main {
		s.main.Remove(e)
	} else {
		s.small.Remove(e)
	}
	s.countLocked(it.main, -it.size)
	delete(s.items, it.key)
	return it
}

// trimLocked makes the bound hold. The small queue gives first, as long as it has more than a tenth.
func (s *set) trimLocked() {
	for s.smalls+s.mains > s.limit {
		if s.smalls > s.limit/10 || s.main.Len() == 0 {
			it := s.takeLocked(s.small.Back())
			if it.used > 0 {
				it.used, it.main = 0, true
				s.pushLocked(it)
				continue
			}
			s.leaveLocked(maphash.String(s.seed, it.key))
		} else {
			it := s.takeLocked(s.main.Back())
			if it.used > 0 {
				it.used--
				s.pushLocked(it)
			}
		}
	}
	for s.leaving.Len() > 64+len(s.items) { // as many as would fit, roughly
		delete(s.ghosts, s.leaving.Remove(s.leaving.Back()).(uint64))
	}
}

// leaveLocked makes a ghost, the newest of its hash.
func (s *set) leaveLocked(hash uint64) {
	if old, ok := s.ghosts[hash]; ok {
		s.leaving.Remove(old)
	}
	s.ghosts[hash] = s.leaving.PushFront(hash)
}

// drop forgets a key, and whatever was read of it before now and is not kept yet.
func (s *set) drop(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes[maphash.String(s.seed, key)%stripes]++
	if e, ok := s.items[key]; ok {
		s.takeLocked(e)
	}
}

// clear forgets everything, and keeps nothing that was asked for before.
func (s *set) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.changes {
		s.changes[i]++
	}
	clear(s.items)
	clear(s.ghosts)
	s.small.Init()
	s.main.Init()
	s.leaving.Init()
	s.smalls, s.mains = 0, 0
}
