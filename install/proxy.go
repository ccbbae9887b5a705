package install

import (
	"context"
	"slices"
	"strings"

	"hither/install/proxyname"
)

// ProxyPlace is where a proxy is told to programs besides the desktop's own settings. Each is by choice.
type ProxyPlace string

// The places.
const (
	EtcEnvironment ProxyPlace = "etc-environment" // /etc/environment: every session of every user (Linux, pam_env)
	ProfileD       ProxyPlace = "profile.d"       // /etc/profile.d/hither.sh: login shells of every user (Linux)
	UserVariables  ProxyPlace = "variables"       // HKCU\Environment: every program of the user (Windows)
	PowerShell     ProxyPlace = "powershell"      // the user's profile.ps1: each new PowerShell (Windows)
)

// Proxying is what programs are told about the proxy.
type Proxying struct {
	Address  string   // HOST:PORT
	NoProxy  []string // hosts that are asked directly, beside those that the user named and loopback
	Upstream string   // URL of the proxy that Hither itself goes out through: where it is named now, Hither may stand instead
	Exe      string   // path of hither, for PowerShell; empty: it is found by PATH
	Also     []ProxyPlace
}

// Proxy are the steps that tell the programs of a user's desktop to go through Hither: environment.d, GNOME and KDE; on
// macOS each network service; on Windows the Internet settings. All are volatile: without the daemon nothing may point to it.
// A place that names another proxy than Upstream is refused with a *Refused, and so is one that is switched by a script (PAC).
//
// ctx bounds the commands by which the places are found.
func Proxy(ctx context.Context, m *Machine, p Proxying) []Step {
	switch m.System() {
	case "darwin":
		return networksetupSteps(ctx, m, p)
	case "windows":
		return append([]Step{wininetStep(m, p)}, alsoWindows(ctx, m, p)...)
	}
	var steps []Step
	steps = append(steps, environmentDStep(m, p))
	if m.Look("gsettings") {
		steps = append(steps, gnomeSteps(m, p)...)
	}
	if m.hasKDE() {
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
		return Refuse("%s", why)
	}
	return nil
}

// direct is the user's list, then ours. Both spellings of NO_PROXY count, and what /etc/environment says.
func (p Proxying) direct(m *Machine, users ...string) []string {
	var list []string
	for _, text := range append([]string{m.Getenv("NO_PROXY"), m.Getenv("no_proxy")}, users...) {
		list = append(list, proxyname.Hosts(text)...)
	}
	return proxyname.UsersFirst(list, slices.Concat(p.NoProxy, proxyname.Loopback()))
}
