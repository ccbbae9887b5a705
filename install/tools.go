package install

import (
	"fmt"
	"slices"
	"strings"

	"hither/install/proxyname"
)

// Tooling says where the tools of a user find Hither.
type Tooling struct {
	Proxy string // HOST:PORT of the proxy, which is that of the gateways too
	// Gateways is the path of each ecosystem's gateway below Proxy: "go": "/go", "docker": "/v2". An ecosystem that is
	// missing has none; its tool goes through the proxy, or is refused if it cannot.
	Gateways map[string]string
	// Bundle is a file of all roots, the system's and ours, for tools that read one file only. Empty: none is named to
	// them, and they know us by what Trust did or not at all.
	Bundle   string
	NoProxy  []string // hosts that are asked directly, beside those that the user named and loopback
	Upstream string   // URL of the proxy that Hither itself goes out through: a tool that names it now may be taken over
}

// tool is one that can be switched by itself.
type tool struct {
	name     string
	commands []string // any of them shows that it is there
	steps    func(*Machine, Tooling) []Step
}

func tools() []tool {
	return []tool{
		{"go", []string{"go", "/usr/local/go/bin/go"}, goSteps},
		{"npm", []string{"npm", "pnpm"}, npmSteps},
		{"yarn", []string{"yarn"}, yarnSteps},
		{"docker", []string{"dockerd"}, dockerSteps},
		{"containerd", []string{"containerd"}, containerdSteps},
		{"cargo", []string{"cargo"}, cargoSteps},
		{"pip", []string{"pip", "pip3"}, pipSteps},
	}
}

// ToolNames are the tools that Tools knows. npm is pnpm too, and Yarn 1: they read its file.
func ToolNames() []string {
	var names []string
	for _, t := range tools() {
		names = append(names, t.name)
	}
	return names
}

// ToolsFound are those that are on the machine.
func ToolsFound(m *Machine) []string {
	var names []string
	for _, t := range tools() {
		if slices.ContainsFunc(t.commands, m.Look) {
			names = append(names, t.name)
		}
	}
	return names
}

// Tools are the steps that send the named tools through Hither, each by what it knows itself: go and docker by a list
// in which the user's own choice stands behind ours, npm and pip by the proxy, so that no lock file changes. Those by
// the proxy are volatile, because such a tool has no second way; the lists are not. A tool that names another proxy
// than Upstream is refused with a *Refused.
func Tools(m *Machine, t Tooling, which ...string) ([]Step, error) {
	var steps []Step
	for _, name := range which {
		i := slices.IndexFunc(tools(), func(t tool) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("the tool %q is not known here: name some of %s", name, strings.Join(ToolNames(), ", "))
		}
		steps = append(steps, tools()[i].steps(m, t)...)
	}
	return steps, nil
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
		return Refuse("%s", why)
	}
	return nil
}

// direct is the list of hosts past the proxy: the user's, then ours, each once. Loopback is always in it.
func (t Tooling) direct(users string) []string {
	return proxyname.UsersFirst(proxyname.Hosts(users), slices.Concat(t.NoProxy, proxyname.Loopback()))
}
