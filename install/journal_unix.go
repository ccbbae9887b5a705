//go:build !windows

package install

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// tryLock takes the lock, which ends with the process or with f.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// removeLocked removes the file while its lock is held, so that nobody writes in it meanwhile.
func removeLocked(_ *os.File, path string) {
	if os.Remove(path) == nil {
		_ = syncDir(filepath.Dir(path))
	}
}
