//go:build !windows && !darwin

package paths

import (
	"path/filepath"

	"hither/cmd/hither/environ"
)

// stateHome follows the XDG base directory specification 0.8.
func stateHome(env environ.List, home string) string {
	if dir := env.Get("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(home, ".local", "state")
}

func configHome(env environ.List, home string) string {
	if dir := env.Get("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(home, ".config")
}
