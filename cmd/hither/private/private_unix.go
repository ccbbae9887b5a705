//go:build !windows

package private

import (
	"errors"
	"os"
	"path/filepath"
)

// Lock is the file whose lock is held while Hither runs.
const Lock = "lock"

func makeDir(dir string) error { return os.MkdirAll(dir, 0o700) }

// keepOthersOut narrows an older directory of ours. A directory that others may enter and that holds other things is
// left as it is: --state /tmp must not close /tmp.
func keepOthersOut(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, Lock)); err != nil && len(entries) > 0 {
		return errors.New("it holds other things and others may enter it")
	}
	return os.Chmod(dir, 0o700)
}
