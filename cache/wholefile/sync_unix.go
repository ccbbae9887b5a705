//go:build !windows

package wholefile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// SyncDir makes the names in a directory last, where the file system can: shared folders of virtual machines cannot, nor can who
// may not read the directory. What is in it is no less written for that.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, dir.Close())
}

// patiently has nothing to wait for: a file is replaced whoever reads it.
func patiently(do func() error) error { return do() }
