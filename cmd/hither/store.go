package main

import (
	"errors"
	"log/slog"
	"path/filepath"

	"hither/cache"
	"hither/cache/badger"
	"hither/cache/mem"
)

// memoryLimit is for a cache that lives only as long as we do.
const memoryLimit = 128 << 20

// openStore opens the cache. A disk that is too full to keep anything on is no reason not to run.
func openStore(s Settings, log *slog.Logger) (cache.Store, error) {
	if s.Cache == "off" {
		return &mem.Store{Limit: memoryLimit}, nil
	}
	store, err := badger.Open(badger.Options{
		Dir: filepath.Join(s.State, "cache"), Limit: int64(s.CacheLimit), Floor: int64(s.CacheFree), Log: log,
	})
	if errors.Is(err, cache.ErrFull) {
		log.Warn("nothing is kept on the disk until there is room", "error", err)
		return &mem.Store{Limit: memoryLimit}, nil
	}
	return store, err
}
