package sysproxy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hither/install"
	"hither/install/lines"
	"hither/install/proxyname"
)

// proxyNames are the variables that programs read. curl knows http_proxy in small letters only, others the large ones.
func proxyNames() []string {
	return []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
}

// roots are the variables for programs that do not read the system's roots, Node and Python's requests, but for those to which the
// user gave a file of his own: `hither install --trust` has added ours to that.
func (p Proxying) roots(users func(name string) string) []string {
	if p.Bundle == "" {
		return nil
	}
	return slices.DeleteFunc([]string{"NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"}, func(name string) bool {
		value := users(name)
		return value != "" && value != p.Bundle
	})
}

// environmentDStep writes a file that systemd's user manager reads (environment.d(5)); all programs of a session that it
// starts get the variables. A manager that runs is told, so that what is started from now on sees the change.
func environmentDStep(m *install.Machine, p Proxying) install.Step {
	file := m.Join(m.XDGConfig(), "environment.d", "60-hither.conf")
	return install.Edit{
		On: m, Name: "name the proxy to the user's session in " + file, Path: file, Volatile: true, Mode: 0o644,
		After: [][]string{install.Perhaps(m.AsUser("systemctl", "--user", "daemon-reload"))},
		Change: func([]byte, bool) ([]byte, error) {
			theirs, err := p.variablesElsewhere(m, file)
			if err != nil {
				return nil, err
			}
			var out strings.Builder
			out.WriteString("# Written by Hither, which takes it away when it ends.\n")
			for _, name := range proxyNames() {
				fmt.Fprintf(&out, "%s=%s\n", name, quoteEnvironment(p.variable(m, name, theirs["NO_PROXY"])))
			}
			for _, name := range p.roots(func(name string) string { return cmp.Or(strings.Join(theirs[name], ""), m.Getenv(name)) }) {
				fmt.Fprintf(&out, "%s=%s\n", name, quoteEnvironment(p.Bundle))
			}
			return []byte(out.String()), nil
		},
	}
}

// variable is the value of one of proxyNames.
func (p Proxying) variable(m *install.Machine, name string, users []string) string {
	if strings.EqualFold(name, "NO_PROXY") {
		return strings.Join(p.direct(m, users...), ",")
	}
	return p.url()
}

// variablesElsewhere looks for proxies that the user has in the files beside ours, and returns what he has there, both spellings of
// NO_PROXY under one.
func (p Proxying) variablesElsewhere(m *install.Machine, ours string) (map[string][]string, error) {
	theirs := map[string][]string{}
	files := append([]string{"/etc/environment"}, m.Glob("/etc/environment.d/*.conf")...)
	for _, file := range append(files, m.Glob(m.Join(m.XDGConfig(), "environment.d", "*.conf"))...) {
		data, err := m.Read(file)
		if err != nil || file == ours {
			continue
		}
		told := environmentLines(data)
		if err := p.mayTakeAll(file, told); err != nil {
			return nil, err
		}
		for name, value := range told {
			if strings.EqualFold(name, "NO_PROXY") {
				name = "NO_PROXY"
			}
			theirs[name] = append(theirs[name], value)
		}
	}
	return theirs, nil
}

// mayTakeAll is mayTake for variables in a file. The first by name that may not is told, so that it is the same each time.
func (p Proxying) mayTakeAll(file string, told map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(told)) {
		if !namesProxy(name) {
			continue
		}
		if err := p.mayTake(file, told[name]); err != nil {
			return err
		}
	}
	return nil
}

func namesProxy(name string) bool {
	return strings.EqualFold(name, "HTTP_PROXY") || strings.EqualFold(name, "HTTPS_PROXY") || strings.EqualFold(name, "ALL_PROXY")
}

// environmentLines reads NAME=VALUE, with export before it or not (pam_env(8) allows it), and with quotes or not.
func environmentLines(text []byte) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if ok && !lines.IsBlank(line) {
			values[strings.TrimSpace(name)] = lines.Unquote(strings.TrimSpace(value))
		}
	}
	return values
}

// quoteEnvironment keeps environment.d from expanding what is in a user's list.
func quoteEnvironment(value string) string {
	if !strings.ContainsAny(value, " \t\"'\\$#;`") {
		return value
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(value) + `"`
}

// etcEnvironmentStep is read by pam_env at each login, of services too. The user's own lines stay; ours come after them
// and count. NO_PROXY is theirs and ours together.
func etcEnvironmentStep(m *install.Machine, p Proxying) install.Step {
	return install.Edit{
		On: m, Name: "name the proxy to every session in " + etcEnvironment, Path: etcEnvironment, Volatile: true, Mode: 0o644,
		Change: func(old []byte, _ bool) ([]byte, error) {
			now := environmentLines(old)
			if err := p.mayTakeAll(etcEnvironment, now); err != nil {
				return nil, err
			}
			users := []string{now["NO_PROXY"], now["no_proxy"]}
			wanted := map[string]string{}
			for _, name := range proxyNames() {
				wanted[name] = p.variable(m, name, users)
			}
			for _, name := range p.roots(func(name string) string { return now[name] }) {
				wanted[name] = p.Bundle
			}
			var add []string
			for _, name := range slices.Sorted(maps.Keys(wanted)) {
				value := wanted[name]
				if now[name] == value {
					continue
				}
				if strings.ContainsAny(value, "\"'#\n") {
					return nil, install.Refuse("%s cannot hold the value of %s: take the quotes and the # out of your NO_PROXY, or leave this place out", etcEnvironment, name)
				}
				add = append(add, name+"="+value)
			}
			return lines.Append(old, add), nil
		},
	}
}

// etcEnvironment is what pam_env reads.
const etcEnvironment = "/etc/environment"

// profileDStep is for login shells, which read the files there by name. A proxy that such a shell has already, from another of them or
// as one in another, stays with all that goes with it; a value of the user's own profile comes later, and counts.
func profileDStep(m *install.Machine, p Proxying) install.Step {
	const file = "/etc/profile.d/zz-hither-proxy.sh"
	return install.Edit{
		On: m, Name: "name the proxy to login shells in " + file, Path: file, Volatile: true, Mode: 0o644,
		Change: func([]byte, bool) ([]byte, error) {
			session, _ := m.Read(etcEnvironment) // what cannot be read names nothing
			told := environmentLines(session)
			if err := p.mayTakeAll(etcEnvironment, told); err != nil {
				return nil, err
			}
			another := func(name string) bool {
				return namesProxy(name) && told[name] != "" && !proxyname.Same(told[name], p.url())
			}
			if !proxyname.Same(told["HTTPS_PROXY"], p.url()) && slices.ContainsFunc(slices.Collect(maps.Keys(told)), another) {
				return nil, install.Refuse("%s names a proxy to every session, and that goes before what shells are told: take it out, or choose the place environment", etcEnvironment)
			}
			return []byte(p.profile()), nil
		},
	}
}

// profile is a script for sh.
func (p Proxying) profile() string {
	var out strings.Builder
	out.WriteString("# Written by Hither, which takes it away when it ends. A proxy of your own goes before it.\n" +
		"if [ -z \"${HTTP_PROXY-}${HTTPS_PROXY-}${http_proxy-}${https_proxy-}${ALL_PROXY-}${all_proxy-}\" ]; then\n" +
		"\tNO_PROXY=\"${NO_PROXY:-${no_proxy-}}\"\n" +
		"\texport NO_PROXY=\"${NO_PROXY:+$NO_PROXY,}" + strings.Join(proxyname.Loopback(), ",") + "\"\n" +
		"\texport no_proxy=\"$NO_PROXY\"\n")
	for _, name := range proxyNames() {
		if namesProxy(name) {
			fmt.Fprintf(&out, "\texport %s='%s'\n", name, install.QuotePosix(p.url()))
		}
	}
	for _, name := range p.roots(func(string) string { return "" }) {
		fmt.Fprintf(&out, "\t[ -n \"${%s-}\" ] || export %s='%s'\n", name, name, install.QuotePosix(p.Bundle))
	}
	out.WriteString("fi\n")
	return out.String()
}
