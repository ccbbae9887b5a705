package resolver

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func held(c *cache, key string) bool { return c.get([]byte(key)) != nil }

func newHeld(key string) *entry {
	return &entry{key: key, wire: make([]byte, 100)}
}

// TestAFloodDoesNotPushOutWhatIsUsed is what S3-FIFO is for.
func TestAFloodDoesNotPushOutWhatIsUsed(t *testing.T) {
	const limit = 1 << 20
	c := newCache(limit)
	for i := range 100 {
		c.put(newHeld(fmt.Sprint("used", i)))
	}
	for i := range 20_000 {
		c.put(newHeld(fmt.Sprint("flood", i)))
		held(c, fmt.Sprint("used", i%100))
		if _, bytes := c.size(); i%5_000 == 0 && bytes > limit {
			t.Fatalf("got  %d bytes\nwant at most %d", bytes, limit)
		}
	}
	for i := range 100 {
		if !held(c, fmt.Sprint("used", i)) {
			t.Errorf("used%d was pushed out", i)
		}
	}
}

// TestTheCacheCountsWell does everything in a random order and counts after it.
func TestTheCacheCountsWell(t *testing.T) {
	c := newCache(64 << 10)
	dice := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		key := fmt.Sprint(dice.IntN(2000))
		switch n := dice.IntN(1000); {
		case n == 0:
			c.drop(func(e *entry) bool { return len(e.key)%2 == 0 })
		case n < 500:
			held(c, key)
		default:
			e := newHeld(key)
			e.wire = make([]byte, dice.IntN(800))
			c.put(e)
		}
	}
	for i := range c.shards {
		s := &c.shards[i]
		places, bytes := 0, int64(0)
		for _, q := range []*queue{&s.small, &s.main} {
			sum := int64(0)
			for p := q.first; p != nil; p = p.next {
				if s.entries[p.key] != p || p.queue != q {
					t.Fatalf("the place of %s is not that in the map", p.key)
				}
				places++
				sum += p.size
			}
			if sum != q.bytes {
				t.Fatalf("got  %d bytes\nwant %d", q.bytes, sum)
			}
			bytes += sum
		}
		if places != len(s.entries) || bytes > s.limit {
			t.Fatalf("got  %d places, %d entries, %d bytes\nwant as many, and at most %d bytes", places, len(s.entries), bytes, s.limit)
		}
	}
	c.drop(func(*entry) bool { return true })
	if entries, bytes := c.size(); entries != 0 || bytes != 0 {
		t.Errorf("got  %d entries, %d bytes\nwant none", entries, bytes)
	}
}
