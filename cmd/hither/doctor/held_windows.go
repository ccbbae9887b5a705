package doctor

import (
	"io/fs"
	"os"
)

// systemHeld says nothing of owners: Windows has lists of who may do what instead.
func systemHeld(path string) (int, fs.FileMode, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return -1, 0, err
	}
	return -1, info.Mode(), nil
}
