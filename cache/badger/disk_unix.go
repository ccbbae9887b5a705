//go:build linux || darwin || freebsd

package badger

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// largeLog is the size of a value log file in large caches, in bytes. The file is sparse until it is written.
const largeLog = 256 << 20

// freeBytes is what an ordinary user may still write.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // the fields have other types elsewhere
}

func totalBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Blocks) * int64(st.Bsize), nil //nolint:unconvert // the same
}

// allocated is what a file takes on the disk: a sparse one takes less than its size.
func allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512 //nolint:unconvert // the same; stat(2): always units of 512
	}
	return info.Size()
}
