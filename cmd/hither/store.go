package main

import (
	"cmp"
	"errors"
	"log/slog"
	"path/filepath"

	"hither/cache"
	"hither/cache/badger"
	"hither/cache/mem"
	"hither/cmd/hither/memory"
	"hither/cmd/hither/settings"
)

const (
	// memoryLimit is for a cache that lives only as long as we do, in bytes; less where there is little memory.
	memoryLimit = 128 << 20
	// noLimit is what "no cap" is to a store, for which 0 is a default: more than any disk has, and far from an overflow.
	noLimit = 1 << 60
)

// openStore opens the cache. One that does not open is no reason not to run, be its disk full or read-only or itself damaged: who
// is led to us would get nothing at all. Only where what comes is to last, it is; and where the directory is something else's.
func openStore(s settings.Settings, log *slog.Logger) (cache.Store, error) {
	if s.Cache == "off" {
		return &mem.Store{Limit: memory.Scaled(memoryLimit)}, nil
	}
	store, err := badger.Open(badger.Options{
		Dir: filepath.Join(s.State, "cache"), Limit: cmp.Or(int64(s.CacheLimit), noLimit), Floor: max(int64(s.CacheFree), 1), Log: log,
	})
	switch {
	case err == nil:
		return store, nil
	case s.Lasting, errors.Is(err, badger.ErrForeign):
		return nil, err // not store: a nil *badger.Store is no nil cache.Store
	case errors.Is(err, cache.ErrFull):
		log.Warn("what comes is kept in memory only: make room on the disk, and start Hither again", "error", err)
	default:
		log.Error("what comes is kept in memory only, until Hither is started with a cache that opens", "error", err)
	}
	return &mem.Store{Limit: memory.Scaled(memoryLimit)}, nil
}
