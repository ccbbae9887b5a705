//go:build !windows

package ownfile

import (
	"io/fs"
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
