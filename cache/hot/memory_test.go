package hot

import (
	"fmt"
	"runtime"
	"testing"

	"hither/cache"
	"hither/cache/digest"
)

// TestTheBoundIsOfMemory compares what the heap grows by with the bound, also when everything passes through and leaves
// its key behind.
func TestTheBoundIsOfMemory(t *testing.T) {
	const limit = 2 << 20
	for _, row := range []struct {
		says string
		item func(n int) *item
	}{
		{"blobs of a few bytes", func(n int) *item {
			key := blobKey(digest.Of(digest.SHA256, fmt.Appendf(nil, "%032d", n)))
			return newBlobItem(key, make([]byte, 64))
		}},
		{"entries with headers", func(n int) *item {
			e := cache.Entry{Source: fmt.Sprintf("https://mirror%d.example", n), Header: map[string]string{}}
			for h := range 5 {
				e.Header[fmt.Sprintf("Header-%d-%d", h, n)] = fmt.Sprintf("value %d", n)
			}
			return newEntryItem(nameKey(cache.Name(fmt.Sprintf("https://registry.example/package/%d", n))), e)
		}},
		{"entries with many headers", func(n int) *item {
			e := cache.Entry{Header: map[string]string{}}
			for h := range 20 {
				e.Header[fmt.Sprintf("H%d-%d", h, n)] = fmt.Sprintf("%d", n)
			}
			return newEntryItem(nameKey(cache.Name(fmt.Sprintf("https://registry.example/package/%d", n))), e)
		}},
		{"entries with long names", func(n int) *item {
			return newEntryItem(nameKey(cache.Name(fmt.Sprintf("https://registry.example/%0500d", n))), cache.Entry{})
		}},
	} {
		before := inUse()
		s := newSet(limit)
		for n := range 12_000 {
			it := row.item(n)
			_, ticket := s.get(it.key, it.until)
			s.put(it, ticket)
		}
		if got := inUse() - before; got > limit*5/4 {
			t.Errorf("%s\n got %d bytes for %d items and %d ghosts\nwant at most a quarter above %d", row.says, got, len(s.items), len(s.ghosts), limit)
		}
		runtime.KeepAlive(s)
	}
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
