package install

import (
	"path"
	"strings"
)

// Join makes a path of the machine's kind.
func (m *Machine) Join(parts ...string) string {
	if m.System() == "windows" {
		return strings.ReplaceAll(strings.Join(parts, `\`), "/", `\`)
	}
	return path.Join(parts...)
}

// ConfigHome is where the user's programs keep their settings. A directory that the environment names counts only if it
// is the user's: under sudo it is root's.
func (m *Machine) ConfigHome() string {
	switch m.System() {
	case "windows":
		return m.ownDir("AppData", m.Join(m.Home, "AppData", "Roaming"))
	case "darwin":
		return m.Join(m.Home, "Library", "Application Support")
	}
	return m.XDGConfig()
}

// XDGConfig is the directory of the XDG base directory specification 0.8, which many use on macOS too.
func (m *Machine) XDGConfig() string { return m.ownDir("XDG_CONFIG_HOME", m.Join(m.Home, ".config")) }

// ToolConfig is XDG_CONFIG_HOME as the user's tools read it. To root who changes the machine it may be that of our own service.
func (m *Machine) ToolConfig() string {
	if dir := m.Getenv("XDG_CONFIG_HOME"); m.IsAbs(dir) && !amRoot(m) {
		return dir
	}
	return m.XDGConfig()
}

func (m *Machine) ownDir(variable, otherwise string) string {
	dir := m.Getenv(variable)
	if m.Journal == nil && m.IsAbs(dir) { // it is only looked at, by the user himself
		return dir
	}
	rest, below := strings.CutPrefix(dir, m.Home)
	if below && m.Home != "" && rest != "" && (rest[0] == '/' || rest[0] == '\\') {
		return dir
	}
	return otherwise
}

// IsAbs knows the paths of the machine's system, which a test may play.
func (m *Machine) IsAbs(p string) bool {
	if m.System() == "windows" {
		return len(p) > 2 && p[1] == ':' && (p[2] == '\\' || p[2] == '/')
	}
	return strings.HasPrefix(p, "/")
}
