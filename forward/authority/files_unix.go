//go:build !windows

package authority

import (
	"fmt"
	"os"
)

// guard closes the key to others, and tells so if it was open.
func guard(path string) (repaired string, err error) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return "", err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s was open to others on this machine (mode %04o) and is now readable by its owner only; "+
		"if somebody may have copied it, remove it and ca.pem: then a new authority is made, which must be trusted anew", path, info.Mode().Perm()), nil
}
