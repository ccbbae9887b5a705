package service

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"hither/install"
)

// Installed is the service that starts Hither here, whoever has installed it.
type Installed struct {
	User   bool   // that of this user alone
	Config string // file of its settings; empty: it reads the user's
	words  func(verb string) []string
}

// Find looks for the service of this user, or that of the machine; nil: there is none, or none that can be seen in files (Windows).
func Find(m *install.Machine, user bool) *Installed {
	i := &Installed{User: user}
	var files []string
	switch {
	case m.System() == "darwin" && user:
		i.words = kickstart("gui/" + strconv.Itoa(os.Getuid()))
		files = []string{m.Join(m.Home, "Library", "LaunchAgents", "dev.hither.plist")}
	case m.System() == "darwin":
		i.words, files = kickstart("system"), []string{"/Library/LaunchDaemons/dev.hither.plist"}
		i.Config = "/var/root/Library/Application Support/hither/config.toml"
	case m.System() != "linux":
	case user && m.Home != "":
		i.words, files = systemctl("systemctl", "--user"), []string{m.Join(m.XDGConfig(), "systemd/user/hither.service")}
	case !user && m.Exists("/run/systemd/system"):
		i.words = systemctl("systemctl")
		i.Config = "/etc/hither/config.toml" // XDG_CONFIG_HOME of the unit, as of the script below
		for _, dir := range []string{"/etc", "/usr/lib", "/lib"} {
			files = append(files, filepath.Join(dir, "systemd/system/hither.service"))
		}
	case !user:
		i.words = func(verb string) []string { return []string{"rc-service", "hither", verb} }
		i.Config, files = "/etc/hither/config.toml", []string{"/etc/init.d/hither"}
	}
	if !slices.ContainsFunc(files, m.Exists) {
		return nil
	}
	return i
}

func systemctl(command ...string) func(string) []string {
	return func(verb string) []string { return append(slices.Clone(command), verb, "hither") }
}

// kickstart starts what launchd has loaded.
func kickstart(domain string) func(string) []string {
	return func(verb string) []string {
		command := []string{"launchctl", "kickstart"}
		if verb == "restart" {
			command = append(command, "-k")
		}
		return append(command, domain+"/dev.hither")
	}
}

// Start is the command that starts it.
func (i *Installed) Start() []string { return i.words("start") }

// Restart is the command that ends it, if it runs, and starts it.
func (i *Installed) Restart() []string { return i.words("restart") }
