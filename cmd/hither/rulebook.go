package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"hither/rules"
	rulesd "hither/rules.d"
)

// rulebook is the rules in force, and the user's directory that may change them while we run.
type rulebook struct {
	dir string
	log *slog.Logger
	set atomic.Pointer[rules.Set]

	mu      sync.Mutex
	problem string // why the files as they are now are not in force; empty: they are
}

func openRulebook(s Settings, log *slog.Logger) (*rulebook, error) {
	b := &rulebook{dir: s.Rules, log: log}
	set, err := b.load()
	if err != nil {
		return nil, err
	}
	b.set.Store(set)
	return b, nil
}

func (b *rulebook) load() (*rules.Set, error) {
	dirs := []fs.FS{rulesd.Files}
	if _, err := os.Stat(b.dir); err == nil {
		dirs = append(dirs, os.DirFS(b.dir))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return rules.Load(dirs...)
}

// now is the set in force.
func (b *rulebook) now() *rules.Set { return b.set.Load() }

// Problem is what is wrong with the files as they are now; empty: nothing.
func (b *rulebook) Problem() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.problem
}

// settleWait is how long a directory must be quiet before it is read: editors write a file in several steps.
const settleWait = 200 * time.Millisecond

// watch reads the rule files again when they change, and calls changed with the new set. Without a directory to watch it
// waits for ctx.
func (b *rulebook) watch(ctx context.Context, changed func(*rules.Set) error) error {
	w, err := fsnotify.NewWatcher()
	if err == nil {
		defer w.Close()
		err = w.Add(b.dir)
	}
	if err != nil {
		b.log.Debug("changes of rule files need a restart", "dir", b.dir, "error", err)
		<-ctx.Done()
		return nil
	}
	settle := time.NewTimer(0)
	<-settle.C
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.Events:
			if !ok {
				return nil
			}
			settle.Reset(settleWait)
		case err := <-w.Errors:
			b.log.Warn("watching the rule files", "error", err)
		case <-settle.C:
			b.reload(changed)
		}
	}
}

// reload puts the files in force, or says why not and keeps the last good set.
func (b *rulebook) reload(changed func(*rules.Set) error) {
	set, err := b.load()
	if err == nil {
		err = changed(set)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.problem = err.Error()
		b.log.Warn("the changed rule files are not in force, the last good ones stay", "error", err)
		return
	}
	b.problem = ""
	b.set.Store(set)
	b.log.Warn("the changed rule files are in force")
}
