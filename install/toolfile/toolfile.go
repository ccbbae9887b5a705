// Package toolfile knows where git, pip, cargo and containerd look for their settings. Who writes such a file asks here, and so does
// who only reads it, so that both mean the one that counts. Nothing is said of what a project names for itself.
package toolfile

import (
	"cmp"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"hither/install"
)

// CertsDir is where containerd looks for what is said of one registry, and for the roots to believe there.
const CertsDir = "/etc/containerd/certs.d"

// CargoHome is where cargo keeps what is the user's.
func CargoHome(m *install.Machine) string {
	return cmp.Or(m.Getenv("CARGO_HOME"), m.Join(m.Home, ".cargo"))
}

// CargoConfig is the file of settings in one directory. Cargo takes the old name if both are there (The Cargo Book,
// "Hierarchical structure").
func CargoConfig(m *install.Machine, dir string) string {
	if old := m.Join(dir, "config"); m.Exists(old) {
		return old
	}
	return m.Join(dir, "config.toml")
}

// CargoBase is what a path in one of Cargo's files is relative to: the directory that .cargo is in.
func CargoBase(file string) string { return path.Dir(path.Dir(filepath.ToSlash(file))) }

// Pip are the files that pip reads, what counts most last; none if PIP_CONFIG_FILE says so. That of an interpreter is
// left out, unless it is the virtual environment's: which pip will run is not known.
func Pip(m *install.Machine) []string {
	own := m.Getenv("PIP_CONFIG_FILE")
	if IsNull(m, own) {
		return nil
	}
	files := pipSite(m)
	if own == "" || !m.Exists(own) {
		files = append(files, PipUser(m)...)
	}
	if env := m.Getenv("VIRTUAL_ENV"); env != "" {
		files = append(files, m.Join(env, pipName(m)))
	}
	files = slices.DeleteFunc(files, func(file string) bool { return !m.IsAbs(file) }) // there is no home
	if own != "" {
		files = append(files, own)
	}
	return files
}

// pipSite are the files for all users.
func pipSite(m *install.Machine) (files []string) {
	switch m.System() {
	case "windows":
		return []string{m.Join(cmp.Or(m.Getenv("ProgramData"), `C:\ProgramData`), "pip", pipName(m))}
	case "darwin":
		return []string{"/Library/Application Support/pip/pip.conf"}
	}
	for dir := range strings.SplitSeq(cmp.Or(m.Getenv("XDG_CONFIG_DIRS"), "/etc/xdg"), ":") {
		files = append(files, m.Join(dir, "pip", pipName(m)))
	}
	return append(files, "/etc/pip.conf")
}

// PipUser are those files of pip that are the user's, of which the last is the one to write.
func PipUser(m *install.Machine) []string {
	switch m.System() {
	case "windows":
		return []string{m.Join(m.Home, "pip", pipName(m)), m.Join(m.ConfigHome(), "pip", pipName(m))}
	case "darwin":
		dir := m.Join(m.ConfigHome(), "pip")
		if !m.Exists(dir) {
			dir = m.Join(m.Home, ".config", "pip")
		}
		return []string{m.Join(m.Home, ".pip", pipName(m)), m.Join(dir, pipName(m))}
	}
	return []string{m.Join(m.Home, ".pip", pipName(m)), m.Join(m.ToolConfig(), "pip", pipName(m))}
}

func pipName(m *install.Machine) string {
	if m.System() == "windows" {
		return "pip.ini"
	}
	return "pip.conf"
}

// IsNull says that a file is the one in which nothing stands.
func IsNull(m *install.Machine, file string) bool {
	return file == "/dev/null" || m.System() == "windows" && strings.EqualFold(file, "nul")
}

// Git are the files that git reads for each project, what counts most last. Which of the machine's it is depends on who
// built git.
func Git(m *install.Machine) []string {
	files := []string{"/etc/gitconfig", "/usr/local/etc/gitconfig", "/opt/homebrew/etc/gitconfig"}
	if m.System() == "windows" {
		files = []string{`C:\Program Files\Git\etc\gitconfig`}
	}
	if own := m.Getenv("GIT_CONFIG_SYSTEM"); own != "" {
		files = []string{own}
	}
	if own := m.Getenv("GIT_CONFIG_GLOBAL"); own != "" {
		return append(files, own)
	}
	return append(files, m.Join(m.ToolConfig(), "git", "config"), m.Join(m.Home, ".gitconfig"))
}
