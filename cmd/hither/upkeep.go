package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/settings"
	"hither/install"
)

// upkeepName is the file of the state directory that holds upkeep.
const upkeepName = "upkeep.json"

// upkeep is what a running Hither keeps in force and takes back when it ends. `hither install` leaves it in the state
// directory; no file means nothing.
type upkeep struct {
	DNS    install.Mode `json:"dns,omitempty"` // empty: the machine's DNS is left alone
	Proxy  bool         `json:"proxy,omitempty"`
	Tools  []string     `json:"tools,omitempty"`
	Bundle string       `json:"bundle,omitempty"` // file of all roots for the tools
	Home   string       `json:"home,omitempty"`   // of the user for whom it is done
	UID    int          `json:"uid"`              // -1: who runs Hither
	GID    int          `json:"gid"`
}

// readUpkeep returns the zero upkeep if nothing was installed.
func readUpkeep(state string) (upkeep, error) {
	u := upkeep{UID: -1, GID: -1}
	path := filepath.Join(state, upkeepName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &u)
	}
	if err != nil {
		return upkeep{UID: -1, GID: -1}, fmt.Errorf("what to keep in force on this machine cannot be read: %w; call `hither install` again, it writes %s anew", err, path)
	}
	return u, nil
}

// machine is this machine, for the user that upkeep names.
func (u upkeep) machine(state string, env environ.List) *install.Machine {
	return &install.Machine{
		Home: u.Home, UID: u.UID, GID: u.GID, Journal: install.OpenJournal(filepath.Join(state, paths.JournalName)), Env: ownVariables(env, u.UID < 0),
	}
}

// ownVariables are those of the user for whom tools are set: root's say nothing about another's files.
func ownVariables(env environ.List, own bool) func(string) string {
	return func(name string) string {
		if own || slices.Contains([]string{"PATH", "JAVA_HOME", "SystemRoot", "ProgramData"}, name) {
			return env.Get(name)
		}
		return ""
	}
}

// findUser fills in for whom the machine is changed. Through sudo that is who called it.
func (u *upkeep) findUser(env environ.List, name string) error {
	u.UID, u.GID = -1, -1
	if sudo := env.Get("SUDO_USER"); name == "" && sudo != "root" && os.Geteuid() == 0 {
		name = sudo
	}
	if name == "" {
		home, err := paths.Find(env)
		u.Home = home.Home
		return err
	}
	found, err := user.Lookup(name)
	if err != nil {
		return &settings.FlagError{Err: fmt.Errorf("--user %s: %w; see `getent passwd`", name, err)}
	}
	u.Home = found.HomeDir
	if uid, err := strconv.Atoi(found.Uid); err == nil && uid != os.Geteuid() {
		u.UID = uid
		u.GID, _ = strconv.Atoi(found.Gid)
	}
	return nil
}

// upkeepOf is what to keep in force. A Hither for one command keeps nothing, and `dns = "off"` is stronger than what was
// installed.
func upkeepOf(s settings.Settings) (upkeep, error) {
	if s.Runner != 0 {
		return upkeep{UID: -1, GID: -1}, nil
	}
	u, err := readUpkeep(s.State)
	if s.IsOff("dns", s.DNS) {
		u.DNS = ""
	}
	return u, err
}

// any says that there is something to keep in force.
func (u upkeep) any() bool { return u.DNS != "" || u.Proxy || len(u.Tools) > 0 }
