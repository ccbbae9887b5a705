package install

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

func give(*os.File, int, int) error { return nil }

// errNotDir is met on a way through what is no directory.
var errNotDir = fs.ErrNotExist

func syncOpen(*os.File) error { return nil }

// isBusy says that somebody holds the file open, so that it can be written to but not be replaced.
func isBusy(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
}

// isFull says that there is no room on the disk, or none for this user.
func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

func isReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

// isNotDir never holds: the system says that such a path does not exist.
func isNotDir(error) bool { return false }

// elevated says that this process may change what belongs to the machine.
func elevated(m *Machine) bool { return m.Root == "" && windows.GetCurrentProcessToken().IsElevated() }

// amRoot never holds: users are told apart otherwise.
func amRoot(*Machine) bool { return false }
