//go:build !windows

// Package filelock keeps other processes out while one changes what a file stands for. The system lets go when the file is
// closed, as it is when its process dies, so that no lock is ever left behind.
package filelock

import (
	"os"

	"golang.org/x/sys/unix"
)

// Try takes the lock of an open file; false: somebody else has it, or the same process by another opening.
func Try(file *os.File) (bool, error) {
	for {
		switch err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
		case nil:
			return true, nil
		case unix.EWOULDBLOCK:
			return false, nil
		case unix.EINTR: // on a network's disk
		default:
			return false, err
		}
	}
}
