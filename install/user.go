package install

import (
	"path"
	"strings"
)

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

// isAbs knows the paths of the machine's system, which a test may play.
func isAbs(m *Machine, p string) bool {
	if m.System() == "windows" {
		return len(p) > 2 && p[1] == ':' && (p[2] == '\\' || p[2] == '/')
	}
	return strings.HasPrefix(p, "/")
}
