// Package goenv is the settings of the go command, read as it reads them but without running it, and what its GOPROXY says.
//
//	goenv.Settings{Env: env, ReadFile: os.ReadFile, Root: goenv.FindRoot(env)}.Get("GOPROXY")
package goenv

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/paths"
	"hither/forward/npmrc"
	"hither/install/lines"
)

// PublicProxy is what Go asks if nobody says otherwise, and the one host that our /go gateway stands for.
const PublicProxy = "https://proxy.golang.org"

// Settings reads settings of the go command without running it: in a module that wants a newer Go, even `go env` downloads
// a toolchain first.
type Settings struct {
	Env      environ.List
	ReadFile func(string) ([]byte, error)
	Root     string // GOROOT, whose go.env distributions change; empty: not known
}

// Get looks in the environment, then in the file of `go env -w`, then in GOROOT/go.env (cmd/go/internal/cfg).
func (g Settings) Get(name string) string {
	if value := g.Env.Get(name); value != "" {
		return value
	}
	for _, file := range g.files() {
		data, err := g.ReadFile(file)
		if err != nil {
			continue
		}
		if value, _ := lines.GoSetting(string(data), name); value != "" {
			return value
		}
	}
	return ""
}

// Blind says that there is a file that was not read.
func (g Settings) Blind() bool {
	return slices.ContainsFunc(g.files(), func(file string) bool {
		_, err := g.ReadFile(file)
		return errors.Is(err, npmrc.ErrUnread)
	})
}

func (g Settings) files() []string {
	var files []string
	own := g.Env.Get("GOENV")
	if home, err := paths.Find(g.Env); own == "" && err == nil {
		own = filepath.Join(filepath.Dir(home.Config), "go", "env")
	}
	if own != "" && own != "off" {
		files = append(files, own)
	}
	if g.Root != "" {
		files = append(files, filepath.Join(g.Root, "go.env"))
	}
	return files
}

// FindRoot follows the go command on the path; empty if there is none.
func FindRoot(env environ.List) string {
	if root := env.Get("GOROOT"); root != "" {
		return root
	}
	return ProgramRoot("go")
}

// ProgramRoot is the directory above bin/NAME, where programs keep their own settings; empty if there is no such program.
func ProgramRoot(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return ""
	}
	return filepath.Dir(filepath.Dir(path))
}

// ThroughGateway puts our gateway in front of a GOPROXY list that begins with the public proxy, which is the only one we
// stand for: a user who chose another, direct or off, keeps it, and false is returned. The gateway spares Go the second
// request behind each 404, and needs no certificate where Go reads none from files. The bar lets Go pass on to the
// user's own list whatever happens to us; a comma would stop at a refused connection.
func ThroughGateway(list, gateway string) (string, bool) {
	if list == "" {
		list = PublicProxy + ",direct"
	}
	if First(list) != PublicProxy {
		return "", false
	}
	return gateway + "|" + list, true
}

// Switcher is the version of the go command, if it may fetch a later one of itself; else empty.
func (g Settings) Switcher() string {
	if mode := g.Get("GOTOOLCHAIN"); g.Root == "" || mode != "auto" && mode != "local+auto" {
		return ""
	}
	data, err := g.ReadFile(filepath.Join(g.Root, "VERSION"))
	if err != nil {
		return ""
	}
	version, _, _ := strings.Cut(string(data), "\n")
	version, _, _ = strings.Cut(version, " ") // of experiments
	return version
}
