// Package private makes directories that only the user may enter.
package private

import "fmt"

// MakeDir makes a directory that only the user may enter.
func MakeDir(dir string) error {
	if err := makeDir(dir); err != nil {
		return fmt.Errorf("make the directory %s: %w; name another with --state", dir, err)
	}
	if err := keepOthersOut(dir); err != nil {
		return fmt.Errorf("keep others out of %s: %w; name another directory with --state", dir, err)
	}
	return nil
}
