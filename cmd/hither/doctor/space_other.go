//go:build !linux && !darwin && !windows

package doctor

import "errors"

// systemSpace does not know these systems' calls.
func systemSpace(string) (Space, error) {
	return Space{}, errors.New("this system does not tell how much is free")
}
