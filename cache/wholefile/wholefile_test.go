package wholefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// put writes a file of a state that was left long ago, or just now.
func put(t *testing.T, path string, age time.Duration) {
	t.Helper()
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-age)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %v\nwant %v", what, got, want)
	}
}

func TestAFileIsMadeAndReplacedWithTheSamePermissions(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]fs.FileMode{"secret": 0o600, "public": 0o644} {
		path := filepath.Join(dir, name)
		for _, text := range []string{"the first, which is longer", "the second", ""} {
			same(t, "error", Write(path, []byte(text), mode), nil)
			got, err := Read(path, 100)
			same(t, "error", err, nil)
			same(t, "content", string(got), text)
			if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != mode {
				t.Errorf("%s\n got %v, %v\nwant %v", name, info.Mode(), err, mode)
			}
		}
	}
	same(t, "files", names(t, dir), "public secret")
}

func TestWhatIsTooLargeIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	same(t, "error", Write(path, []byte("12345"), 0o600), nil)
	if got, err := Read(path, 5); string(got) != "12345" || err != nil {
		t.Errorf("got %q, %v, want all", got, err)
	}
	if got, err := Read(path, 4); got != nil || err == nil || !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %q, %v, want an error", got, err)
	}
	if _, err := Read(path+"x", 4); !os.IsNotExist(err) {
		t.Errorf("got %v, want that there is none", err)
	}
}

// TestAFailedWriteLeavesNothing cannot rename: a directory is in the way.
func TestAFailedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("x"), 0o600); err == nil {
		t.Error("no error")
	}
	same(t, "files", names(t, dir), "file")
	if err := Write(filepath.Join(dir, "away", "file"), nil, 0o600); !os.IsNotExist(err) {
		t.Errorf("got %v, want that there is no such directory", err)
	}
}

// TestWhatAKilledProcessLeftGoes finds it in a directory whose name is no pattern, and leaves alone what may be somebody's.
func TestWhatAKilledProcessLeftGoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{
		".file.1.hither-new": time.Hour, ".other.2.hither-new": time.Hour, ".file.3.hither-new": time.Second, ".file.4.hither-new": -time.Hour,
		"file.5.hither-new": time.Hour, ".file.6": time.Hour, "other": time.Hour,
	} {
		put(t, filepath.Join(dir, name), age)
	}
	same(t, "error", Write(filepath.Join(dir, "file"), nil, 0o600), nil)
	same(t, "files", names(t, dir), ".file.3.hither-new .file.4.hither-new .file.6 file file.5.hither-new other")
}

// TestTheFileSystemTellsTheTime is one in the network whose clock is an hour behind ours: what is written at this moment is no
// leftover there.
func TestTheFileSystemTellsTheTime(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, ".file.1.hither-new"), time.Hour)
	put(t, filepath.Join(dir, ".file.2.hither-new"), 2*time.Hour)
	sweep(dir, time.Now().Add(-time.Hour))
	same(t, "files", names(t, dir), ".file.1.hither-new")
}

// TestItsOwnLeftoversAreKnown ties the name that Write gives to the one that it sweeps.
func TestItsOwnLeftoversAreKnown(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	seen := ""
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, nil, 0o600); err != nil {
		seen = err.(*os.LinkError).Old //nolint:errorlint // as os.Rename has it
	}
	put(t, seen, time.Hour)
	same(t, "error", Write(filepath.Join(dir, "next"), nil, 0o600), nil)
	same(t, "files", names(t, dir), "file next")
}

// TestAReaderFindsAWholeFile writes from several sides at once while others read.
func TestAReaderFindsAWholeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	same(t, "error", Write(path, bytes.Repeat([]byte{'a'}, 1<<16), 0o600), nil)
	var all sync.WaitGroup
	for _, text := range []byte("abc") {
		all.Go(func() {
			for range 20 {
				if err := Write(path, bytes.Repeat([]byte{text}, 1<<16), 0o600); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range 50 {
				if got, err := Read(path, 1<<16); err != nil || len(got) != 1<<16 || len(bytes.Trim(got, string(got[:1]))) > 0 {
					t.Errorf("%d bytes, %v, want a whole file", len(got), err)
				}
			}
		})
	}
	all.Wait()
	same(t, "files", names(t, filepath.Dir(path)), "file")
}
