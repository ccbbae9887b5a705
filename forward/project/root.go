package project

import (
	"os"
	"path/filepath"
)

// Root is the directory that npm takes for the project's, whose .npmrc counts: the nearest to dir, which is absolute, with a
// package.json or node_modules, or the workspace above that has it among its packages; else dir itself. It is npm's
// --prefix, which needs no lock file.
func Root(dir string) string {
	for at := range upFrom(dir) {
		manifest, noFile := os.Stat(filepath.Join(at, "package.json"))
		modules, noModules := os.Stat(filepath.Join(at, "node_modules"))
		if (noFile != nil || !manifest.Mode().IsRegular()) && (noModules != nil || !modules.IsDir()) {
			continue
		}
		return workspaceOf(at)
	}
	return dir
}

// workspaceOf is the workspace above a package's directory that has it; without one it is the directory itself.
func workspaceOf(at string) string {
	for above := range upFrom(filepath.Dir(at)) {
		if rel, err := filepath.Rel(above, at); err == nil && above != at && inWorkspace(above, filepath.ToSlash(rel)) {
			return above
		}
	}
	return at
}
