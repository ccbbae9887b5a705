//go:build !windows

package kernel

import (
	"io/fs"
	"os"
	"syscall"
)

// OwnerOf says whose a file is.
func OwnerOf(path string) (int, fs.FileMode, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return -1, 0, err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid), info.Mode(), nil
	}
	return -1, info.Mode(), nil
}
