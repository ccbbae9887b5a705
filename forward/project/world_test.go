package project

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const registry = "https://registry.example"

// files writes a project, whose names have slashes, and returns its directory.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range content {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// names shows wants without their registry.
func names(wants []Want) string {
	var out []string
	for _, w := range wants {
		out = append(out, strings.TrimPrefix(w.URL, registry+"/"))
	}
	return strings.Join(out, " ")
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %s\nwant %s", what, got, want)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestNoProjectIsNotThere(t *testing.T) {
	dir := files(t, map[string]string{"empty/x": ""})
	for name, read := range map[string]func(string) error{
		"go":       func(dir string) error { _, err := ReadGo(dir); return err },
		"lock":     func(dir string) error { _, err := ReadLock(dir); return err },
		"manifest": func(dir string) error { _, err := ReadManifest(dir); return err },
	} {
		if err := read(filepath.Join(dir, "empty")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of a directory without a project\n got %v\nwant %v", name, err, fs.ErrNotExist)
		}
	}
}

func TestNoLinkLeadsOutOfTheProject(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("to make links needs a privilege there")
	}
	secret := files(t, map[string]string{"go.mod": "module secret\ngo 1.20\nrequire example.com/secret v1.0.0\n", "package.json": "{}", "package-lock.json": `{"packages":{"node_modules/secret":{"version":"1.0.0"}}}`})
	dir := files(t, map[string]string{"inside/real.mod": "module m\ngo 1.20\nrequire example.com/mine v1.0.0\n", "ws/go.work": "go 1.20\nuse ./a\nuse " + secret + "\n", "ws/a/x": ""})
	for name, target := range map[string]string{
		"go.mod": filepath.Join(secret, "go.mod"), "package.json": filepath.Join(secret, "package.json"), "package-lock.json": filepath.Join(secret, "package-lock.json"),
		"inside/go.mod": "real.mod",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if g, err := ReadGo(dir); err == nil {
		t.Errorf("a go.mod that leads out was read: %v", g.Mods(registry))
	}
	if l, err := ReadLock(dir); err == nil {
		t.Errorf("a lock file that leads out was read: %v", l.Packages)
	}
	if m, err := ReadManifest(dir); err == nil {
		t.Errorf("a package.json that leads out was read: %v", m)
	}
	if g, err := ReadGo(filepath.Join(dir, "ws", "a")); err == nil {
		t.Errorf("a module beside the workspace was read: %v", g.Mods(registry))
	}
	g := must[*Go](t)(ReadGo(filepath.Join(dir, "inside")))
	same(t, "a link that stays inside", names(g.Mods(registry)), "example.com/mine/@v/v1.0.0.mod")
}

func TestADirectoryInPlaceOfAFileIsNoFile(t *testing.T) {
	dir := files(t, map[string]string{"go.mod/x": "", "package.json": "{}", "package-lock.json/x": ""})
	if _, err := ReadGo(dir); !errors.Is(err, errNotRegular) {
		t.Errorf("go.mod\n got %v\nwant %v", err, errNotRegular)
	}
	if _, err := ReadLock(dir); !errors.Is(err, errNotRegular) {
		t.Errorf("package-lock.json\n got %v\nwant %v", err, errNotRegular)
	}
}
