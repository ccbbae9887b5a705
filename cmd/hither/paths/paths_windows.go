package paths

import (
	"path/filepath"

	"hither/cmd/hither/environ"
)

// stateHome is the local folder: a cache has no business in a roaming profile.
func stateHome(env environ.List, home string) string {
	if dir := env.Get("LocalAppData"); dir != "" {
		return dir
	}
	return filepath.Join(home, "AppData", "Local")
}

func configHome(env environ.List, home string) string {
	if dir := env.Get("AppData"); dir != "" {
		return dir
	}
	return filepath.Join(home, "AppData", "Roaming")
}
