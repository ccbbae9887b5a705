// Package sysproxy tells the programs of a machine to go through Hither, by the settings of its desktop (GNOME, KDE, macOS' network
// services, Windows' Internet settings) and the variables of its environment. Steps are changes as any others. A place that names
// another proxy is left as it is, with the reason, and the user's hosts past the proxy stay before ours.
package sysproxy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hither/install"
	"hither/install/proxyname"
)

// Place is where programs are told.
type Place string

// The places. Each system has the first.
const (
	Desktop     Place = "desktop"     // environment.d, GNOME and KDE; macOS' network services; Windows' Internet settings
	Shell       Place = "shell"       // new shells: login shells of every user (Linux, /etc/profile.d); the user's PowerShell (Windows)
	Environment Place = "environment" // new sessions of every user (Linux, /etc/environment by pam_env); the user's variables (Windows)
)

// Places are those that a system has, as runtime.GOOS names it.
func Places(system string) []Place {
	if system == "linux" || system == "windows" {
		return []Place{Desktop, Shell, Environment}
	}
	return []Place{Desktop}
}

// EveryUsers says that only an administrator may write there.
func (p Place) EveryUsers(system string) bool { return system == "linux" && p != Desktop }

// Proxying is what programs are told about the proxy.
type Proxying struct {
	Address  string // HOST:PORT
	Upstream string // URL of the proxy that Hither itself goes out through: where it is named now, Hither may stand instead
	Bundle   string // file of all roots, the system's and ours, for programs that do not read the system's; empty: none is named
	Exe      string // path of hither, for PowerShell
}

// Steps returns the steps that tell programs in these places to go through Hither. All but those of PowerShell are volatile: without
// the daemon nothing may point to it. A place that names another proxy than Upstream is refused with an *install.Refused, and so is one
// that is switched by a script (PAC).
//
// ctx bounds the commands by which the places are found.
func Steps(ctx context.Context, m *install.Machine, p Proxying, places ...Place) (steps []install.Step) {
	for _, last := range []bool{false, true} { // whether a shell can be told depends on what its session was
		for _, place := range places {
			if (place == Shell) == last {
				steps = append(steps, p.steps(ctx, m, place)...)
			}
		}
	}
	return steps
}

func (p Proxying) steps(ctx context.Context, m *install.Machine, place Place) []install.Step {
	if !slices.Contains(Places(m.System()), place) {
		return []install.Step{install.VolatileRefusal(m, "name the proxy in the place "+string(place), fmt.Errorf("%s has none of that name: call `hither install --proxy` again", m.System()))}
	}
	switch {
	case m.System() == "darwin":
		return networksetupSteps(ctx, m, p)
	case m.System() == "windows" && place == Desktop:
		return []install.Step{wininetStep(m, p)}
	case m.System() == "windows" && place == Shell:
		return powershellProfiles(ctx, m, p)
	case m.System() == "windows":
		return userVariables(m, p)
	case place == Shell:
		return []install.Step{profileDStep(m, p)}
	case place == Environment:
		return []install.Step{etcEnvironmentStep(m, p)}
	}
	return desktopSteps(m, p)
}

// desktopSteps are for the desktop of a Linux user.
func desktopSteps(m *install.Machine, p Proxying) []install.Step {
	steps := []install.Step{environmentDStep(m, p)}
	if m.Look("gsettings") {
		steps = append(steps, gnomeSteps(m, p)...)
	}
	if hasKDE(m) {
		steps = append(steps, kdeStep(m, p))
	}
	return steps
}

func (p Proxying) url() string { return "http://" + p.Address }

// split is the address as desktops want it.
func (p Proxying) split() (host, number string) {
	number = proxyname.Port(p.Address)
	return strings.Trim(strings.TrimSuffix(p.Address, ":"+number), "[]"), number
}

func (p Proxying) mayTake(where, found string) error {
	if why := proxyname.Objection(where, found, p.url(), p.Upstream); why != "" {
		return install.Refuse("%s", why)
	}
	return nil
}

// direct is the user's list, then ours. Both spellings of NO_PROXY count, and what /etc/environment says.
func (p Proxying) direct(m *install.Machine, users ...string) []string {
	var list []string
	for _, text := range append([]string{m.Getenv("NO_PROXY"), m.Getenv("no_proxy")}, users...) {
		list = append(list, proxyname.Hosts(text)...)
	}
	return proxyname.UsersFirst(list, proxyname.Loopback())
}
