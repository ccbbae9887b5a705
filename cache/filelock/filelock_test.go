package filelock

import (
	"os"
	"path/filepath"
	"testing"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func TestOneHasTheLockUntilItCloses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	one, other := open(t, path), open(t, path)
	tried := func(who string, file *os.File, want bool) {
		t.Helper()
		if got, err := Try(file); got != want || err != nil {
			t.Errorf("%s\n got %v, %v\nwant %v", who, got, err, want)
		}
	}
	tried("the first", one, true)
	tried("another", other, false)
	one.Close()
	tried("another, when the first is gone", other, true)
	if _, err := other.WriteString("what is locked can be read"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || len(text) == 0 {
		t.Errorf("read while it is locked: %q, %v", text, err)
	}
	if got, err := Try(one); got || err == nil {
		t.Errorf("a closed file\n got %v, %v\nwant an error", got, err)
	}
}
