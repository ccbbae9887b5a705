package tools

import (
	"strings"

	"hither/install"
	"hither/install/lines"
	"hither/install/proxyname"
)

// npmSteps sets the proxy in the user's npmrc, which pnpm and Yarn 1 read too. The registry stays the origin's, because
// another one would stand in the lock files of pnpm, Yarn and Bun. A cafile is added only if there is none: it replaces
// all other roots, so it has to be complete.
func npmSteps(m *install.Machine, t Tooling) []install.Step {
	file := npmVariable(m, "userconfig")
	if file == "" {
		file = m.Join(m.Home, ".npmrc")
	}
	return []install.Step{install.Edit{
		On: m, Name: "send npm through Hither in " + file, Path: file, Volatile: true, Mode: 0o600, // tokens may follow
		Change: func(old []byte, _ bool) ([]byte, error) {
			out, err := putNpmProxy(old, t, m)
			return out, install.InFile(file, err)
		},
	}}
}

func npmVariable(m *install.Machine, name string) string {
	if value := m.Getenv("npm_config_" + name); value != "" {
		return value
	}
	return m.Getenv("NPM_CONFIG_" + strings.ToUpper(name))
}

func putNpmProxy(text []byte, t Tooling, m *install.Machine) ([]byte, error) {
	f, err := lines.ParseINI(text, lines.NpmStyle())
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"https-proxy", "proxy"} {
		now, _ := f.Get("", name)
		if err := t.mayTake("in the line "+name, now.Value); err != nil {
			return nil, err
		}
		if !proxyname.Same(now.Value, t.proxyURL()) {
			f.Set("", name, t.proxyURL())
		}
	}
	// npm asks even loopback through the proxy, and its noproxy hides the variable NO_PROXY.
	now, ok := f.Get("", "noproxy")
	users := now.Value
	if !ok {
		users = m.Getenv("NO_PROXY") + "," + m.Getenv("no_proxy")
	}
	if want := strings.Join(t.direct(users), ","); want != now.Value {
		f.Set("", "noproxy", want)
	}
	if _, ok := f.Get("", "cafile"); !ok && t.Bundle != "" {
		if _, ok := f.Get("", "ca"); !ok {
			f.Set("", "cafile", t.Bundle)
		}
	}
	return f.Bytes(), nil
}
