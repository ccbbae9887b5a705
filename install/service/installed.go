package service

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"hither/install"
)

// HomeFile lets the unit of the machine write in the home of a user.
const HomeFile = "/etc/systemd/system/hither.service.d/home.conf"

// Installed is the service that starts Hither here, whoever has installed it.
type Installed struct {
	User   bool     // that of this user alone
	Config string   // file of its settings; empty: it reads the user's
	Files  []string // that say how it is started
	Log    []string // command that shows what it has said last; empty: not known
	words  func(verb string) []string
}

// Find looks for the service of this user, or that of the machine; nil: there is none, or none that can be seen in files (Windows).
func Find(m *install.Machine, user bool) *Installed {
	i := &Installed{User: user}
	switch {
	case m.System() == "darwin" && user:
		i.words = kickstart("gui/" + strconv.Itoa(os.Getuid()))
		i.Files = []string{m.Join(m.Home, "Library", "LaunchAgents", "dev.hither.plist")}
	case m.System() == "darwin":
		i.words, i.Files = kickstart("system"), []string{"/Library/LaunchDaemons/dev.hither.plist"}
		i.Config = "/var/root/Library/Application Support/hither/config.toml"
	case m.System() != "linux":
	case user && m.Home != "":
		i.Log = []string{"journalctl", "--user", "-u", "hither", "-n", "20"}
		i.words, i.Files = systemctl("systemctl", "--user"), []string{m.Join(m.XDGConfig(), "systemd/user/hither.service")}
	case !user && m.Exists("/run/systemd/system"):
		i.words, i.Log = systemctl("systemctl"), []string{"journalctl", "-u", "hither", "-n", "20"}
		i.Config = "/etc/hither/config.toml" // XDG_CONFIG_HOME of the unit, as of the script below
		for _, dir := range []string{"/etc", "/usr/lib", "/lib"} {
			i.Files = append(i.Files, filepath.Join(dir, "systemd/system/hither.service"))
		}
	case !user:
		i.words = func(verb string) []string { return []string{"rc-service", "hither", verb} }
		i.Config, i.Files = "/etc/hither/config.toml", []string{"/etc/init.d/hither"}
	}
	i.Files = slices.DeleteFunc(i.Files, func(file string) bool { return !m.Exists(file) })
	if len(i.Files) == 0 {
		return nil
	}
	if !user && m.Exists(HomeFile) {
		i.Files = append(i.Files, HomeFile)
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

// Renew is Restart for one that runs, and does nothing to one that does not.
func (i *Installed) Renew() []string {
	switch words := i.Restart(); words[0] {
	case "systemctl":
		systemctl := strings.Join(words[:len(words)-2], " ")
		// The fourth start in a minute would be its end.
		return []string{"sh", "-c", systemctl + " reset-failed hither.service 2>/dev/null; " + systemctl + " try-restart hither.service"}
	case "rc-service":
		return []string{"sh", "-c", "! rc-service hither status >/dev/null 2>&1 || rc-service hither restart"}
	default:
		return words
	}
}
