// Package paths says where one user's things are: the state, the configuration, and the files that others look for.
//
//	home, err := paths.Find(env)
package paths

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"hither/cmd/hither/environ"
)

// Where things are, below the state directory. Nothing else there may be relied upon by other programs.
const (
	ReadyName  = "hither.json"  // who runs here, and where
	BundleName = "bundle"       // complete CA bundles, one for each set of roots
	SocketName = "control.sock" // where the system has no pipes

	// JournalName is of install.Journal; hither-restore.service looks for journal*.
	JournalName = "journal.jsonl"
)

// Places are the directories of one user.
type Places struct {
	Home   string // for ~/ and npm's own file; empty: not known
	State  string // default of the setting state
	Config string // holds config.toml and rules.d
}

// Find asks the environment, then the system. After an error the zero Places are returned.
func Find(env environ.List) (Places, error) {
	home := env.Get("HOME", "USERPROFILE")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	p := Places{
		Home:   home,
		State:  filepath.Join(stateHome(env, home), "hither"),
		Config: filepath.Join(configHome(env, home), "hither"),
	}
	if !filepath.IsAbs(p.State) || !filepath.IsAbs(p.Config) {
		return Places{}, errors.New("there is no home directory to keep things in: set HOME, or name places with --state and --config")
	}
	return p, nil
}

// Expand makes a path absolute: ~/ is the home directory, all else is below dir.
func (p Places) Expand(path, dir string) string {
	if rest, ok := strings.CutPrefix(filepath.ToSlash(path), "~/"); ok && p.Home != "" {
		return filepath.Join(p.Home, rest)
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
