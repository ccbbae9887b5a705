package resolver

import (
	"hash/maphash"
	"slices"
	"sync"
)

const (
	shardCount = 64
	// overhead is what an entry takes beside its bytes: itself, its places in the map and the queue.
	overhead = 320
	// smallShare is the part of a shard that newcomers have, in percent.
	smallShare = 10
	// maxUses is how often an entry may be spared.
	maxUses = 3
)

// cache keeps answers by key, bounded in bytes. What is asked once, as in a flood of random names, passes through a small
// queue and does not push out what is asked often (S3-FIFO).
type cache struct {
	seed   maphash.Seed
	shards [shardCount]shard
}

type shard struct {
	mu      sync.RWMutex
	entries map[string]*place
	small   queue // newcomers
	main    queue // those that were asked again
	limit   int64 // bytes, of both
	ghosts  ghosts
}

// place is where an entry stands.
type place struct {
	*entry
	size       int64
	queue      *queue
	prev, next *place
}

// queue is first in, first out; places may also leave from the middle. The zero value is empty.
type queue struct {
	first, last *place
	bytes       int64
}

func newCache(limit int64) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].entries = map[string]*place{}
		c.shards[i].limit = max(limit/shardCount, 4096)
	}
	return c
}

func (c *cache) hash(key []byte) uint64 { return maphash.Bytes(c.seed, key) }

func (c *cache) shard(hash uint64) *shard { return &c.shards[hash%shardCount] }

// get returns what is known, however old; nil: nothing.
func (c *cache) get(key []byte) *entry {
	s := c.shard(c.hash(key))
	s.mu.RLock()
	found := s.entries[string(key)]
	s.mu.RUnlock()
	if found == nil {
		return nil
	}
	if n := found.used.Load(); n < maxUses {
		found.used.Store(n + 1)
	}
	return found.entry
}

// put keeps e in place of what was known.
func (c *cache) put(e *entry) {
	hash := c.hash([]byte(e.key))
	s := c.shard(hash)
	size := int64(len(e.wire)+2*len(e.ttls)+len(e.options)+2*len(e.key)) + overhead
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.entries[e.key]; old != nil {
		old.queue.bytes += size - old.size
		e.used.Store(old.used.Load())
		// Readers have the old entry, not its place, so that the place may be given another.
		next := &place{entry: e, size: size, queue: old.queue}
		old.queue.replace(old, next)
		s.entries[e.key] = next
	} else if size <= s.limit/4 {
		p := &place{entry: e, size: size}
		s.entries[e.key] = p
		if s.ghosts.take(hash) {
			s.main.push(p)
		} else {
			s.small.push(p)
		}
	}
	for s.small.bytes+s.main.bytes > s.limit {
		s.evictLocked(c)
	}
}

// evictLocked makes some room.
func (s *shard) evictLocked(c *cache) {
	if s.small.first != nil && (s.small.bytes*100 > s.limit*smallShare || s.main.first == nil) {
		p := s.small.pop()
		if p.used.Load() > 0 {
			p.used.Store(0)
			s.main.push(p)
			return
		}
		s.ghosts.add(c.hash([]byte(p.key)))
		delete(s.entries, p.key)
		return
	}
	p := s.main.pop()
	if n := p.used.Load(); n > 0 {
		p.used.Store(n - 1)
		s.main.push(p)
		return
	}
	delete(s.entries, p.key)
}

// drop forgets all for which gone says yes.
func (c *cache) drop(gone func(*entry) bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for key, p := range s.entries {
			if gone(p.entry) {
				p.queue.remove(p)
				delete(s.entries, key)
			}
		}
		s.mu.Unlock()
	}
}

// each calls visit with all entries, in no order.
func (c *cache) each(visit func(*entry)) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		for _, p := range s.entries {
			visit(p.entry)
		}
		s.mu.RUnlock()
	}
}

func (c *cache) size() (entries int, bytes int64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		entries, bytes = entries+len(s.entries), bytes+s.small.bytes+s.main.bytes
		s.mu.RUnlock()
	}
	return entries, bytes
}

func (q *queue) push(p *place) {
	p.queue, p.prev, p.next = q, q.last, nil
	if q.last == nil {
		q.first = p
	} else {
		q.last.next = p
	}
	q.last = p
	q.bytes += p.size
}

func (q *queue) pop() *place {
	p := q.first
	q.remove(p)
	return p
}

func (q *queue) remove(p *place) {
	if p.prev == nil {
		q.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		q.last = p.prev
	} else {
		p.next.prev = p.prev
	}
	q.bytes -= p.size
	p.prev, p.next, p.queue = nil, nil, nil
}

// replace puts next where old stands; bytes are the caller's affair.
func (q *queue) replace(old, next *place) {
	next.prev, next.next = old.prev, old.next
	if old.prev == nil {
		q.first = next
	} else {
		old.prev.next = next
	}
	if old.next == nil {
		q.last = next
	} else {
		old.next.prev = next
	}
}

// ghosts remembers the hashes of what left the small queue last: what is asked again was worth keeping.
type ghosts struct {
	ring [128]uint64
	next int
}

func (g *ghosts) add(hash uint64) {
	g.ring[g.next] = hash
	g.next = (g.next + 1) % len(g.ring)
}

func (g *ghosts) take(hash uint64) bool {
	i := slices.Index(g.ring[:], hash)
	if i >= 0 {
		g.ring[i] = 0
	}
	return i >= 0
}
