//go:build !windows

package install

import (
	"os"
	"path/filepath"

	"hither/cache/wholefile"
)

// removeLocked removes the file while its lock is held, so that nobody writes in it meanwhile.
func removeLocked(_ *os.File, path string) {
	if os.Remove(path) == nil {
		_ = wholefile.SyncDir(filepath.Dir(path))
	}
}
