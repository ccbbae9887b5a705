package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"hither/cmd/hither/environ"
)

// Where things are, below the state directory. Nothing else there may be relied upon by other programs.
const (
	readyName  = "hither.json"  // who runs here; see Ready
	bundleName = "bundle"       // complete CA bundles, one for each set of roots
	socketName = "control.sock" // where the system has no pipes
)

// places are the directories of one user.
type places struct {
	home   string // for ~/ and npm's own file
	state  string // default of the setting state
	config string // holds config.toml and rules.d
}

// findPlaces asks the environment, then the system.
func findPlaces(env environ.List) (places, error) {
	home := env.Get("HOME", "USERPROFILE")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	p := places{
		home:   home,
		state:  filepath.Join(stateHome(env, home), "hither"),
		config: filepath.Join(configHome(env, home), "hither"),
	}
	if !filepath.IsAbs(p.state) || !filepath.IsAbs(p.config) {
		return places{}, errors.New("there is no home directory to keep things in: set HOME, or name places with --state and --config")
	}
	return p, nil
}

// expand makes a path absolute: ~/ is the home directory, all else is below dir.
func (p places) expand(path, dir string) string {
	if rest, ok := strings.CutPrefix(filepath.ToSlash(path), "~/"); ok && p.home != "" {
		return filepath.Join(p.home, rest)
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
