package projects

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/forward/project"
)

func TestWhatAClientHasIsNotAskedForAhead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "cache", "download", "example.com", "!m", "@v", "v1.0.0.mod")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	hithertest.Write(t, file, []byte("module m"))
	hithertest.Write(t, filepath.Join(filepath.Dir(file), "list"), []byte("v1.0.0\n"))
	below := filepath.Join(t.TempDir(), "pkg")
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(below, "mod")); err != nil {
		t.Skip(err)
	}
	for what, env := range map[string]environ.List{
		"its own variable":     {"GOMODCACHE=" + dir, "GOPATH=/elsewhere"},
		"below the first path": {"GOPATH=" + filepath.Dir(below) + string(filepath.ListSeparator) + "/b"},
	} {
		known := hasModule(env)
		has := func(address string) bool { return known(project.Want{URL: address}) }
		hithertest.Same(t, what+": there", has("https://proxy.golang.org/example.com/!m/@v/v1.0.0.mod"), true)
		hithertest.Same(t, what+": not there", has("https://proxy.golang.org/example.com/!m/@v/v1.0.1.mod"), false)
		hithertest.Same(t, what+": the versions that there are", has("https://proxy.golang.org/example.com/!m/@v/list"), false)
		hithertest.Same(t, what+": upwards", has("https://proxy.golang.org/../@v/../example.com/!m/@v/v1.0.0.mod"), false)
		hithertest.Same(t, what+": no module", has("https://proxy.golang.org/example.com/!m"), false)
	}
	hithertest.Same(t, "at home", moduleCache(environ.List{environ.Home + "=" + dir}), filepath.Join(dir, "go", "pkg", "mod", "cache", "download"))
	hithertest.Same(t, "nobody knows", hasModule(environ.List{"PATH=/bin"}) == nil, true)
	hithertest.Same(t, "a relative one", hasModule(environ.List{"GOMODCACHE=x"}) == nil, true)
}

// GOFLAGS stand before what the user wrote, and only what says which modules are read is looked at.
func TestGoFlagsAreFlags(t *testing.T) {
	for _, row := range []struct{ line, flags, want string }{
		{"go build ./...", "-mod=vendor -trimpath", "go -mod=vendor build ./..."},
		{"go build ./...", "-ldflags=-X=main.key=secret --modfile=x.mod", "go --modfile=x.mod build ./..."},
		{"go mod download", "", "go mod download"},
		{"npm ci", "-mod=vendor", "npm ci"},
		{"", "-mod=vendor", ""},
	} {
		env := environ.List{"GOENV=off", "GOFLAGS=" + row.flags}
		hithertest.Same(t, row.line+" with "+row.flags, strings.Join(withGoFlags(strings.Fields(row.line), env), " "), row.want)
	}
	work := withGoFlags([]string{"go", "build"}, environ.List{"GOENV=off", "GOFLAGS=-mod=readonly", "GOWORK=/a b/go.work"})
	hithertest.Same(t, "a workspace that was named", strings.Join(work, "|"), "go|-mod=readonly|-GOWORK=/a b/go.work|build")
	has := hasModule(environ.List{"GOENV=off", "GO111MODULE=off"})
	hithertest.Same(t, "without modules it wants none", has != nil && has(project.Want{}), true)
}
