// Package rulebook is the rules in force: the built-in files, the user's own, and his choices of mirrors, read again when they
// change. What is wrong is reported, and the last good set stays.
//
//	book, err := rulebook.Open(settings, log)
//	rule, ok := book.Now().Host(host)
package rulebook

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"hither/cache/wholefile"
	"hither/cmd/hither/settings"
	"hither/forward/bearer"
	"hither/rules"
	rulesd "hither/rules.d"
)

// Book is the rules in force, and the user's directory that may change them while we run. Open makes one that can be asked; a
// Dir alone can be loaded. Watch runs once; all else may be called meanwhile.
type Book struct {
	Dir   string // of the user's rule files; it need not be there
	State string // holds the user's choices of mirrors; empty: there are none
	Log   *slog.Logger
	set   atomic.Pointer[rules.Set]
	seen  string // what the user's files were when they were last read; only Watch changes it

	mu      sync.Mutex
	plain   *rules.Set    // the rule files without the user's choices
	wanted  rules.Choices // the user's choices as they were read last
	chosen  string        // the file of choices as it was when it was last read
	unread  string        // why it could not be, and that was told; empty: it could
	problem string        // why the files as they are now are not in force; empty: they are
}

// Open reads the rules. It fails if the user's are wrong.
func Open(s settings.Settings, log *slog.Logger) (*Book, error) {
	b := &Book{Dir: s.Rules, State: s.State, Log: log}
	b.seen, _ = b.look() // before they are read: what changes meanwhile is seen by Watch
	set, err := b.Load()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(b.Dir); err != nil && s.From["rules"] != "default" {
		log.Warn("the directory of your rule files is not there; they are read when it is", "dir", b.Dir, "from", s.From["rules"])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.plain = set
	b.applyLocked()
	return b, nil
}

// Load reads the rule files, and changes nothing.
func (b *Book) Load() (*rules.Set, error) {
	dirs := []fs.FS{rulesd.Files}
	info, err := os.Stat(b.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("rule files: %w; name another directory with --rules", err)
	case !info.IsDir():
		return nil, fmt.Errorf("rule files: %s is not a directory; name another with --rules", b.Dir)
	default:
		dirs = append(dirs, os.DirFS(b.Dir))
	}
	set, err := rules.Load(dirs...)
	if err != nil {
		return nil, fmt.Errorf("rule files (yours are in %s): %w", b.Dir, err)
	}
	return set, nil
}

// Now is the set in force.
func (b *Book) Now() *rules.Set { return b.set.Load() }

// Plain is the rule files without the user's choices.
func (b *Book) Plain() *rules.Set {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.plain
}

// OffersH3 says whether a rule tells that an upstream speaks HTTP/3; host is as in its URL.
func (b *Book) OffersH3(host string) bool {
	on := func(base string) bool {
		u, err := url.Parse(base)
		return err == nil && (u.Host == host || u.Hostname() == host)
	}
	for _, r := range b.Now().Rules() {
		for _, h := range r.Hosts {
			if slices.Contains(h.Offers, "h3") && slices.ContainsFunc(h.Origin, on) {
				return true
			}
		}
		for _, m := range r.Mirrors {
			if slices.Contains(m.Offers, "h3") && on(m.URL) {
				return true
			}
		}
	}
	return false
}

// Realms are who gives tokens for the registries, by the SCHEME://HOST of their origins, as far as rules tell.
func (b *Book) Realms() map[string]bearer.Realm {
	all := make(map[string]bearer.Realm)
	for _, r := range b.Now().Rules() {
		for _, h := range r.Hosts {
			for _, base := range h.Origin {
				if h.Realm != "" {
					all[base] = bearer.Realm{URL: h.Realm, Service: h.Service}
				}
			}
		}
	}
	return all
}

// Problem is what is wrong with the files as they are now; empty: nothing.
func (b *Book) Problem() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.problem
}

// Place is where a rule's file is: the user's own goes before the built-in one.
func (b *Book) Place(file string) string {
	own := filepath.Join(b.Dir, file)
	if _, err := os.Stat(own); err == nil {
		return own
	}
	return "built-in " + file
}

const (
	// settleWait is how long the files must be as they are before they are read: editors write in several steps.
	settleWait = 200 * time.Millisecond
	// lookPace is how often we look by ourselves. Links to other directories, network disks and the mounts of containers
	// tell nobody of their changes, and a directory that is not there cannot be watched.
	lookPace = 3 * time.Second
)

// Watch reads the rule files again when they change, and calls changed with the new set, until ctx ends.
func (b *Book) Watch(ctx context.Context, changed func(*rules.Set) error) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		b.Log.Debug("changes of rule files are seen a little later", "error", err)
		b.follow(ctx, nil, changed)
		return nil
	}
	defer w.Close()
	hints := make(chan struct{})
	var passing sync.WaitGroup
	passing.Go(func() { b.passHints(ctx, w, hints) })
	b.follow(ctx, hints, changed)
	passing.Wait()
	return nil
}

// passHints tells of each event in the directory. Whether it means anything, and what was missed, follow finds out. The
// directory is watched anew each time, for it may be another one under the same name.
func (b *Book) passHints(ctx context.Context, w *fsnotify.Watcher, hints chan<- struct{}) {
	again := time.NewTicker(lookPace)
	defer again.Stop()
	for {
		_ = w.Add(b.Dir) // it need not be there
		select {
		case <-ctx.Done():
			return
		case <-w.Events:
		case err := <-w.Errors:
			b.Log.Debug("events of rule files were lost", "error", err)
		case <-again.C:
			continue
		}
		select {
		case hints <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// follow looks at each hint, and from time to time without one.
func (b *Book) follow(ctx context.Context, hints <-chan struct{}, changed func(*rules.Set) error) {
	pace := time.NewTicker(lookPace)
	defer pace.Stop()
	for {
		b.Rechoose()
		if now, ok := b.look(); ok && now != b.seen {
			if now = b.settle(ctx, now); ctx.Err() != nil {
				return
			}
			if b.Reload(changed) {
				b.seen = now
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-hints:
		case <-pace.C:
		}
	}
}

// settle waits until nobody writes any more.
func (b *Book) settle(ctx context.Context, now string) string {
	for {
		select {
		case <-ctx.Done():
			return now
		case <-time.After(settleWait):
		}
		last := now
		seen, ok := b.look()
		if now = seen; ok && now == last {
			return now
		}
	}
}

// look sums up the user's files as they are. False: as many files are open as may be, so that it says nothing.
func (b *Book) look() (now string, ok bool) {
	sum := sha256.New()
	_, err := os.Stat(b.Dir)
	fmt.Fprintln(sum, err)
	files, err := os.ReadDir(b.Dir)
	fmt.Fprintln(sum, err)
	ok = !wholefile.OutOfFiles(err)
	for _, file := range files {
		if filepath.Ext(file.Name()) == ".toml" {
			fmt.Fprintf(sum, "%q ", file.Name())
			ok = addFile(sum, filepath.Join(b.Dir, file.Name())) && ok
		}
	}
	return string(sum.Sum(nil)), ok
}

// lookLimit is more than the largest file that rules reads, in bytes.
const lookLimit = 2 << 20

// addFile reads ordinary files only: a pipe would never end. False: none could be opened.
func addFile(sum hash.Hash, path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		fmt.Fprintln(sum, err)
		return true
	}
	fmt.Fprintln(sum, info.Size())
	file, err := os.Open(path)
	if err == nil {
		defer file.Close()
		_, err = io.Copy(sum, io.LimitReader(file, lookLimit))
	}
	fmt.Fprintln(sum, err)
	return !wholefile.OutOfFiles(err)
}

// Reload puts the files in force, or says why not and keeps the last good set. It says whether the files have had their
// chance: what stood in the way may also have been something else, such as a full disk, or as many files open as may be.
func (b *Book) Reload(changed func(*rules.Set) error) bool {
	set, err := b.Load()
	wrong := err != nil && !wholefile.OutOfFiles(err)
	if err == nil {
		err = changed(set)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		if b.problem != err.Error() {
			b.Log.Warn("the changed rule files are not in force, the last good ones stay", "error", err)
		}
		b.problem = err.Error()
		return wrong
	}
	b.problem = ""
	b.plain = set
	b.applyLocked()
	b.Log.Warn("the changed rule files are in force", "dir", b.Dir, "rules", len(set.Rules()), "hosts", len(set.Hosts()))
	return true
}
