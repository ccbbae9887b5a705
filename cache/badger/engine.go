package badger

import (
	"fmt"
	"log/slog"
	"math"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

const (
	// valueThreshold is the size in bytes from which Badger keeps a value in its log and not in the tree. With its default
	// of 1 MiB all chunks would go through the tree: three times the writing, and gigabytes of memory.
	valueThreshold = 1 << 10
	// A log file is the unit in which space is given back, and what a GC reads at once; small caches need small ones.
	smallLog   = 64 << 20
	largeCache = 5 << 30
)

// engine are the options for many large values. The figures behind them are in reference/blocks.md.
func engine(opt Options) badger.Options {
	o := badger.DefaultOptions(opt.Dir).WithLogger(logger{opt.Log})
	o.ValueThreshold = valueThreshold
	o.ValueLogFileSize = logSize(opt.Limit)
	o.MemTableSize = memTable // the defaults are for gigabytes of small keys; ours are few
	o.NumMemtables = 2
	o.NumCompactors = 0 // level.go is ours
	o.NumLevelZeroTables = fewTables
	o.NumLevelZeroTablesStall = math.MaxInt32 // writers would wait with our locks held; see Store.behind
	o.Compression = options.None              // packages are packed already
	o.BlockCacheSize = 0                      // the system's page cache is one
	o.IndexCacheSize = 16 << 20
	o.DetectConflicts = false // records are guarded by stripes
	o.MetricsEnabled = false  // they are global to the process
	o.CompactL0OnClose = true // counts what can be given back
	o.SyncWrites = false      // costs half the speed; an unclean end is found out by digest
	o.ChecksumVerificationMode = options.OnBlockRead
	o.VerifyValueChecksum = true // else a damaged length in the log makes Badger panic with a lock held
	return o
}

func logSize(limit int64) int64 {
	if limit < largeCache {
		return smallLog
	}
	return largeLog
}

// logger hears Badger. Its infos are of no interest to anybody else.
type logger struct{ log *slog.Logger }

func (l logger) Errorf(format string, v ...any)   { l.log.Error(say(format, v)) }
func (l logger) Warningf(format string, v ...any) { l.log.Warn(say(format, v)) }
func (l logger) Infof(format string, v ...any)    { l.log.Debug(say(format, v)) }
func (l logger) Debugf(string, ...any)            {}

func say(format string, v []any) string {
	return "badger: " + strings.TrimSpace(fmt.Sprintf(format, v...))
}
