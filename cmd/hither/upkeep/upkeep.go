// Package upkeep is what `hither install` changes on this machine, and what a running Hither keeps in force there and puts back.
//
//	steps, err := installation.Plan(ctx, authority.Preview)
//	kept, err := upkeep.Of(settings)
package upkeep

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
	"strings"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/settings"
	"hither/install"
	"hither/install/sysdns"
	"hither/install/sysproxy"
)

// Name is the file of the state directory that holds Upkeep.
const Name = "upkeep.json"

// Upkeep is what a running Hither keeps in force and takes back when it ends. `hither install` leaves it in the state
// directory; no file means nothing.
type Upkeep struct {
	DNS    sysdns.Mode `json:"dns,omitempty"`   // empty: the machine's DNS is left alone
	Proxy  Places      `json:"proxy,omitempty"` // where programs are told of the proxy; empty: nowhere
	Tools  []string    `json:"tools,omitempty"`
	Bundle string      `json:"bundle,omitempty"` // file of all roots for the tools
	Home   string      `json:"home,omitempty"`   // of the user for whom it is done
	UID    int         `json:"uid"`              // -1: who runs Hither
	GID    int         `json:"gid"`
}

// Places are those of sysproxy.
type Places []sysproxy.Place

// UnmarshalJSON knows the files of before there was a choice, too: true is the desktop.
func (p *Places) UnmarshalJSON(text []byte) error {
	var on bool
	if json.Unmarshal(text, &on) != nil {
		return json.Unmarshal(text, (*[]sysproxy.Place)(p))
	}
	if *p = nil; on {
		*p = Places{sysproxy.Desktop}
	}
	return nil
}

// ParsePlaces reads the value of --proxy, with commas; none and false are no place, and true is the desktop, as it was a switch once.
func ParsePlaces(m *install.Machine, list string) (Places, error) {
	switch list {
	case "", "none", "false":
		return nil, nil
	case "true":
		list = string(sysproxy.Desktop)
	}
	known := []sysproxy.Place{sysproxy.Desktop, sysproxy.Shell, sysproxy.Environment}
	var places Places
	for _, name := range strings.Split(list, ",") {
		place := sysproxy.Place(strings.TrimSpace(name))
		switch here := sysproxy.Places(m.System()); {
		case !slices.Contains(known, place):
			return nil, &settings.FlagError{Err: fmt.Errorf("--proxy: %q is none of %s", name, listed(known))}
		case !slices.Contains(here, place):
			return nil, &settings.FlagError{Err: fmt.Errorf("--proxy: %s has no place %s that Hither knows of: choose of %s, or put `eval \"$(hither env)\"` into your shell's profile", m.System(), place, listed(here))}
		case place.EveryUsers(m.System()) && !m.Privileged():
			return nil, &settings.FlagError{Err: fmt.Errorf("--proxy: %s is for every user, and so for root to change: call this with sudo, or put `eval \"$(hither env)\"` into your shell's profile", place)}
		case !slices.Contains(places, place):
			places = append(places, place)
		}
	}
	return places, nil
}

func listed(places []sysproxy.Place) string {
	var names []string
	for _, p := range places {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

// InHomes says that something is kept in force among the files of a user.
func (u Upkeep) InHomes(system string) bool {
	mine := func(p sysproxy.Place) bool { return !p.EveryUsers(system) }
	return len(u.Tools) > 0 || slices.ContainsFunc(u.Proxy, mine)
}

// Read returns the zero upkeep if nothing was installed.
func Read(state string) (Upkeep, error) {
	u := Upkeep{UID: -1, GID: -1}
	path := filepath.Join(state, Name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &u)
	}
	if err != nil {
		return Upkeep{UID: -1, GID: -1}, fmt.Errorf("what to keep in force on this machine cannot be read: %w; call `hither install` again, it writes %s anew", err, path)
	}
	return u, nil
}

// Machine is this machine, for the user that upkeep names.
func (u Upkeep) Machine(state string, env environ.List) *install.Machine {
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

// FindUser fills in for whom the machine is changed. Through sudo that is who called it.
func (u *Upkeep) FindUser(env environ.List, name string) error {
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

// KeepUser goes on for the user of an earlier call, where root calls by himself and says nothing of tools and places: the names stay
// led, and a tool of that user's that reads other roots would refuse what it finds.
func (u *Upkeep) KeepUser(former Upkeep, chosen func(flag string) bool) {
	if os.Geteuid() == 0 && u.UID < 0 && former.UID >= 0 && !slices.ContainsFunc([]string{"user", "tools", "proxy"}, chosen) {
		u.Home, u.UID, u.GID = former.Home, former.UID, former.GID
	}
}

// Of is what to keep in force. A Hither for one command keeps nothing, and `dns = "off"` is stronger than what was
// installed.
func Of(s settings.Settings) (Upkeep, error) {
	if s.Runner != 0 {
		return Upkeep{UID: -1, GID: -1}, nil
	}
	u, err := Read(s.State)
	if s.IsOff("dns", s.DNS) {
		u.DNS = ""
	}
	return u, err
}

// Any says that there is something to keep in force.
func (u Upkeep) Any() bool { return u.DNS != "" || len(u.Proxy) > 0 || len(u.Tools) > 0 }
