package hot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"hither/cache"
	"hither/cache/badger"
	"hither/cache/cachetest"
	"hither/cache/digest"
	"hither/cache/mem"
)

func TestPromises(t *testing.T) {
	cachetest.Test(t, func(*testing.T) cache.Store { return New(&mem.Store{Limit: cachetest.Limit}, 1<<20) })
}

// TestPromisesOfATinySet has nearly everything pass through.
func TestPromisesOfATinySet(t *testing.T) {
	cachetest.Test(t, func(*testing.T) cache.Store { return New(&mem.Store{Limit: cachetest.Limit}, 4<<10) })
}

// counting tells how often the store below was asked.
type counting struct {
	cache.Store
	mu      sync.Mutex
	lookups int
	opens   int
	during  func() // runs within a Lookup, after the entry was read; nil: nothing
}

func (c *counting) Lookup(ctx context.Context, name cache.Name) (cache.Entry, error) {
	e, err := c.Store.Lookup(ctx, name)
	c.mu.Lock()
	c.lookups++
	during := c.during
	c.mu.Unlock()
	if during != nil {
		during()
	}
	return e, err
}

func (c *counting) Open(ctx context.Context, d digest.Digest) (cache.Blob, error) {
	c.mu.Lock()
	c.opens++
	c.mu.Unlock()
	return c.Store.Open(ctx, d)
}

func open(t *testing.T, limit int64) (*hot, *counting) {
	t.Helper()
	below := &counting{Store: &mem.Store{}}
	s := New(below, limit).(*hot)
	t.Cleanup(func() { s.Close() })
	return s, below
}

func fill(t *testing.T, s cache.Store, body []byte) digest.Digest {
	t.Helper()
	w, err := s.Create(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return w.Digest()
}

func read(t *testing.T, s cache.Store, d digest.Digest) string {
	t.Helper()
	b, err := s.Open(t.Context(), d)
	if err != nil {
		return err.Error()
	}
	defer b.Close()
	text, err := io.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatIsAskedForAgainComesFromMemory(t *testing.T) {
	s, below := open(t, 1<<20)
	now := time.Now()
	s.now = func() time.Time { return now }
	d := fill(t, s, []byte("hello"))
	if err := s.Bind(t.Context(), "a", cache.Entry{Digest: d, Size: 5}); err != nil {
		t.Fatal(err)
	}
	ask := func() {
		t.Helper()
		if e, err := s.Lookup(t.Context(), "a"); err != nil || e.Digest != d || read(t, s, d) != "hello" {
			t.Fatalf("got %+v, %v", e, err)
		}
	}
	for range 5 {
		ask()
	}
	if below.lookups != 1 || below.opens != 1 {
		t.Errorf("asked below\n got %d look-ups, %d opens\nwant 1, 1", below.lookups, below.opens)
	}
	now = now.Add(belief)
	ask()
	if below.lookups != 2 || below.opens != 2 {
		t.Errorf("asked below when the belief is over\n got %d look-ups, %d opens\nwant 2, 2", below.lookups, below.opens)
	}
	if err := below.Store.Remove(t.Context(), d); err != nil { // evicted, behind our back
		t.Fatal(err)
	}
	now = now.Add(belief)
	if _, err := s.Open(t.Context(), d); !errors.Is(err, cache.ErrNotFound) {
		t.Errorf("what was evicted below\n got %v\nwant %v", err, cache.ErrNotFound)
	}
}

// TestWhatIsReadWhileItChangesIsNotKept changes a name between the moment it was read and the moment it would be kept.
func TestWhatIsReadWhileItChangesIsNotKept(t *testing.T) {
	s, below := open(t, 1<<20)
	one, two := cache.Entry{Source: "one"}, cache.Entry{Source: "two"}
	for what, change := range map[string]func(context.Context) error{
		"bind":   func(ctx context.Context) error { return s.Bind(ctx, "a", two) },
		"swap":   func(ctx context.Context) error { return s.Swap(ctx, "a", one, two) },
		"forget": func(ctx context.Context) error { return s.Forget(ctx, "a") },
	} {
		if err := s.Bind(t.Context(), "a", one); err != nil {
			t.Fatal(err)
		}
		below.during = func() {
			below.during = nil
			if err := change(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if e, _ := s.Lookup(t.Context(), "a"); e.Source != "one" {
			t.Errorf("%s: the look-up under way\n got %q\nwant one", what, e.Source)
		}
		if e, _ := s.Lookup(t.Context(), "a"); e.Source == "one" {
			t.Errorf("%s: the next look-up\n got one\nwant what is bound now", what)
		}
	}
}

func TestTheBoundHoldsAndWhatIsUsedStays(t *testing.T) {
	const limit = 200 << 10
	s, below := open(t, limit)
	loved := fill(t, s, []byte("loved"))
	for i := range 500 {
		read(t, s, loved)
		read(t, s, fill(t, s, slices.Repeat([]byte(fmt.Sprintf("%04d", i)), 500)))
		if n := s.set.smalls + s.set.mains; n > limit {
			t.Fatalf("bytes\n got %d\nwant at most %d", n, limit)
		}
	}
	before := below.opens
	read(t, s, loved)
	if below.opens != before {
		t.Error("what is asked for all the time was let go")
	}
	if n := len(s.set.ghosts); n > 64+len(s.set.items) || n != s.set.leaving.Len() {
		t.Errorf("ghosts\n got %d in the map, %d in order\nwant the same, at most %d", n, s.set.leaving.Len(), 64+len(s.set.items))
	}
}

func TestLargeBlobsAreNotKept(t *testing.T) {
	s, below := open(t, 8<<20)
	d := fill(t, s, make([]byte, maxBlob+1))
	read(t, s, d)
	read(t, s, d)
	if below.opens != 2 {
		t.Errorf("asked below\n got %d\nwant 2", below.opens)
	}
}

func TestVerifyPassesThrough(t *testing.T) {
	disk, err := badger.Open(badger.Options{Dir: t.TempDir(), Floor: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := New(disk, 1<<20)
	defer s.Close()
	d := fill(t, s, []byte("hello"))
	v, ok := s.(verifier)
	if !ok {
		t.Fatal("a store that verifies is hidden")
	}
	var seen []digest.Digest
	if err := v.Verify(t.Context(), func(d digest.Digest, _ int64, _ error) { seen = append(seen, d) }); err != nil || !slices.Equal(seen, []digest.Digest{d}) {
		t.Errorf("verified\n got %v, %v\nwant %v", seen, err, d)
	}
	if _, ok := New(&mem.Store{}, 1<<20).(verifier); ok {
		t.Error("a store that does not verify says it does")
	}
}
