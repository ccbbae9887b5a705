//go:build !linux && !darwin && !windows

package kernel

import "errors"

// SpaceAt does not know these systems' calls.
func SpaceAt(string) (Space, error) {
	return Space{}, errors.New("this system does not tell how much is free")
}
