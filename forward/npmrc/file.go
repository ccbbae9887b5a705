package npmrc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// fileLimit is the largest file that is read at all, in bytes: Mozilla's whole set of roots has 0.2 MB.
const fileLimit = 8 << 20

// ErrUnread says that a file may say something that nobody here knows: it is no ordinary one, too large, or cannot be read.
var ErrUnread = errors.New("it is left unread")

// ReadFile reads a file that somebody else may have laid there. It must be an ordinary one, for a pipe would be waited for
// without end, and what it holds be lost to who it is for; should one have come in its place a moment ago, that is not
// waited for either. The error is ErrUnread if there is something that is not read, and fs.ErrNotExist for a directory, in
// which npm, too, finds no settings. The null device is empty: people name it for that.
func ReadFile(path string) ([]byte, error) {
	if path == os.DevNull {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: %w", path, os.ErrNotExist)
	}
	if !info.Mode().IsRegular() { // even to open a device may do something
		return nil, fmt.Errorf("%s is no ordinary file; %w", path, ErrUnread)
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil { // perhaps there are too many open files just now
		return nil, fmt.Errorf("%w; %w", err, ErrUnread)
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no ordinary file; %w", path, ErrUnread)
	}
	data, err := io.ReadAll(io.LimitReader(file, fileLimit+1))
	if err != nil {
		return nil, fmt.Errorf("%w; %w", err, ErrUnread)
	}
	if len(data) > fileLimit {
		return nil, fmt.Errorf("%s has more than %d bytes, which no file of settings has; %w", path, fileLimit, ErrUnread)
	}
	return data, nil
}

// Installed finds where node and npm are installed, as Reader wants it, by PATH; empty: they are not.
func Installed() (node, npm string) {
	if at := program("node"); at != "" {
		node = filepath.Dir(at) // C:\node\node.exe
		if runtime.GOOS != "windows" {
			node = filepath.Dir(node) // /usr/local/bin/node
		}
	}
	at := program("npm")
	switch {
	case at == "":
	case filepath.Base(at) == "npm.cmd":
		npm = filepath.Join(filepath.Dir(at), "node_modules", "npm")
	default:
		npm = filepath.Dir(filepath.Dir(at)) // …/npm/bin/npm-cli.js
	}
	return node, npm
}

// program is a program's file, links followed; empty: there is none.
func program(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return ""
	}
	return path
}

// open reads no file of the project unless the project may speak: a cafile in the user's npmrc that is relative, or begins
// with ${PWD}, is whatever the project has there.
func (r Reader) open(path string) ([]byte, error) {
	if path == "" || !r.Project && r.within(path) {
		return nil, os.ErrNotExist
	}
	if r.ReadFile == nil {
		return ReadFile(path)
	}
	return r.ReadFile(path)
}

// within tells whether a path is the project's by where it is.
func (r Reader) within(path string) bool {
	return slices.ContainsFunc(r.its, func(dir string) bool { return liesIn(path, dir) })
}

// findIts takes the working directory along, for paths begin there, and the names without links, for so the npm of a
// project's own node_modules is found in PATH. A directory that holds the user's home tells nothing.
func (r Reader) findIts() []string {
	var out []string
	home, _ := filepath.EvalSymlinks(r.Home)
	for _, dir := range []string{r.Root, r.Dir} {
		straight, _ := filepath.EvalSymlinks(dir)
		for _, name := range []string{dir, straight} {
			if name != "" && !liesIn(r.Home, name) && !liesIn(home, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

func liesIn(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// env is a variable of the environment. Names fold case where the system folds it.
func (r Reader) env(name string) (string, bool) {
	for _, line := range slices.Backward(r.Env) {
		n, value, ok := strings.Cut(line, "=")
		if ok && (n == name || runtime.GOOS == "windows" && strings.EqualFold(n, name)) {
			return value, true
		}
	}
	return "", false
}

func (r Reader) lookup(name string) (string, bool) {
	if r.Lookup != nil {
		return r.Lookup(name)
	}
	return r.env(name)
}
