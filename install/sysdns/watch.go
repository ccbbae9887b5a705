package sysdns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"hither/install"
)

const (
	// putBacks is how often in putBackTime a change is made again. More often means that somebody else means it.
	putBacks    = 3
	putBackTime = time.Minute
	// settleTime is how long a file must rest: programs write and rename, and what lies between is of no use.
	settleTime = 300 * time.Millisecond
	// watchPace is how often the steps are looked at even if no file was seen to change: settings have no files, and a
	// directory that is replaced takes its watch along.
	watchPace = 30 * time.Second
)

// ErrTrampled says that somebody else changes what we change, again and again, so that we have given in.
var ErrTrampled = errors.New("another program writes over Hither's DNS settings again and again, so Hither leaves them to it")

// Watch makes steps again when somebody writes over them, as NetworkManager and DHCP clients do with resolv.conf when the
// network changes. What they wrote becomes what Undo brings back. Fields are set before Run.
type Watch struct {
	Steps []install.Step
	Paths []string     // files whose change makes it look at once: Files of the steps; each 30 s it looks anyway
	Log   *slog.Logger // nil: nothing is said

	events <-chan struct{} // instead of listening; tests
}

// Run watches until ctx ends (nil), or until it has given in (ErrTrampled, with the step): a fourth time in a minute. The
// steps are then undone as far as they are still ours.
func (w *Watch) Run(ctx context.Context) error {
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	events, stop := w.listen(ctx)
	defer stop()
	pace := time.NewTicker(watchPace)
	defer pace.Stop()
	var put []time.Time // when it was made again
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		case <-events:
			if !settle(ctx, events) {
				return nil
			}
		}
		step, err := w.again(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			w.Log.WarnContext(ctx, "a change to this machine cannot be made again", "reason", err)
			continue
		case step == nil:
			continue
		}
		put = append(slices.DeleteFunc(put, func(at time.Time) bool { return time.Since(at) > putBackTime }), time.Now())
		if len(put) > putBacks {
			return w.giveIn(ctx, step)
		}
		w.Log.InfoContext(ctx, "somebody wrote over a change; made again", "step", step)
	}
}

// again does what is not in force, and returns the last such step; nil: all was in force.
func (w *Watch) again(ctx context.Context) (last install.Step, err error) {
	for _, step := range w.Steps {
		done, err := step.Done(ctx)
		if err == nil && !done {
			last, err = step, step.Do(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step, err)
		}
	}
	return last, nil
}

func (w *Watch) giveIn(ctx context.Context, step install.Step) error {
	err := fmt.Errorf("%w: %s: find it with `hither doctor`, or choose `--dns scoped`", ErrTrampled, step)
	err = errors.Join(err, install.TakeBack(ctx, w.Steps...))
	w.Log.WarnContext(ctx, "giving in", "reason", err)
	return err
}

// settle waits until nothing more comes; false: ctx has ended.
func settle(ctx context.Context, events <-chan struct{}) bool {
	for range 10 {
		rest := time.NewTimer(settleTime)
		select {
		case <-ctx.Done():
			rest.Stop()
			return false
		case <-rest.C:
			return true
		case <-events:
			rest.Stop()
		}
	}
	return true // somebody who never rests is met with our own text
}

// listen says when something happens to the files. It watches their directories, since files are replaced. Without
// inotify, or without such a directory, nothing comes, and the pace has to do.
func (w *Watch) listen(ctx context.Context) (<-chan struct{}, func()) {
	if w.events != nil {
		return w.events, func() {}
	}
	events := make(chan struct{}, 1)
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		w.Log.WarnContext(ctx, "files cannot be watched; looking at them now and then", "reason", err)
		return events, func() {}
	}
	for _, path := range w.Paths {
		if err := watcher.Add(filepath.Dir(path)); err != nil {
			w.Log.WarnContext(ctx, "a file cannot be watched; looking at it now and then", "file", path, "reason", err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case e, ok := <-watcher.Events:
				if !ok {
					return
				}
				if !slices.Contains(w.Paths, e.Name) || e.Op == fsnotify.Chmod {
					continue
				}
			case _, ok := <-watcher.Errors: // too many at once: something has happened
				if !ok {
					return
				}
			}
			select {
			case events <- struct{}{}:
			default: // one is waiting already
			}
		}
	}()
	return events, func() {
		_ = watcher.Close()
		<-done
	}
}

// Files are the files that steps edit, for Watch, and the targets of the links whose places they have taken.
func Files(steps ...install.Step) (paths []string) {
	for _, step := range steps {
		switch e := step.(type) {
		case install.Edit:
			paths = append(paths, files(e)...)
		case *install.Edit:
			paths = append(paths, files(*e)...)
		}
	}
	return paths
}

func files(e install.Edit) []string {
	paths := []string{e.On.Path(e.Path)}
	if !e.Replace || e.On.Journal == nil {
		return paths
	}
	records, _ := e.On.Journal.Records() // without it only the file itself is watched, and the pace does the rest
	for _, r := range records {
		if r.Step != e.Name || r.File == nil || r.File.Former.Link == "" {
			continue
		}
		if target, err := e.On.Target(r.File); err == nil {
			paths = append(paths, target)
		}
	}
	return paths
}
