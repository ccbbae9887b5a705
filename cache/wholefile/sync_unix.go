//go:build !windows

package wholefile

import (
	"errors"
	"os"
)

// SyncDir makes the names in a directory last.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
