package told

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hither/install"
)

// world is a false machine: a tree of files, an environment, and commands that print what they are to.
type world struct {
	Reader
	t    *testing.T
	env  map[string]string
	says map[string]string // what commands print
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, env: map[string]string{}, says: map[string]string{}}
	w.Reader = Reader{
		On:  &install.Machine{OS: "linux", Root: t.TempDir(), Home: "/home/u", UID: -1, GID: -1, Env: func(name string) string { return w.env[name] }},
		Dir: "/home/u/project",
		Has: func(string) bool { return true },
		Print: func(_ context.Context, argv ...string) string {
			return w.says[strings.Join(argv, " ")]
		},
	}
	w.Read = w.On.Read
	return w
}

// write writes a file of the false machine.
func (w *world) write(name, text string) {
	w.t.Helper()
	file := w.On.Path(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// Which of its files counts, as pip itself says with `pip config debug`.
func TestPipsSettingsCountAsForPip(t *testing.T) {
	const mine, legacy, site, xdg = "/home/u/.config/pip/pip.conf", "/home/u/.pip/pip.conf", "/etc/pip.conf", "/etc/xdg/pip/pip.conf"
	for _, row := range []struct {
		says, own string // PIP_CONFIG_FILE
		files     map[string]string
		want      string
	}{
		{"the user's", "", map[string]string{mine: "[global]\nproxy=a\n", legacy: "[global]\nproxy=b\n", site: "[global]\nproxy=c\n"}, "a"},
		{"the machine's", "", map[string]string{site: "[global]\nproxy=c\n", xdg: "[global]\nproxy=d\n"}, "c"},
		{"the machine's beside one that a variable names", "/own", map[string]string{"/own": "", mine: "[global]\nproxy=a\n", site: "[global]\nproxy=c\n"}, "c"},
		{"the user's beside one that is not there", "/own", map[string]string{mine: "[global]\nproxy=a\n"}, "a"},
		{"none", "/dev/null", map[string]string{mine: "[global]\nproxy=a\n", site: "[global]\nproxy=c\n"}, ""},
		{"a command's own section goes first", "", map[string]string{mine: "[install]\nproxy=b\n[global]\nproxy = a\n"}, "b"},
		{"sections are as they are written", "", map[string]string{mine: "[GLOBAL]\nproxy=a\n"}, ""},
		{"and so are quotes", "", map[string]string{mine: "[global]\nproxy = \"a\"\n"}, "\"a\""},
		{"lines that are indented alike", "", map[string]string{mine: "[global]\n  timeout=9\n  proxy=a\n"}, "a"},
		{"names are not", "", map[string]string{mine: "[global]\nPROXY: a\n"}, "a"},
		{"one that is empty takes that of a weaker file away", "", map[string]string{mine: "[global]\nproxy =\n", site: "[global]\nproxy=c\n"}, ""},
		{"but not that of another section", "", map[string]string{mine: "[install]\nproxy =\n[global]\nproxy = a\n"}, "a"},
		{"in whatever file", "", map[string]string{mine: "[global]\nproxy=a\n", site: "[install]\nproxy=c\n"}, "c"},
	} {
		w := newWorld(t)
		w.env["PIP_CONFIG_FILE"] = row.own
		for name, text := range row.files {
			w.write(name, text)
		}
		if got := (Pip{w.Reader}).Get("proxy").Value; got != row.want {
			t.Errorf("%s\n got %q\nwant %q", row.says, got, row.want)
		}
	}
}

// Cargo itself warns that it takes the old name, and looks for the file beside .cargo.
func TestCargosSettingsCountAsForCargo(t *testing.T) {
	w := newWorld(t)
	w.write("/home/u/.cargo/config.toml", "[http]\nproxy = \"http://new.example\"\n")
	w.write("/home/u/.cargo/config", "[http]\nproxy = \"http://old.example\"\ncainfo = \"ca/mine.pem\"\n")
	if got := (Cargo{w.Reader}).Proxy(); got != (Setting{"http.proxy in /home/u/.cargo/config", "http://old.example"}) {
		t.Errorf("got  %v\nwant the proxy of the file with the old name", got)
	}
	if got := (Cargo{w.Reader}).CAInfo(); got != (Setting{"http.cainfo in /home/u/.cargo/config", "/home/u/ca/mine.pem"}) {
		t.Errorf("got  %v\nwant the file beside .cargo", got)
	}
}

// Cargo asks git's settings before libcurl's variables.
func TestCargoTakesTheProxyOfGit(t *testing.T) {
	w := newWorld(t)
	wants := func(want Setting) {
		t.Helper()
		if got := (Cargo{w.Reader}).Proxy(); got != want {
			t.Errorf("\n got %v\nwant %v", got, want)
		}
	}
	w.env["https_proxy"] = "http://127.0.0.1:7890"
	w.says["git config --system --includes --get http.proxy"] = "http://machine.example\n"
	wants(Setting{"https_proxy", "http://127.0.0.1:7890"}) // git has no settings, so it is not asked
	w.write("/home/u/.gitconfig", "")
	wants(Setting{"git's http.proxy", "http://machine.example"})
	w.says["git config --global --includes --get http.proxy"] = "http://mine.example\n"
	wants(Setting{"git's http.proxy", "http://mine.example"})
	w.env["CARGO_HTTP_PROXY"] = "http://cargo.example"
	wants(Setting{"CARGO_HTTP_PROXY", "http://cargo.example"})
}

func TestFilesAsTheirToolsReadThem(t *testing.T) {
	w := newWorld(t)
	w.env["HOME"] = "/home/u"
	w.write("/home/u/project/.npmrc", "cafile=${HOME}/a.pem\n; x\nca[]=\"one\\n\"\nca[]=two\nstrict-ssl=false\nproxy=${NO}${NO?}\n[x]\ncafile=z\n")
	for name, want := range map[string]string{"cafile": "/home/u/a.pem", "ca": "one\n\ntwo", "strict-ssl": "false", "proxy": "${NO}"} {
		if got := (Npm{w.Reader}).Get(name).Value; got != want {
			t.Errorf("%s\n got %q\nwant %q", name, got, want)
		}
	}
	if got := unitVariable("Environment=A=1 \"HTTPS_PROXY=http://u:p%%40@x\" 'NO_PROXY=a b'\n", "HTTPS_PROXY"); got != "http://u:p%40@x" {
		t.Errorf("a unit's variable\n got %q", got)
	}
}
