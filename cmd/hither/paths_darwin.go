package main

import "path/filepath"

func stateHome(_ environment, home string) string {
	return filepath.Join(home, "Library", "Application Support")
}

func configHome(env environment, home string) string { return stateHome(env, home) }
