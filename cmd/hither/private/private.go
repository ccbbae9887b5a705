// Package private keeps files in directories that only the user may enter, and replaces them whole.
package private

import (
	"fmt"
	"os"
	"path/filepath"
)

// MakeDir makes a directory that only the user may enter.
func MakeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory %s: %w; name another with --state", dir, err)
	}
	if err := keepOthersOut(dir); err != nil {
		return fmt.Errorf("keep others out of %s: %w; name another directory with --state", dir, err)
	}
	return nil
}

// WriteFile replaces a file at once, so that a reader sees the old or the new one and never a part. The permissions
// are 0600.
func WriteFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
