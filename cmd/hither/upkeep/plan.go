package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/roots"
	"hither/cmd/hither/settings"
	"hither/install"
	"hither/install/proxyname"
	"hither/install/service"
	"hither/install/sysdns"
	"hither/install/sysproxy"
	"hither/install/tools"
	"hither/install/truststore"
	"hither/rules"
)

// Wanted is what `hither install` was asked for.
type Wanted struct {
	Trust, Service bool
	DNS            string   // scoped, full or off
	Proxy          Places   // where programs are told of the proxy
	Tools          []string // names of tools.Names
	User           string   // whose tools and desktop; empty: who calls, also through sudo
}

// Usual is what is done if nothing is chosen: all registries' names come to Hither, and nothing else of the machine changes.
func Usual() Wanted { return Wanted{Trust: true, DNS: string(sysdns.Scoped), Service: true} }

// OwnRoots are the tools that are here and do not read the system's roots: where their registry's name is led to us, they refuse what
// they find unless they are told of the root.
func OwnRoots(m *install.Machine) []string {
	return slices.DeleteFunc(tools.Found(m), func(name string) bool { return name != "npm" && name != "yarn" })
}

// KeepFormer wants what an earlier call has left word of, too, unless this one has chosen otherwise: each switch is its own.
// Tools are one user's, and so are those places of the proxy that are not for all.
func (i *Installation) KeepFormer(former Upkeep, chosen func(flag string) bool) {
	if !chosen("dns") && former.DNS != "" {
		i.Wanted.DNS = string(former.DNS)
	}
	another := former.Home != i.Upkeep.Home
	if !chosen("proxy") {
		i.Wanted.Proxy = slices.DeleteFunc(former.Proxy, func(p sysproxy.Place) bool { return another && !p.EveryUsers(i.Machine.System()) })
	}
	if !chosen("tools") && !another {
		known := slices.DeleteFunc(slices.Clone(former.Tools), func(name string) bool { return !slices.Contains(tools.Names(), name) }) // a newer Hither knows more
		i.Wanted.Tools = proxyname.Unique(slices.Concat(known, i.Wanted.Tools))
	}
}

// Steps are the steps of an installation. Held are done by Hither whenever it runs.
type Steps struct {
	Now  []install.Step
	Held []string // in words
}

// Installation puts the steps together; it changes nothing. Its fields are set before.
type Installation struct {
	Wanted   Wanted
	Upkeep   Upkeep
	Former   Upkeep            // what an earlier call has left
	Settings settings.Settings // State is where the installed Hither keeps things
	Machine  *install.Machine
	Rules    *rules.Set
	Env      environ.List
	Exe      string       // this program, as services start it
	Log      *slog.Logger // of the rules that are read
}

// Plan returns the steps in the order in which they are safe: trust before anything is led to us, the service last. open finds
// the root: authority.Preview if the steps are only to be shown, else OpenRoot.
func (i *Installation) Plan(ctx context.Context, open rootOpener) (Steps, error) {
	if err := i.mayVouch(); err != nil {
		return Steps{}, err
	}
	root, err := i.root(open)
	if err != nil {
		return Steps{}, err
	}
	if err := i.mayLead(root); err != nil {
		return Steps{}, err
	}
	var p Steps
	if i.Wanted.Trust {
		p.Now = append(p.Now, truststore.Steps(i.Machine, root)...)
	}
	if len(i.Wanted.Tools) > 0 || i.namesRoots() {
		p.Now = append(p.Now, i.bundle(root)...)
	}
	sent, err := tools.Steps(i.Machine, i.tooling(), i.Wanted.Tools...)
	if err != nil {
		return Steps{}, &settings.FlagError{Err: err}
	}
	for _, step := range sent {
		if install.IsVolatile(step) {
			p.Held = append(p.Held, step.String())
			i.Upkeep.Tools = i.Wanted.Tools
		} else {
			p.Now = append(p.Now, install.Optional{Step: step})
		}
	}
	if i.Wanted.DNS != "off" {
		i.lead(&p)
	}
	i.tellOfProxy(ctx, &p)
	p.Now = append(p.Now, i.leaveWord()...)
	if i.Wanted.Service {
		p.Now = append(p.Now, i.Service()...)
	} else if i.Machine.Privileged() && i.Serving() != nil {
		p.Now = append(p.Now, i.openHome()...)
	}
	return p, nil
}

// lead leaves word of the names. It is left also where nothing can lead them now, which is said: Hither tries again while it runs.
func (i *Installation) lead(p *Steps) {
	i.Upkeep.DNS = sysdns.Mode(i.Wanted.DNS)
	words := dnsInWords(i.Wanted.DNS)
	if i.Upkeep.DNS == sysdns.Scoped {
		if err := sysdns.MayScope(i.Machine); err != nil {
			p.Now = append(p.Now, install.Refusal(words, install.Refuse("%v", err)))
			return
		}
	}
	p.Held = append(p.Held, words)
}

// tellOfProxy leaves word of the places that need a running Hither.
func (i *Installation) tellOfProxy(ctx context.Context, p *Steps) {
	i.Upkeep.Proxy = nil
	for _, place := range i.Wanted.Proxy {
		if place == sysproxy.Desktop { // its many steps are found by commands
			i.Upkeep.Proxy = append(i.Upkeep.Proxy, place)
			p.Held = append(p.Held, "tell the programs of the desktop to go through the proxy")
			continue
		}
		held := len(p.Held)
		for _, step := range sysproxy.Steps(ctx, i.Machine, i.proxying(), place) {
			if install.IsVolatile(step) {
				p.Held = append(p.Held, step.String())
			} else {
				p.Now = append(p.Now, install.Optional{Step: step})
			}
		}
		if len(p.Held) > held {
			i.Upkeep.Proxy = append(i.Upkeep.Proxy, place)
		}
	}
}

// Service has Hither started by itself.
func (i *Installation) Service() []install.Step {
	user := !i.Machine.Privileged()
	if usual := i.serviceState(); usual != "" && usual != i.Settings.State {
		return []install.Step{Misplaced{user, i.Settings.State, usual, i.Settings.From["state"]}}
	}
	var steps []install.Step
	if !user {
		steps = i.openHome()
	}
	return append(steps, service.Steps(i.Machine, service.Serving{Exe: i.Exe, User: user, Sealed: !i.Upkeep.InHomes(i.Machine.System())})...)
}

// Serving is the service that starts the Hither of this state directory; nil: none does.
func (i *Installation) Serving() *service.Installed {
	if i.serviceState() != i.Settings.State {
		return nil
	}
	return service.Find(i.Machine, !i.Machine.Privileged())
}

// serviceState is where a service of whoever calls this keeps things; empty: it has no place.
func (i *Installation) serviceState() string {
	if i.Machine.Privileged() {
		return service.State(i.Machine)
	}
	// Empty: there is no home, and so no service of a user.
	home, _ := paths.Find(i.Env)
	// The service reads the user's own configuration, too.
	if strings.HasPrefix(i.Settings.From["state"], filepath.Join(home.Config, "config.toml")+":") {
		return i.Settings.State
	}
	return home.State
}

// mayLead refuses to lead anybody to certificates that nobody believes. To trust a root is a decision of the user's own, so
// it is not made for him.
func (i *Installation) mayLead(root truststore.Certificate) error {
	if i.Wanted.DNS == "off" && len(i.Wanted.Proxy) == 0 || i.Wanted.Trust || roots.SystemTrusts(root.PEM) {
		return nil
	}
	return &settings.FlagError{Err: errors.New("this machine does not trust Hither's root certificate, so its programs would refuse what they are led to: give --trust too")}
}

func dnsInWords(mode string) string {
	if mode == string(sysdns.Full) {
		return "have the machine ask Hither for every name"
	}
	return "have the machine ask Hither for the registries' names alone"
}

// leaveWord has what was chosen kept in force. The Hither of another user takes no word of root's.
func (i *Installation) leaveWord() []install.Step {
	owner := Foreign(i.Settings.State)
	switch {
	case owner == "":
		return []install.Step{i.remember()}
	case !i.Upkeep.Any():
		return nil
	}
	return []install.Step{install.Refusal("tell Hither what to keep in force while it runs", install.Refuse("%s is of the Hither of %s: choose all but --trust as that user, or leave --state out, for a Hither of this machine", i.Settings.State, owner))}
}

// remember is the step that leaves upkeep for Hither. When it is undone, one that runs as a service begins anew without.
func (i *Installation) remember() install.Step {
	path := filepath.Join(i.Settings.State, Name)
	e := install.Edit{
		On: i.Machine, Name: "tell Hither what to keep in force while it runs, in " + path, Path: path, Mode: 0o600,
		Change: func([]byte, bool) ([]byte, error) { return json.MarshalIndent(i.Upkeep, "", "  ") },
	}
	if s := i.Serving(); s != nil {
		e.AfterUndo = [][]string{install.Perhaps(s.Renew())}
	}
	return e
}

// Misplaced is the service of a Hither whose state is not where services keep theirs: the unit of the machine may write nowhere
// else, and that of a user is started without what names the state.
type Misplaced struct {
	user               bool
	State, Usual, From string
}

func (m Misplaced) String() string {
	if m.user {
		return "have Hither started for this user"
	}
	return "have Hither started at boot"
}

// Done refuses.
func (m Misplaced) Done(context.Context) (bool, error) {
	return false, &install.Refused{Why: fmt.Sprintf("the service keeps its state in %s, not in %s as %s says: leave that out, or start `hither up` with it by yourself", m.Usual, m.State, m.From)}
}

// Do refuses too.
func (m Misplaced) Do(ctx context.Context) error {
	_, err := m.Done(ctx)
	return err
}

// Undo has nothing to take back.
func (Misplaced) Undo(context.Context) error { return nil }

// openHome lets the hardened unit of the machine write what is kept in force for a user, in his files and with his rights.
func (i *Installation) openHome() []install.Step {
	if !i.Machine.Exists("/run/systemd/system") || !i.Upkeep.InHomes(i.Machine.System()) {
		return nil
	}
	text := "# Proxy settings and tools of a user stand in his home directory; `hither install` wrote this because they were chosen.\n[Service]\n" +
		"ProtectHome=no\nReadWritePaths=\"-" + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(i.Upkeep.Home) + "\"\n" +
		"CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_SETUID CAP_SETGID\n"
	reload := []string{"systemctl", "daemon-reload"}
	return []install.Step{install.Edit{
		On: i.Machine, Name: "let the service write in " + i.Upkeep.Home + ", by " + service.HomeFile, Path: service.HomeFile, Mode: 0o644,
		Change: func([]byte, bool) ([]byte, error) { return []byte(text), nil },
		After:  [][]string{reload}, AfterUndo: [][]string{install.Perhaps(reload)},
	}}
}

// bundle finds a file of all roots for tools that read one alone, or makes it. The system's is the best: it stays fresh.
func (i *Installation) bundle(root truststore.Certificate) []install.Step {
	if i.Machine.System() == "linux" && (i.Wanted.Trust || roots.SystemTrusts(root.PEM)) {
		for _, path := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"} {
			if i.Machine.Exists(path) {
				i.Upkeep.Bundle = path
				return nil
			}
		}
	}
	var r roots.Set
	r.AddSystem(i.Env)
	r.AddPEM(root.PEM)
	path := filepath.Join(i.Machine.Home, ".local", "share", "hither", "roots.pem")
	switch i.Machine.System() {
	case "darwin":
		path = filepath.Join(i.Machine.Home, "Library", "Application Support", "hither", "roots.pem")
	case "windows":
		path = filepath.Join(i.Machine.Home, "AppData", "Local", "hither", "roots.pem")
	}
	i.Upkeep.Bundle = path
	text := r.Encode()
	return []install.Step{install.Edit{
		On: i.Machine, Name: "write all roots for tools that read one file, in " + path, Path: path, Mode: 0o644,
		Change: func([]byte, bool) ([]byte, error) { return text, nil },
	}}
}

// namesRoots says that the proxy is told by variables, which name the roots to programs that do not read the system's.
func (i *Installation) namesRoots() bool {
	return i.Machine.System() == "linux" && len(i.Wanted.Proxy) > 0 || slices.Contains(i.Wanted.Proxy, sysproxy.Environment)
}

func (i *Installation) proxying() sysproxy.Proxying {
	return sysproxy.Proxying{Address: i.Settings.Listen[0], Upstream: i.Settings.UpstreamProxy, Bundle: i.Upkeep.Bundle, Exe: i.Exe}
}

func (i *Installation) tooling() tools.Tooling {
	t := tools.Tooling{Proxy: i.Settings.Listen[0], Gateways: map[string]string{}, Bundle: i.Upkeep.Bundle, Upstream: i.Settings.UpstreamProxy}
	for _, rule := range i.Rules.Rules() {
		if rule.Gateway != "" {
			t.Gateways[rule.Name] = rule.Gateway
		}
	}
	return t
}

// ServiceState is where a Hither keeps things that is installed for the machine: not below anybody's home.
func ServiceState(m *install.Machine, s settings.Settings) string {
	if s.From["state"] == "default" && m.Privileged() {
		if dir := service.State(m); dir != "" {
			return dir
		}
	}
	return s.State
}

// ParseTools reads the value of --tools; found stands for all that are on the machine.
func ParseTools(m *install.Machine, list string) ([]string, error) {
	switch list {
	case "", "none":
		return nil, nil
	case "found":
		return tools.Found(m), nil
	}
	var names []string
	for _, name := range strings.Split(list, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(tools.Names(), name) {
			return nil, &settings.FlagError{Err: fmt.Errorf("--tools: %q is none of %s", name, strings.Join(tools.Names(), ", "))}
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}
