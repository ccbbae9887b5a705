package private

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestTheStateIsNotPutIntoASharedDirectory guards against `--state /tmp`, which would close /tmp for everybody.
func TestTheStateIsNotPutIntoASharedDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "of-somebody"), nil)
	if err := MakeDir(dir); err == nil {
		t.Error("no error")
	}
	info, _ := os.Stat(dir)
	same(t, "permissions", info.Mode().Perm(), fs.FileMode(0o777))
}
