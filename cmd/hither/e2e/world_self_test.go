package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// The clients work in the false world without Hither; what they leave behind is what Hither must not change.

func TestTheWorldHasModules(t *testing.T) {
	w := newWorld(t)
	o := w.goWorld()
	dir := w.goProject(o, "project")
	w.shell(dir, w.goDirect(o, "direct"), "go", "mod", "tidy")
	if got, want := w.count(w.dir, ".zip"), len(o.modules); got != want {
		t.Errorf("modules in the cache\n got %d\nwant %d", got, want)
	}
	has(t, "go.sum", w.read(dir, "go.sum"), "world.test/BurntSushi/m003 v1.2.3 h1:")
	if o.Asked(func(a asked) bool { return strings.Contains(a.Path, "/sumdb/") }) == 0 {
		t.Error("the go command did not ask the checksum database")
	}
}

func TestTheWorldHasPackages(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	dir := w.npmProject(o, "project")
	env := w.clientEnv("direct", proxied(w.relay().addr, w.roots)...)
	w.shell(dir, env, "npm", "install")
	if got, want := w.count(filepath.Join(dir, "node_modules"), "index.js"), len(o.packages); got != want {
		t.Errorf("packages installed\n got %d\nwant %d", got, want)
	}
	has(t, "package-lock.json", w.read(dir, "package-lock.json"), `"resolved": "https://`+npmHost+`/@world/pkg-005/-/pkg-005-1.1.0.tgz"`)
}

func TestTheWorldHasImages(t *testing.T) {
	w := newWorld(t)
	o := w.ociWorld()
	dir := w.mkdir("pulled")
	w.shell(w.dir, w.clientEnv("direct"), "skopeo", "--insecure-policy", "copy", "--src-tls-verify=false",
		"docker://"+o.addr+"/library/alpine:latest", "oci:"+dir+":latest")
	for _, layer := range o.image.layers {
		same(t, layer, sha256Of([]byte(w.read(dir, "blobs", strings.ReplaceAll(layer, ":", "/")))), layer)
	}
	if o.tokens.Asked(nil) == 0 {
		t.Error("nobody asked for a token")
	}
}
