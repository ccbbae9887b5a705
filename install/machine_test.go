package install

import (
	"path/filepath"
	"testing"

	"hither/install/stage"
)

// world is a machine in a directory, whose commands are played.
type world struct {
	*Machine
	*stage.Stage
	t testing.TB
}

func newWorld(t testing.TB, system string, files map[string]string) *world {
	t.Helper()
	dir := t.TempDir()
	m := &Machine{
		OS: system, Root: filepath.Join(dir, "root"), Home: "/home/u", UID: -1, GID: -1,
		Env:     func(string) string { return "" },
		Journal: OpenJournal(filepath.Join(dir, "state", "journal")),
	}
	w := &world{Machine: m, Stage: stage.New(t, dir, m.Path), t: t}
	m.Run = w.Perform
	for path, text := range files {
		w.Write(path, text)
	}
	return w
}
