package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"hither/forward/npmrc"
)

// gitWait bounds what git takes to read its own settings: a few milliseconds, unless a disk of the network is away.
const gitWait = 5 * time.Second

// toolRoots are the files of roots that git, pip and cargo are told of by settings of their own. A variable goes before those,
// so that the tool no longer knew them.
//
// BUG: a shell behind `hither env` may enter a project that names a file of its own, which git and cargo do not read there.
type toolRoots struct {
	Files []namedRoots // as the user or the machine says; all tools with one file get them
	Own   []string     // variables that are left alone, because the project names a file for its tool
}

type namedRoots struct{ setting, path string }

// findToolRoots reads the settings as the tools do in dir. Only with project may the project of dir say something. A tool
// whose variable is set passes its settings over.
func findToolRoots(env environment, dir string, project bool) toolRoots {
	var t toolRoots
	home, _ := findPlaces(env) // without a home, there are no files of the user's own
	if env.Get("GIT_SSL_CAINFO") == "" {
		t.addGit(env, home, dir, project)
	}
	if env.Get("PIP_CERT") == "" {
		t.addPip(env, home, dir)
	}
	if env.Get("CARGO_HTTP_CAINFO") == "" {
		t.addCargo(env, home, dir, project)
	}
	return t
}

// addGit asks git, which alone knows what its files include, if there are any: on macOS, a git that is not installed asks
// for that on the screen.
func (t *toolRoots) addGit(env environment, home places, dir string, project bool) {
	files := []string{
		"/etc/gitconfig", filepath.Join(home.home, ".gitconfig"), filepath.Join(filepath.Dir(home.config), "git", "config"),
		filepath.Join(home.home, ".config", "git", "config"), filepath.Join(dir, ".git"),
	}
	exists := func(file string) bool { _, err := os.Stat(file); return err == nil }
	if env.Get("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_COUNT") == "" && !slices.ContainsFunc(files, exists) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), gitWait)
	defer cancel()
	command := exec.CommandContext(ctx, "git", "config", "--null", "--includes", "--show-scope", "--type=path", "--get-regexp", `^http\.(.*\.)?sslcainfo$`)
	command.Env, command.Dir = env, dir
	out, _ := command.Output() // there is no git, or nothing is set
	fields := strings.Split(string(out), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		_, path, _ := strings.Cut(fields[i+1], "\n")
		switch {
		case path == "":
		case fields[i] != "local" && fields[i] != "worktree":
			t.add("git's http.sslCAInfo", path, dir)
		case project:
			t.Own = append(t.Own, "GIT_SSL_CAINFO")
		}
	}
}

// addPip passes over the file of an interpreter: which pip will run is not known, but for that of a virtual environment.
func (t *toolRoots) addPip(env environment, home places, dir string) {
	last := home.expand(env.Get("PIP_CONFIG_FILE"), dir)
	if last == os.DevNull {
		return
	}
	files := []string{"/etc/xdg/pip/pip.conf", "/etc/pip.conf", "/Library/Application Support/pip/pip.conf", `C:\ProgramData\pip\pip.ini`, last}
	for _, base := range []string{
		filepath.Join(home.home, ".pip"), filepath.Join(home.home, "pip"), filepath.Join(home.home, ".config", "pip"),
		filepath.Join(filepath.Dir(home.config), "pip"), env.Get("VIRTUAL_ENV"),
	} {
		if !filepath.IsAbs(base) {
			continue
		}
		files = append(files, filepath.Join(base, "pip.conf"), filepath.Join(base, "pip.ini"))
	}
	for _, file := range files {
		data, err := npmrc.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			i := strings.IndexAny(line, "=:")
			if i > 0 && strings.EqualFold(strings.TrimSpace(line[:i]), "cert") {
				t.add("pip's cert", home.expand(strings.TrimSpace(line[i+1:]), dir), dir)
			}
		}
	}
}

// addCargo reads the files above dir, of which the nearest counts, and the user's. A path is relative to the directory that
// .cargo is in.
func (t *toolRoots) addCargo(env environment, home places, dir string, project bool) {
	user := env.Get("CARGO_HOME")
	if user == "" {
		user = filepath.Join(home.home, ".cargo")
	}
	if path := cargoRoots(user); path != "" {
		t.add("cargo's http.cainfo", path, filepath.Dir(user))
	}
	for at := dir; project && at != ""; at = filepath.Dir(at) {
		if own := filepath.Join(at, ".cargo"); own != user && cargoRoots(own) != "" {
			t.Own = append(t.Own, "CARGO_HTTP_CAINFO")
		}
		if at == filepath.Dir(at) {
			return
		}
	}
}

// cargoRoots is what one directory of cargo's settings says.
func cargoRoots(dir string) string {
	for _, name := range []string{"config", "config.toml"} { // the old name counts if both are there
		data, err := npmrc.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		var config struct {
			HTTP struct{ CAInfo string }
		}
		_ = toml.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &config) // cargo's to complain of; it takes a byte order mark
		return config.HTTP.CAInfo
	}
	return ""
}

// add takes a path each once; a relative one is below dir.
func (t *toolRoots) add(setting, path, dir string) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if named := (namedRoots{setting, path}); path != dir && !slices.Contains(t.Files, named) {
		t.Files = append(t.Files, named)
	}
}
