package install

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
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

// Refused is why a step leaves alone what the user chose. The others can be done without it.
type Refused struct {
	Why string // a sentence that ends with what to do
}

// Error is the sentence.
func (r *Refused) Error() string { return r.Why }

func refuse(format string, args ...any) error { return &Refused{Why: fmt.Sprintf(format, args...)} }

// Noted is a step with something that the user should know or do after it: that a daemon reads its file only when told.
type Noted struct {
	Step
	Note string // a sentence
}

// refusal is a step that cannot be done, and says why when it is asked.
type refusal struct {
	name string
	why  error
}

// String says what would have been done.
func (r refusal) String() string { return r.name }

// Done is false with the reason.
func (r refusal) Done(context.Context) (bool, error) { return false, r.why }

// Do fails with the reason.
func (r refusal) Do(context.Context) error { return r.why }

// Undo has nothing to undo.
func (r refusal) Undo(context.Context) error { return nil }

// refusedVolatile is a refusal among the changes that a running Hither makes.
func refusedVolatile(m *Machine, name string, why error) Step {
	return Setting{On: m, Name: name, Volatile: true, Get: func(context.Context) (string, bool, error) { return "", false, why }}
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
	return mayReplaceProxy(where, found, t.proxyURL(), t.Upstream)
}

func mayReplaceProxy(where, found, ours, upstream string) error {
	if found == "" || found == "null" || sameProxy(found, ours) || upstream != "" && sameProxy(found, upstream) {
		return nil
	}
	if isSwitchedOff(found) {
		return refuse("%s forbids a proxy (%s): take that line away, or leave this out", where, found)
	}
	shown := shownURL(found)
	return refuse("%s names the proxy %s: let Hither go out through it with upstream-proxy = %q in its config.toml, and then install again", where, shown, shown)
}

func isSwitchedOff(value string) bool { return strings.EqualFold(value, "false") || value == "off" }

// sameProxy compares proxies as tools read them: the scheme may be missing, a slash may follow.
func sameProxy(a, b string) bool { return plainProxy(a) == plainProxy(b) }

func plainProxy(s string) string {
	s = strings.TrimRight(strings.TrimSpace(s), "/")
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	return strings.ToLower(s)
}

// shownURL hides a password. What cannot be read as a URL is hidden as a whole if it may hold one.
func shownURL(s string) string {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		return u.Redacted()
	}
	if strings.Contains(s, "@") {
		return "(hidden, because it holds a password)"
	}
	return s
}

// direct is the list of hosts past the proxy: the user's, then ours, each once. Loopback is always in it.
func (t Tooling) direct(users string) []string {
	return usersFirst(splitHosts(users), slices.Concat(t.NoProxy, loopbackNames()))
}

// usersFirst is the user's list without what is ours, and then ours: so it is the same when it is made again from itself.
func usersFirst(users, ours []string) []string {
	users = slices.DeleteFunc(slices.Clone(users), func(host string) bool { return slices.Contains(ours, host) })
	return unique(append(users, ours...))
}

func loopbackNames() []string { return []string{"localhost", "127.0.0.1", "::1"} }

func splitHosts(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

func unique(list []string) []string {
	var out []string
	for _, item := range list {
		if item != "" && !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}

// join makes a path of the machine's kind.
func (m *Machine) join(parts ...string) string {
	if m.System() == "windows" {
		return strings.ReplaceAll(strings.Join(parts, `\`), "/", `\`)
	}
	return path.Join(parts...)
}

// configHome is where the user's programs keep their settings. A directory that the environment names counts only if it
// is the user's: under sudo it is root's.
func (m *Machine) configHome() string {
	switch m.System() {
	case "windows":
		return m.ownDir("AppData", m.join(m.Home, "AppData", "Roaming"))
	case "darwin":
		return m.join(m.Home, "Library", "Application Support")
	}
	return m.xdgConfig()
}

// xdgConfig is the directory of the XDG base directory specification 0.8, which many use on macOS too.
func (m *Machine) xdgConfig() string { return m.ownDir("XDG_CONFIG_HOME", m.join(m.Home, ".config")) }

func (m *Machine) ownDir(variable, otherwise string) string {
	dir := m.Getenv(variable)
	if m.Journal == nil && isAbs(m, dir) { // it is only looked at, by the user himself
		return dir
	}
	rest, below := strings.CutPrefix(dir, m.Home)
	if below && m.Home != "" && rest != "" && (rest[0] == '/' || rest[0] == '\\') {
		return dir
	}
	return otherwise
}

// in names the file in an error.
func in(path string, err error) error {
	if err == nil {
		return nil
	}
	var r *Refused
	if errors.As(err, &r) {
		return &Refused{Why: path + " " + r.Why}
	}
	return fmt.Errorf("%s %w", path, err)
}
