package paths

import (
	"path/filepath"

	"hither/cmd/hither/environ"
)

func stateHome(_ environ.List, home string) string {
	return filepath.Join(home, "Library", "Application Support")
}

func configHome(env environ.List, home string) string { return stateHome(env, home) }
