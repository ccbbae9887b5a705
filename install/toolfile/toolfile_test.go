package toolfile

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"hither/install"
	"hither/install/installtest"
	"hither/install/stage"
)

// TestPipReadsTheseFiles asks the pip of this machine, which names that of its interpreter, too.
func TestPipReadsTheseFiles(t *testing.T) {
	w := installtest.NewWorld(t, "linux", map[string]string{"/home/u/": ""})
	said := installtest.Really(t, w, []string{"pip", "config", "debug"})
	m := &install.Machine{OS: "linux", Home: w.Path(w.Home), Env: func(string) string { return "" }}
	for _, file := range Pip(m) {
		if !strings.Contains(said, "  "+file+", exists: ") {
			t.Errorf("pip says\n%s\nwant %s in it", said, file)
		}
	}
	stage.Same(t, "files, and the interpreter's", len(regexp.MustCompile(`(?m)^  /.*, exists: `).FindAllString(said, -1)), len(Pip(m))+1)
}

func TestWhereToolsKeepTheirSettings(t *testing.T) {
	for _, row := range []struct{ system, env, files, want string }{
		{"linux", "", "", "/etc/xdg/pip/pip.conf /etc/pip.conf /home/u/.pip/pip.conf /home/u/.config/pip/pip.conf"},
		{"linux", "XDG_CONFIG_DIRS=/a:/b", "", "/a/pip/pip.conf /b/pip/pip.conf /etc/pip.conf /home/u/.pip/pip.conf /home/u/.config/pip/pip.conf"},
		{"linux", "XDG_CONFIG_HOME=/x", "", "/etc/xdg/pip/pip.conf /etc/pip.conf /home/u/.pip/pip.conf /x/pip/pip.conf"},
		{"linux", "PIP_CONFIG_FILE=/own", "", "/etc/xdg/pip/pip.conf /etc/pip.conf /home/u/.pip/pip.conf /home/u/.config/pip/pip.conf /own"},
		{"linux", "PIP_CONFIG_FILE=/own", "/own", "/etc/xdg/pip/pip.conf /etc/pip.conf /own"},
		{"linux", "PIP_CONFIG_FILE=/dev/null", "", ""},
		{"linux", "VIRTUAL_ENV=/v", "", "/etc/xdg/pip/pip.conf /etc/pip.conf /home/u/.pip/pip.conf /home/u/.config/pip/pip.conf /v/pip.conf"},
		{"darwin", "", "", "/Library/Application Support/pip/pip.conf /home/u/.pip/pip.conf /home/u/.config/pip/pip.conf"},
		{"darwin", "", "/home/u/Library/Application Support/pip/", "/Library/Application Support/pip/pip.conf /home/u/.pip/pip.conf /home/u/Library/Application Support/pip/pip.conf"},
		{"windows", "", "", `C:\ProgramData\pip\pip.ini C:\Users\u\pip\pip.ini C:\Users\u\AppData\Roaming\pip\pip.ini`},
		{"windows", "PIP_CONFIG_FILE=NUL", "", ""},
	} {
		w := installtest.NewWorld(t, row.system, map[string]string{row.files: ""})
		if row.system == "windows" {
			w.Home = `C:\Users\u`
		}
		name, value, _ := strings.Cut(row.env, "=")
		w.Env = func(asked string) string { return map[string]string{name: value}[asked] }
		stage.Same(t, row.system+" "+row.env, strings.Join(Pip(w.Machine), " "), row.want)
	}
}

// Who only looks is the user, whose folders may lie outside of his home.
func TestWhatIsOnlyLookedAtIsWhereTheUserSays(t *testing.T) {
	w := installtest.NewWorld(t, "windows", nil)
	w.Home, w.Env = `C:\Users\u`, func(name string) string { return map[string]string{"AppData": `D:\Roaming`}[name] }
	stage.Same(t, "to be changed", slices.Contains(Pip(w.Machine), `C:\Users\u\AppData\Roaming\pip\pip.ini`), true)
	w.Journal = nil
	stage.Same(t, "looked at", slices.Contains(Pip(w.Machine), `D:\Roaming\pip\pip.ini`), true)
}

func TestCargoTakesTheOldNameAndBesideItsDirectory(t *testing.T) {
	w := installtest.NewWorld(t, "linux", map[string]string{"/srv/cargo/config.toml": "", "/srv/cargo/config": ""})
	w.Env = func(name string) string { return map[string]string{"CARGO_HOME": "/srv/cargo"}[name] }
	file := CargoConfig(w.Machine, CargoHome(w.Machine))
	stage.Same(t, "file", file, "/srv/cargo/config")
	stage.Same(t, "base", CargoBase(file), "/srv")
}

func TestGitsFilesMayBeNamed(t *testing.T) {
	w := installtest.NewWorld(t, "linux", nil)
	stage.Same(t, "the user's last", slices.Index(Git(w.Machine), "/home/u/.gitconfig"), len(Git(w.Machine))-1)
	w.Env = func(name string) string {
		return map[string]string{"GIT_CONFIG_SYSTEM": "/one", "GIT_CONFIG_GLOBAL": "/two"}[name]
	}
	stage.Same(t, "files", strings.Join(Git(w.Machine), " "), "/one /two")
}
