package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"hither/cache"
	"hither/cache/badger"
	"hither/cache/mem"
	"hither/cmd/hither/settings"
)

// open opens the store of settings until the test ends, and returns it with what was said.
func open(t *testing.T, s settings.Settings) (cache.Store, string) {
	t.Helper()
	var said journal
	store, err := openStore(s, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store, said.String()
}

func TestTheCacheIsWhereTheSettingsSay(t *testing.T) {
	for _, row := range []struct {
		says   string
		s      settings.Settings
		memory bool
		shown  string
	}{
		{"on the disk", settings.Settings{Cache: "disk", CacheLimit: 1 << 30, CacheFree: 1}, false, ", of 1 GiB; "},
		{"without a cap", settings.Settings{Cache: "disk", CacheLimit: 0, CacheFree: 1}, false, "under 0 names; "},
		{"off", settings.Settings{Cache: "off"}, true, ", of 128 MiB; in memory, until Hither ends"},
		{"on a disk too full", settings.Settings{Cache: "disk", CacheFree: 1 << 60}, true, "; in memory, until Hither ends"},
	} {
		row.s.State = t.TempDir()
		store, said := open(t, row.s)
		_, memory := store.(*mem.Store)
		same(t, row.says+": in memory", memory, row.memory)
		same(t, row.says+": is said", strings.Contains(said, "make room on the disk, and start Hither again"), row.s.CacheFree == 1<<60)
		usage, err := store.Usage(t.Context())
		same(t, row.says+": error", err, nil)
		contains(t, describeUsage(usage), row.shown)
		writer, err := store.Create(t.Context(), "")
		if err != nil {
			t.Fatal(row.says, err)
		}
		same(t, row.says+": close", writer.Close(), nil)
	}
}

func TestStatusSpeaksWhereTheCacheCannot(t *testing.T) {
	skipElsewhere(t)
	s := settings.Settings{State: t.TempDir(), Cache: "disk", CacheFree: 1}
	h := newHousehold(t)
	defer h.stop()
	h.Store, _ = open(t, s)
	same(t, "removing it", os.RemoveAll(filepath.Join(s.State, "cache")), nil)
	status, err := h.Status(t.Context())
	same(t, "error", err, nil)
	same(t, "rules named", len(status.Upstreams) > 0, true)
	contains(t, status.Trouble, "cache: how much of the disk it takes is not known", "its directory was removed, and nothing new is kept until Hither is started again")
	if shown := describeUsage(status.Cache); strings.Contains(shown, "in memory") {
		t.Errorf("\n got %s\nwant not a word of memory", shown)
	}
}

func TestWhatIsToLastIsNotKeptInMemory(t *testing.T) {
	s := settings.Settings{State: t.TempDir(), Cache: "disk", CacheFree: 1 << 60, Lasting: true}
	store, err := openStore(s, slog.New(slog.DiscardHandler))
	if !errors.Is(err, cache.ErrFull) || store != nil {
		t.Errorf("\n got %v, %v\nwant no store, and %v", store, err, cache.ErrFull)
	}
}

func TestACacheDirectoryWithOtherThingsIsLeftAlone(t *testing.T) {
	s := settings.Settings{State: t.TempDir(), Cache: "disk"}
	write(t, filepath.Join(s.State, "cache", "thesis.tex"), []byte("four years"))
	store, err := openStore(s, slog.New(slog.DiscardHandler))
	if err == nil || store != nil {
		t.Fatalf("\n got %v, %v\nwant an error and no store", store, err)
	}
	contains(t, err.Error(), "is not a cache, it holds thesis.tex")
}

func TestADamagedCacheIsNoReasonNotToRun(t *testing.T) {
	s := settings.Settings{State: t.TempDir(), Cache: "disk", CacheFree: 1}
	write(t, filepath.Join(s.State, "cache", "MANIFEST"), []byte("nothing that Badger wrote"))
	store, said := open(t, s)
	_, memory := store.(*mem.Store)
	same(t, "in memory", memory, true)
	contains(t, said, "delete the directory")
	s.Lasting = true
	if _, err := openStore(s, slog.New(slog.DiscardHandler)); !errors.Is(err, badger.ErrDamaged) {
		t.Errorf("where it is to last\ngot  %v\nwant ErrDamaged", err)
	}
}

// The directory is one that not even root can make, as on a disk that is read-only.
func TestACacheThatCannotBeWrittenIsNoReasonNotToRun(t *testing.T) {
	s := settings.Settings{State: t.TempDir(), Cache: "disk", CacheFree: 1}
	if err := os.Symlink("/proc/cache", filepath.Join(s.State, "cache")); err != nil || runtime.GOOS != "linux" {
		t.Skip("no /proc here")
	}
	store, said := open(t, s)
	_, memory := store.(*mem.Store)
	same(t, "in memory", memory, true)
	contains(t, said, "what comes is kept in memory only", "the directory for the cache cannot be made", "choose one that you may write to")
	s.Lasting = true
	if store, err := openStore(s, slog.New(slog.DiscardHandler)); err == nil {
		t.Errorf("where it is to last\n got %v\nwant an error", store)
	}
}
