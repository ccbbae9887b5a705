package roots

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/paths"
	"hither/forward/npmrc"
	"hither/install"
	"hither/install/toolfile"
)

// gitWait bounds what git takes to read its own settings: a few milliseconds, unless a disk of the network is away.
const gitWait = 5 * time.Second

// Tools are the files of roots that git, pip and cargo are told of by settings of their own. A variable goes before those,
// so that the tool no longer knew them.
//
// BUG: a shell behind `hither env` may enter a project that names a file of its own, which git and cargo do not read there.
type Tools struct {
	Files []Named  // as the user or the machine says; all tools with one file get them
	Own   []string // variables that are left alone, because the project names a file for its tool
}

// Named is a file of roots, or a directory of such, with the setting that names it, in words.
type Named struct{ setting, Path string }

// FindTools reads the settings as the tools do in dir. Only with project may the project of dir say something. A tool
// whose variable is set passes its settings over.
func FindTools(env environ.List, dir string, project bool) Tools {
	var t Tools
	home, _ := paths.Find(env) // without a home, there are no files of the user's own
	m := &install.Machine{Home: home.Home, UID: -1, GID: -1, Env: func(name string) string { return env.Get(name) }}
	if env.Get("GIT_SSL_CAINFO") == "" {
		t.addGit(env, m, dir, project)
	}
	if env.Get("PIP_CERT") == "" {
		t.addPip(m, home, dir)
	}
	if env.Get("CARGO_HTTP_CAINFO") == "" {
		t.addCargo(m, dir, project)
	}
	return t
}

// addGit asks git, which alone knows what its files include, if there are any: on macOS, a git that is not installed asks
// for that on the screen.
func (t *Tools) addGit(env environ.List, m *install.Machine, dir string, project bool) {
	files := toolfile.Git(m)
	for at := dir; at != ""; at = filepath.Dir(at) {
		files = append(files, filepath.Join(at, ".git"))
		if at == filepath.Dir(at) {
			break
		}
	}
	if env.Get("GIT_CONFIG_COUNT", "GIT_DIR") == "" && !slices.ContainsFunc(files, m.Exists) {
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

// addPip takes what pip's files say, in any section.
func (t *Tools) addPip(m *install.Machine, home paths.Places, dir string) {
	for _, file := range toolfile.Pip(m) {
		data, err := npmrc.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			i := strings.IndexAny(line, "=:")
			if i > 0 && strings.EqualFold(strings.TrimSpace(line[:i]), "cert") {
				t.add("pip's cert", home.Expand(strings.TrimSpace(line[i+1:]), dir), dir)
			}
		}
	}
}

// addCargo reads the files above dir, of which the nearest counts, and the user's. A path is relative to the directory that
// .cargo is in.
func (t *Tools) addCargo(m *install.Machine, dir string, project bool) {
	user := toolfile.CargoHome(m)
	if path := cargoRoots(m, user); path != "" {
		t.add("cargo's http.cainfo", path, filepath.Dir(user))
	}
	for at := dir; project && at != ""; at = filepath.Dir(at) {
		if own := filepath.Join(at, ".cargo"); own != user && cargoRoots(m, own) != "" {
			t.Own = append(t.Own, "CARGO_HTTP_CAINFO")
		}
		if at == filepath.Dir(at) {
			return
		}
	}
}

// cargoRoots is what one directory of cargo's settings says.
func cargoRoots(m *install.Machine, dir string) string {
	data, err := npmrc.ReadFile(toolfile.CargoConfig(m, dir))
	if err != nil {
		return ""
	}
	var config struct {
		HTTP struct{ CAInfo string }
	}
	_ = toml.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &config) // cargo's to complain of; it takes a byte order mark
	return config.HTTP.CAInfo
}

// add takes a path each once; a relative one is below dir.
func (t *Tools) add(setting, path, dir string) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if named := (Named{setting, path}); path != dir && !slices.Contains(t.Files, named) {
		t.Files = append(t.Files, named)
	}
}
