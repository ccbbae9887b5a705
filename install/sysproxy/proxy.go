// Package sysproxy tells the programs of a machine to go through Hither, by the settings of its desktop (GNOME, KDE, macOS' network
// services, Windows' Internet settings) and the variables of its environment. Steps are changes as any others. A place that names
// another proxy is left as it is, with the reason, and the user's hosts past the proxy stay before ours.
package sysproxy

import (
	"context"
	"slices"
	"strings"

	"hither/install"
	"hither/install/proxyname"
)

// Place is where a proxy is told to programs besides the desktop's own settings. Each is by choice.
type Place string

// The places.
const (
	EtcEnvironment Place = "etc-environment" // /etc/environment: every session of every user (Linux, pam_env)
	ProfileD       Place = "profile.d"       // /etc/profile.d/hither.sh: login shells of every user (Linux)
	UserVariables  Place = "variables"       // HKCU\Environment: every program of the user (Windows)
	PowerShell     Place = "powershell"      // the user's profile.ps1: each new PowerShell (Windows)
)

// Proxying is what programs are told about the proxy.
type Proxying struct {
	Address  string   // HOST:PORT
	NoProxy  []string // hosts that are asked directly, beside those that the user named and loopback
	Upstream string   // URL of the proxy that Hither itself goes out through: where it is named now, Hither may stand instead
	Exe      string   // path of hither, for PowerShell; empty: it is found by PATH
	Also     []Place
}

// Steps returns the steps that tell the programs of a user's desktop to go through Hither: environment.d, GNOME and KDE; on
// macOS each network service; on Windows the Internet settings. All are volatile: without the daemon nothing may point to it.
// A place that names another proxy than Upstream is refused with an *install.Refused, and so is one that is switched by a script (PAC).
//
// ctx bounds the commands by which the places are found.
func Steps(ctx context.Context, m *install.Machine, p Proxying) []install.Step {
	switch m.System() {
	case "darwin":
		return networksetupSteps(ctx, m, p)
	case "windows":
		return append([]install.Step{wininetStep(m, p)}, alsoWindows(ctx, m, p)...)
	}
	var steps []install.Step
	steps = append(steps, environmentDStep(m, p))
	if m.Look("gsettings") {
		steps = append(steps, gnomeSteps(m, p)...)
	}
	if hasKDE(m) {
		steps = append(steps, kdeStep(m, p))
	}
	if slices.Contains(p.Also, EtcEnvironment) {
		steps = append(steps, etcEnvironmentStep(m, p))
	}
	if slices.Contains(p.Also, ProfileD) {
		steps = append(steps, profileDStep(m, p))
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
	return proxyname.UsersFirst(list, slices.Concat(p.NoProxy, proxyname.Loopback()))
}
