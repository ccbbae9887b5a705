package sysproxy

import (
	"fmt"
	"strings"

	"hither/install"
	"hither/install/lines"
	"hither/install/proxyname"
)

// proxyNames are the variables that programs read. curl knows http_proxy in small letters only, others the large ones.
func proxyNames() []string {
	return []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
}

// environmentDStep writes a file that systemd's user manager reads (environment.d(5)); all programs of a session that it
// starts get the variables. A manager that runs is told, so that what is started from now on sees the change.
func environmentDStep(m *install.Machine, p Proxying) install.Step {
	file := m.Join(m.XDGConfig(), "environment.d", "60-hither.conf")
	return install.Edit{
		On: m, Name: "name the proxy to the user's session in " + file, Path: file, Volatile: true, Mode: 0o644,
		After: [][]string{install.Perhaps(m.AsUser("systemctl", "--user", "daemon-reload"))},
		Change: func([]byte, bool) ([]byte, error) {
			users, err := p.variablesElsewhere(m, file)
			if err != nil {
				return nil, err
			}
			var out strings.Builder
			out.WriteString("# Written by Hither, which takes it away when it ends.\n")
			for _, name := range proxyNames() {
				fmt.Fprintf(&out, "%s=%s\n", name, quoteEnvironment(p.variable(m, name, users)))
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

// variablesElsewhere looks for proxies that the user has in the files beside ours, and collects his NO_PROXY.
func (p Proxying) variablesElsewhere(m *install.Machine, ours string) (noProxy []string, err error) {
	files := append([]string{"/etc/environment"}, m.Glob("/etc/environment.d/*.conf")...)
	for _, file := range append(files, m.Glob(m.Join(m.XDGConfig(), "environment.d", "*.conf"))...) {
		data, err := m.Read(file)
		if err != nil || file == ours {
			continue
		}
		for name, value := range environmentLines(data) {
			switch {
			case strings.EqualFold(name, "NO_PROXY"):
				noProxy = append(noProxy, value)
			case strings.EqualFold(name, "HTTP_PROXY"), strings.EqualFold(name, "HTTPS_PROXY"):
				if err := p.mayTake(file, value); err != nil {
					return nil, err
				}
			}
		}
	}
	return noProxy, nil
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
	const file = "/etc/environment"
	return install.Edit{
		On: m, Name: "name the proxy to every session in " + file, Path: file, Volatile: true, Mode: 0o644,
		Change: func(old []byte, _ bool) ([]byte, error) {
			now := environmentLines(old)
			users := []string{now["NO_PROXY"], now["no_proxy"]}
			var add []string
			for _, name := range proxyNames() {
				value := p.variable(m, name, users)
				if now[name] == value {
					continue
				}
				if !strings.EqualFold(name, "NO_PROXY") {
					if err := p.mayTake(file, now[name]); err != nil {
						return nil, err
					}
				}
				if strings.ContainsAny(value, "\"'#\n") {
					return nil, install.Refuse("%s cannot hold the value of %s: take the quotes and the # out of your NO_PROXY, or leave this place out", file, name)
				}
				add = append(add, name+"="+value)
			}
			return lines.Append(old, add), nil
		},
	}
}

// profileDStep is for login shells. A value that the user has already stays.
func profileDStep(m *install.Machine, p Proxying) install.Step {
	const file = "/etc/profile.d/hither.sh"
	return install.Edit{
		On: m, Name: "name the proxy to login shells in " + file, Path: file, Volatile: true, Mode: 0o644,
		Change: func([]byte, bool) ([]byte, error) {
			var out strings.Builder
			out.WriteString("# Written by Hither, which takes it away when it ends. A value of your own goes before these.\n")
			for _, name := range proxyNames() {
				value := p.variable(m, name, nil)
				if strings.EqualFold(name, "NO_PROXY") {
					fmt.Fprintf(&out, "export %s=\"${%s:+$%s,}\"'%s'\n", name, name, name, install.QuotePosix(strings.Join(proxyname.Unique(append(p.NoProxy, proxyname.Loopback()...)), ",")))
					continue
				}
				fmt.Fprintf(&out, "export %s=\"${%s:-%s}\"\n", name, name, value)
			}
			return []byte(out.String()), nil
		},
	}
}
