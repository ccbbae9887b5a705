//go:build !windows

package ownfile

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Owner is who owns a file, and how many names it has.
func Owner(info fs.FileInfo) (uid, gid, names int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid), int(s.Nlink) // Nlink is narrower on some systems
	}
	return -1, -1, 1
}

// NeverWait keeps the opening of a pipe or a device from waiting for somebody at its other end.
const NeverWait = syscall.O_NONBLOCK

// noFollow refuses a link at the end of a path.
const noFollow = syscall.O_NOFOLLOW

// foreign is nil for a file that says what to do by somebody who may.
func foreign(f *os.File, info fs.FileInfo) error {
	if uid, _, _ := Owner(info); os.Geteuid() == 0 && (uid > 0 || info.Mode().Perm()&0o022 != 0) {
		return fmt.Errorf("%s belongs to the user %d, or others may write to it, so %w", f.Name(), uid, ErrNotOurs)
	}
	return nil
}
