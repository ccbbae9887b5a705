package authority

import "os"

// guard does nothing: who may read is inherited from the directory, which its maker has closed to others.
func guard(path string) (repaired string, err error) {
	_, err = os.Stat(path)
	return "", err
}
