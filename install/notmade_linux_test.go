package install

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Whoever may not write to a place may not run what follows either: to take back what was never done would fail each time.
func TestAChangeThatIsForbiddenLeavesNothingToUndo(t *testing.T) {
	state, dir := t.TempDir(), t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // who may else write anywhere
		runtime.LockOSThread() // for good: the thread ends with the test
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capget(&header, &caps[0]); err != nil {
			t.Skip(err)
		}
		caps[0].Effective &^= 1 << unix.CAP_DAC_OVERRIDE
		if err := unix.Capset(&header, &caps[0]); err != nil {
			t.Skip(err)
		}
	}
	if err := leavesNothing(t, state, filepath.Join(dir, "root.crt")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("\n got %v\nwant that it is forbidden", err)
	}
}

// As on a read-only file system: the name is one that a file can have, but for what is made to replace it.
func TestAChangeThatCannotBeMadeLeavesNothingToUndo(t *testing.T) {
	dir := t.TempDir()
	if err := leavesNothing(t, t.TempDir(), filepath.Join(dir, "new", strings.Repeat("r", 250))); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Errorf("\n got %v\nwant that the name is too long", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left in the directory, error\n got %v, %v\nwant none", left, err)
	}
}

// leavesNothing makes a change that fails, and whose commands would.
func leavesNothing(t *testing.T, state, path string) error {
	t.Helper()
	ran := 0
	m := &Machine{UID: -1, GID: -1, Journal: OpenJournal(filepath.Join(state, "journal.jsonl"))}
	m.Run = func(context.Context, []string, []byte) ([]byte, error) {
		ran++
		return nil, errors.New("no right to")
	}
	step := Edit{
		On: m, Name: "trust", Path: path, After: [][]string{{"update"}},
		Change: func([]byte, bool) ([]byte, error) { return []byte("root"), nil },
	}
	err := Apply(t.Context(), step)
	left, err2 := m.Journal.Records()
	if err2 != nil || len(left) != 0 || ran != 0 {
		t.Errorf("left in the journal, commands, error\n got %v, %d, %v\nwant none", left, ran, err2)
	}
	return err
}
