//go:build !windows

package install

import (
	"errors"
	"os"
	"syscall"

	"hither/install/ownfile"
)

// give makes f the property of somebody. -1 leaves it.
func give(f *os.File, uid, gid int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if u, g, _ := ownfile.Owner(info); (uid < 0 || u == uid) && (gid < 0 || g == gid) {
		return nil
	}
	return f.Chown(uid, gid)
}

// errNotDir is met on a way through what is no directory.
const errNotDir = syscall.ENOTDIR

// syncOpen makes the names in a directory last.
func syncOpen(dir *os.File) error { return dir.Sync() }

// isBusy says that a file cannot be replaced but can be written to: a bind mount in a container.
func isBusy(err error) bool {
	return errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV)
}

// isFull says that there is no room on the disk, or none for this user.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// isNotDir says that a directory of the path is a file, so nothing is there.
func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// elevated never holds: only Windows has it.
func elevated(*Machine) bool { return false }

// amRoot says that others' files can be made.
func amRoot(m *Machine) bool { return m.Root == "" && os.Getuid() == 0 }
