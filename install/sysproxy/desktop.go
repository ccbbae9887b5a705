package sysproxy

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"hither/install"
	"hither/install/lines"
	"hither/install/proxyname"
)

// gnomeSteps set the keys that GNOME, Cinnamon, MATE and all who use GLib's proxy resolver read. mode comes last and is
// undone first, so that at no time a half-made proxy is in force.
func gnomeSteps(m *install.Machine, p Proxying) []install.Step {
	if !hasSession(m) && !m.Exists(m.Join(m.XDGConfig(), "dconf", "user")) {
		return nil
	}
	g := gnome{m: m, p: p}
	host, number := p.split()
	return []install.Step{
		g.key("org.gnome.system.proxy.http", "host", quoteGVariant(host)),
		g.key("org.gnome.system.proxy.http", "port", number),
		g.key("org.gnome.system.proxy.https", "host", quoteGVariant(host)),
		g.key("org.gnome.system.proxy.https", "port", number),
		g.ignore(),
		g.key("org.gnome.system.proxy", "mode", "'manual'"),
	}
}

// hasSession tells whether the user has a D-Bus session. Without one, and without settings that were made in an earlier
// one, there is no desktop.
func hasSession(m *install.Machine) bool {
	id := m.UID
	if id < 0 {
		id = os.Getuid()
	}
	return m.UID < 0 && m.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" || m.Exists("/run/user/"+strconv.Itoa(id)+"/bus")
}

type gnome struct {
	m *install.Machine
	p Proxying
}

// inSession makes a command run in the user's session. At boot there is none yet, but what a power cut left must be put back
// all the same: then it gets a bus of its own, which is enough to write the settings.
func inSession(m *install.Machine, argv ...string) []string {
	const script = `bus=${DBUS_SESSION_BUS_ADDRESS:-unix:path=$XDG_RUNTIME_DIR/bus}; bus=${bus#unix:path=}; ` +
		`case $bus in /*) [ -S "${bus%%,*}" ] || set -- dbus-run-session -- "$@" ;; esac; exec "$@"`
	return m.AsUser(append([]string{"sh", "-c", script, "sh"}, argv...)...)
}

func (g gnome) key(schema, key, value string) install.Setting {
	return g.setting(schema, key, func(string) string { return value })
}

// ignore keeps the user's list of hosts, and ours after it.
func (g gnome) ignore() install.Setting {
	return g.setting("org.gnome.system.proxy", "ignore-hosts", func(old string) string {
		list := proxyname.Unique(append(gvariantStrings(old), g.p.direct(g.m)...))
		for i := range list {
			list[i] = quoteGVariant(list[i])
		}
		return "[" + strings.Join(list, ", ") + "]"
	})
}

// setting is one key. A key that stands at its default counts as unset, so that Undo resets it.
func (g gnome) setting(schema, key string, want func(old string) string) install.Setting {
	run := func(ctx context.Context, argv ...string) (string, error) {
		out, err := g.m.Command(ctx, inSession(g.m, argv...)...)
		return strings.TrimSpace(string(out)), err
	}
	return install.Setting{
		On: g.m, Name: gnomeStep(schema, key), Volatile: true,
		Check: inSession(g.m, "gsettings", "get", schema, key),
		Get: func(ctx context.Context) (string, bool, error) {
			if err := g.mayTake(ctx, run); err != nil {
				return "", false, err
			}
			value, err := run(ctx, "gsettings", "get", schema, key)
			if err != nil {
				return "", false, err
			}
			standard, err := run(ctx, "env", "GSETTINGS_BACKEND=memory", "gsettings", "get", schema, key)
			return value, value != standard, err
		},
		Want: func(old string, _ bool) string { return want(old) },
		Set: func(ctx context.Context, value string) error {
			_, err := run(ctx, "gsettings", "set", schema, key, value)
			return err
		},
		UndoSet:   func(old string) []string { return inSession(g.m, "gsettings", "set", schema, key, old) },
		UndoUnset: func(string) []string { return inSession(g.m, "gsettings", "reset", schema, key) },
	}
}

func gnomeStep(schema, key string) string {
	return fmt.Sprintf("set %s %s of the desktop's proxy (gsettings)", schema, key)
}

// mayTake refuses a script, and a proxy that is neither ours nor the one behind us.
func (g gnome) mayTake(ctx context.Context, run func(context.Context, ...string) (string, error)) error {
	mode, err := run(ctx, "gsettings", "get", "org.gnome.system.proxy", "mode")
	if err != nil || mode == "'none'" {
		return err
	}
	if mode == "'auto'" {
		return install.Refuse("the desktop's proxy is chosen by a script (gsettings get org.gnome.system.proxy autoconfig-url): switch that off and name the proxy with upstream-proxy in Hither's config.toml, or leave the proxy settings out")
	}
	for _, kind := range []string{"http", "https"} {
		host, err := run(ctx, "gsettings", "get", "org.gnome.system.proxy."+kind, "host")
		if err != nil {
			return err
		}
		number, err := run(ctx, "gsettings", "get", "org.gnome.system.proxy."+kind, "port")
		if err != nil {
			return err
		}
		if host = lines.Unquote(host); host == "" {
			continue
		}
		if ours, _ := g.p.split(); host == ours && begun(g.m, gnomeStep("org.gnome.system.proxy."+kind, "host")) {
			continue // half-way through, the port may still be the former one
		}
		if err := g.p.mayTake("the desktop's setting", host+":"+number); err != nil {
			return err
		}
	}
	return nil
}

// quoteGVariant writes a string as gsettings reads and prints it (GVariant text format).
func quoteGVariant(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// gvariantStrings reads ['a', 'b'] and @as [].
func gvariantStrings(text string) []string {
	var list []string
	var item strings.Builder
	quote := rune(0)
	escaped := false
	for _, r := range text {
		switch {
		case quote == 0:
			if r == '\'' || r == '"' {
				quote = r
			}
		case escaped:
			item.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == quote:
			list = append(list, item.String())
			item.Reset()
			quote = 0
		default:
			item.WriteRune(r)
		}
	}
	return list
}

// begun says that a step of ours is written down, and not taken back.
func begun(m *install.Machine, step string) bool {
	if m.Journal == nil {
		return false
	}
	records, _ := m.Journal.Records() // damage is told by those who act
	return slices.ContainsFunc(records, func(r install.Record) bool { return r.Step == step })
}

func hasKDE(m *install.Machine) bool {
	return m.Exists(kdeFile(m)) || m.Look("plasmashell")
}

func kdeFile(m *install.Machine) string { return m.Join(m.XDGConfig(), "kioslaverc") }

// kdeStep writes what KDE's own page of settings writes, and tells the programs that run.
func kdeStep(m *install.Machine, p Proxying) install.Step {
	file := kdeFile(m)
	reread := m.AsUser("dbus-send", "--type=signal", "/KIO/Scheduler", "org.kde.KIO.Scheduler.reparseSlaveConfiguration", "string:")
	return install.Edit{
		On: m, Name: "name the proxy to KDE in " + file, Path: file, Volatile: true, Mode: 0o600, After: [][]string{install.Perhaps(reread)},
		Change: func(old []byte, _ bool) ([]byte, error) {
			out, err := putKDEProxy(old, m, p)
			return out, install.InFile(file, err)
		},
	}
}

// putKDEProxy knows KDE's kinds of proxy: 0 none, 1 named here, 2 a script, 3 a script that is searched for, 4 the variables of
// the environment, which are ours already.
func putKDEProxy(text []byte, m *install.Machine, p Proxying) ([]byte, error) {
	const section = "Proxy Settings"
	f, err := lines.ParseINI(text, lines.KDEStyle())
	if err != nil {
		return nil, err
	}
	kind, _ := f.Get(section, "ProxyType")
	switch kind.Value {
	case "4":
		return text, nil
	case "2", "3":
		return nil, install.Refuse("has the proxy chosen by a script: switch that off in System Settings and name the proxy with upstream-proxy in Hither's config.toml, or leave the proxy settings out")
	}
	host, number := p.split()
	for _, name := range []string{"httpProxy", "httpsProxy"} {
		now, _ := f.Get(section, name)
		if kind.Value == "1" {
			if err := p.mayTake("in the line "+name, strings.Join(strings.Fields(now.Value), ":")); err != nil {
				return nil, err
			}
		}
		if want := "http://" + host + " " + number; now.Value != want {
			f.Set(section, name, want)
		}
	}
	users, _ := f.Get(section, "NoProxyFor")
	if want := strings.Join(p.direct(m, users.Value), ","); want != users.Value {
		f.Set(section, "NoProxyFor", want)
	}
	if kind.Value != "1" {
		f.Set(section, "ProxyType", "1")
	}
	return f.Bytes(), nil
}
