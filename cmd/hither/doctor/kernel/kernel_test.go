package kernel

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// The machine itself answers, whatever it is.
func TestTheMachineItself(t *testing.T) {
	dir := t.TempDir()
	if s, err := SpaceAt(dir); err != nil || s.Total == 0 {
		t.Errorf("space\n got %v %v", s, err)
	}
	if links, err := Links(); err != nil || len(links) == 0 {
		t.Errorf("links\n got %v %v", links, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := os.Getuid()
	if runtime.GOOS == "windows" {
		want = -1
	}
	if uid, mode, err := OwnerOf(file); err != nil || uid != want || runtime.GOOS != "windows" && mode != 0o600 {
		t.Errorf("owner\n got %d %v %v\nwant %d %v", uid, mode, err, want, fs.FileMode(0o600))
	}
}
