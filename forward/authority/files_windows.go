package authority

import "os"

// guard does nothing: who may read is inherited from the directory, which lies in the user's profile.
func guard(path string) (repaired string, err error) {
	_, err = os.Stat(path)
	return "", err
}
