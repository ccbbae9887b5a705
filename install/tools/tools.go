// Package tools sends the tools of a user through Hither, each by a file of its own: go, npm, Yarn, dockerd, containerd, cargo, pip.
// Steps are changes as any others. What the user chose stays: it stands behind ours, or the tool is refused with the reason.
package tools

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hither/install"
	"hither/install/proxyname"
)

// Tooling says where the tools of a user find Hither.
type Tooling struct {
	Proxy string // HOST:PORT of the proxy, which is that of the gateways too
	// Gateways is the path of each ecosystem's gateway below Proxy: "go": "/go", "docker": "/v2". An ecosystem that is
	// missing has none; its tool goes through the proxy, or is refused if it cannot.
	Gateways map[string]string
	// Bundle is a file of all roots, the system's and ours, for tools that read one file only. Empty: none is named to
	// them, and they know us by what truststore did or not at all.
	Bundle   string
	Upstream string // URL of the proxy that Hither itself goes out through: a tool that names it now may be taken over
}

// tool is one that can be switched by itself.
type tool struct {
	name     string
	commands []string // any of them shows that it is there
	homes    []string // and so does any of these below the user's home: sudo has another path than he
	steps    func(*install.Machine, Tooling) []install.Step
}

func all() []tool {
	return []tool{
		{"go", []string{"go", "/usr/local/go/bin/go"}, []string{"go/pkg/mod"}, goSteps},
		{"npm", []string{"npm", "pnpm"}, []string{".npm", ".npmrc", ".nvm/versions/node", ".local/share/pnpm", "Library/pnpm"}, npmSteps},
		{"yarn", []string{"yarn"}, []string{".yarn", ".yarnrc.yml"}, yarnSteps},
		{"docker", []string{"dockerd"}, nil, dockerSteps},
		{"containerd", []string{"containerd"}, nil, containerdSteps},
		{"cargo", []string{"cargo"}, []string{".cargo/bin/cargo"}, cargoSteps},
		{"pip", []string{"pip", "pip3"}, []string{".pyenv/shims/pip", ".cache/pip"}, pipSteps},
	}
}

// Names are the tools that Steps knows. npm is pnpm too, and Yarn 1: they read its file.
func Names() []string {
	var names []string
	for _, t := range all() {
		names = append(names, t.name)
	}
	return names
}

// Found are those that are on the machine.
func Found(m *install.Machine) []string {
	var names []string
	for _, t := range all() {
		if slices.ContainsFunc(t.commands, m.Look) || slices.ContainsFunc(t.homes, func(path string) bool { return m.Exists(m.Join(m.Home, path)) }) {
			names = append(names, t.name)
		}
	}
	return names
}

// Steps returns the steps that send the named tools through Hither, each by what it knows itself: go and docker by a list
// in which the user's own choice stands behind ours, npm and pip by the proxy, so that no lock file changes. Those by
// the proxy are volatile, because such a tool has no second way; the lists are not. A tool that names another proxy
// than Upstream is refused with an *install.Refused. The error is of names that are none of Names; the steps of the others come with it.
func Steps(m *install.Machine, t Tooling, which ...string) ([]install.Step, error) {
	var steps []install.Step
	var errs []error
	for _, name := range which {
		i := slices.IndexFunc(all(), func(t tool) bool { return t.name == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("the tool %q is not known here: name some of %s", name, strings.Join(Names(), ", ")))
			continue
		}
		steps = append(steps, all()[i].steps(m, t)...)
	}
	return steps, errors.Join(errs...)
}

func (t Tooling) proxyURL() string { return "http://" + t.Proxy }

// gateway is the URL of an ecosystem's gateway; false if there is none.
func (t Tooling) gateway(name string) (string, bool) {
	p, ok := t.Gateways[name]
	return "http://" + t.Proxy + p, ok
}

// mayTake tells whether a proxy that is set somewhere may give way to ours: if it is ours, or the one behind us.
func (t Tooling) mayTake(where, found string) error {
	if why := proxyname.Objection(where, found, t.proxyURL(), t.Upstream); why != "" {
		return install.Refuse("%s", why)
	}
	return nil
}

// direct is the list of hosts past the proxy: the user's, then loopback, each once.
func (t Tooling) direct(users string) []string {
	return proxyname.UsersFirst(proxyname.Hosts(users), proxyname.Loopback())
}
