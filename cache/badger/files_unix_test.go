//go:build unix

package badger

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"hither/cache"
)

// withoutFiles runs f in a process that can open nothing more, as when clients have all that it may have open.
func withoutFiles(t *testing.T, f func()) {
	t.Helper()
	var usual syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &usual); err != nil {
		t.Fatal(err)
	}
	none := usual
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &usual); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// TestWhereNoFileCanBeMadeTheCacheOnlyReads writes more than Badger takes before it needs a file, and collects. Badger ends the
// process when it does not get one.
func TestWhereNoFileCanBeMadeTheCacheOnlyReads(t *testing.T) {
	s := openIn(t, t.TempDir())
	kept := fillMany(t, s, 3000, 20)
	name := func(i int) cache.Name { return cache.Name(strings.Repeat(string(rune('a'+i%26)), maxName-i/26)) }
	withoutFiles(t, func() {
		var err error
		for i := range 2000 {
			if err = s.Bind(t.Context(), name(i), cache.Entry{}); err != nil && !errors.Is(err, cache.ErrFull) {
				t.Fatalf("binding a name\n got %v\nwant %v", err, cache.ErrFull)
			}
		}
		if err == nil {
			t.Errorf("binding 16 MB of names\n got no error\nwant %v", cache.ErrFull)
		}
		if err := s.Compact(t.Context()); !errors.Is(err, cache.ErrFull) {
			t.Errorf("collecting\n got %v\nwant %v", err, cache.ErrFull)
		}
		if _, err := s.Create(t.Context(), ""); !errors.Is(err, cache.ErrFull) {
			t.Errorf("beginning a fill\n got %v\nwant %v", err, cache.ErrFull)
		}
		for _, d := range kept {
			wantRead(t, s, d)
		}
	})
	if err := s.Bind(t.Context(), "later", cache.Entry{Digest: kept[0]}); err != nil {
		t.Error(err)
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Error(err)
	}
	for _, d := range append(kept, fillMany(t, s, 4000, 20)...) {
		wantRead(t, s, d)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
