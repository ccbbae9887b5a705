package authority

import (
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes the lock if it is free. Windows keeps it until the file is closed.
func tryLock(file *os.File) (bool, error) {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
	if err == windows.ERROR_LOCK_VIOLATION {
		return false, nil
	}
	return err == nil, err
}

// guard does nothing: who may read is inherited from the directory, which lies in the user's profile.
func guard(path string) (repaired string, err error) {
	_, err = os.Stat(path)
	return "", err
}
