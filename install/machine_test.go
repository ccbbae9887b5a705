package install

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// world is a machine in a directory, whose commands are played.
type world struct {
	*Machine
	t testing.TB

	mu   sync.Mutex
	ran  []string                                          // commands, joined by spaces
	play func(argv []string, stdin []byte) ([]byte, error) // nil: every command succeeds and says nothing
}

func newWorld(t testing.TB, system string, files map[string]string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t}
	w.Machine = &Machine{
		OS: system, Root: filepath.Join(dir, "root"), Home: "/home/u", UID: -1, GID: -1,
		Env:     func(string) string { return "" },
		Journal: OpenJournal(filepath.Join(dir, "state", "journal")),
		Run:     w.run,
	}
	for path, text := range files {
		w.write(path, text)
	}
	return w
}

func (w *world) run(_ context.Context, argv []string, stdin []byte) ([]byte, error) {
	w.mu.Lock()
	w.ran = append(w.ran, strings.Join(argv, " "))
	w.mu.Unlock()
	if w.play == nil {
		return nil, nil
	}
	return w.play(argv, stdin)
}

// write makes a file; a text "-> x" makes a link to x, and a path with a slash at its end a directory.
func (w *world) write(path, text string) {
	w.t.Helper()
	real := w.Path(path)
	check(w.t, os.MkdirAll(filepath.Dir(real), 0o755))
	if strings.HasSuffix(path, "/") {
		check(w.t, os.MkdirAll(real, 0o755))
		return
	}
	if target, ok := strings.CutPrefix(text, "-> "); ok {
		check(w.t, os.Symlink(target, real))
		return
	}
	check(w.t, os.WriteFile(real, []byte(text), 0o644))
}

func (w *world) read(path string) string {
	w.t.Helper()
	text, err := os.ReadFile(w.Path(path))
	check(w.t, err)
	return string(text)
}

// tree is all that is in the machine, times left out.
func (w *world) tree() string {
	w.t.Helper()
	var lines []string
	err := filepath.WalkDir(filepath.Dir(w.Root), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(filepath.Dir(w.Root), path)
		if rel == "." || rel == "state" {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		uid, gid, names := owner(info)
		l := fmt.Sprintf("%s %v %d:%d", rel, info.Mode(), uid, gid)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			lines = append(lines, l+" -> "+target)
			return err
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			lines = append(lines, fmt.Sprintf("%s %d %q", l, names, text))
			return err
		}
		lines = append(lines, l)
		return nil
	})
	check(w.t, err)
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// crash is what a process that ends at once leaves behind: the panic runs nothing but what frees locks.
type crash struct{}

// crashAt lets the n-th system call from now be the first that is not made. It returns how many were made.
func (w *world) crashAt(n int, act func() error) (crashed bool, err error) {
	calls := 0
	w.fault = func(string, string) {
		if calls++; calls > n {
			panic(crash{})
		}
	}
	defer func() {
		w.fault = nil
		if p := recover(); p != nil {
			if _, ok := p.(crash); !ok {
				panic(p)
			}
			crashed = true
		}
	}()
	return false, act()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s\ngot  %v\nwant %v", what, got, want)
	}
}
