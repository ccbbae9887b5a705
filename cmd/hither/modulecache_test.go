package main

import (
	"os"
	"path/filepath"
	"testing"

	"hither/forward/project"
)

func TestWhatAClientHasIsNotAskedForAhead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "cache", "download", "example.com", "!m", "@v", "v1.0.0.mod")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, file, []byte("module m"))
	below := filepath.Join(t.TempDir(), "pkg")
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(below, "mod")); err != nil {
		t.Skip(err)
	}
	for what, env := range map[string]environment{
		"its own variable":     {"GOMODCACHE=" + dir, "GOPATH=/elsewhere"},
		"below the first path": {"GOPATH=" + filepath.Dir(below) + string(filepath.ListSeparator) + "/b"},
	} {
		known := hasModule(env)
		has := func(address string) bool { return known(project.Want{URL: address}) }
		same(t, what+": there", has("https://proxy.golang.org/example.com/!m/@v/v1.0.0.mod"), true)
		same(t, what+": not there", has("https://proxy.golang.org/example.com/!m/@v/v1.0.1.mod"), false)
		same(t, what+": upwards", has("https://proxy.golang.org/../@v/../example.com/!m/@v/v1.0.0.mod"), false)
		same(t, what+": no module", has("https://proxy.golang.org/example.com/!m"), false)
	}
	same(t, "nobody knows", hasModule(environment{"PATH=/bin"}) == nil, true)
	same(t, "a relative one", hasModule(environment{"GOMODCACHE=x"}) == nil, true)
}
