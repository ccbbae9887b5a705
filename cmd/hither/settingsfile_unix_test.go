//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPipesAreNotWaitedFor is about a project that somebody else has laid out.
func TestPipesAreNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.up()
	pipe := filepath.Join(w.home, "pipe")
	npmrc := filepath.Join(w.home, ".npmrc")
	for _, name := range []string{pipe, npmrc} {
		if err := unix.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines(t, w, "env", "--shell", "sh")
	if err := os.Remove(npmrc); err != nil {
		t.Fatal(err)
	}
	write(t, npmrc, []byte("cafile="+pipe))
	if got := lines(t, w, "env", "--shell", "sh"); !strings.Contains(got+w.err.String(), "is no ordinary file") {
		t.Errorf("a list of roots that is none\n got %s\nwant a warning", w.err.String())
	}
}
