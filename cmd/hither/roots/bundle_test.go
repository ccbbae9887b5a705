package roots

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/forward/npmrc"
	"hither/install/stage"
)

func TestTrap14TheBundleHasEveryRoot(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"system", "directory/a", "directory/b", "node", "npm", "corp"} {
		hithertest.Write(t, path(name), stage.RootPEM(name))
	}
	hithertest.Write(t, path("requests/one"), stage.RootPEM("requests"))
	hithertest.Write(t, path("ours"), stage.RootPEM("ours"))
	hithertest.Write(t, path("broken"), []byte("no certificate"))
	inline := stage.RootPEM("inline")
	system, err := os.ReadFile(path("system"))
	if err != nil {
		t.Fatal(err)
	}
	hithertest.Write(t, path("again"), system)
	env := environ.List{"SSL_CERT_FILE=" + path("system"), "SSL_CERT_DIR=" + path("directory"), "NODE_EXTRA_CA_CERTS=" + path("node"),
		"REQUESTS_CA_BUNDLE=" + path("requests"), "CURL_CA_BUNDLE=" + path("again"), "GIT_SSL_CAINFO=" + path("missing"), "PIP_CERT=" + path("broken")}
	npm := npmrc.Trust{CAFiles: []string{path("npm")}, CA: []string{string(inline)}, Replaced: true, Roots: stage.RootPEM("project")}
	b := Bundler{Env: env, Npm: npm, Extra: []string{path("corp")}, CA: path("ours"),
		Dir: path("bundle"), System: func(r *Set) { r.addListed(env, []string{path("node")}, nil) }}
	got, err := b.Write()
	if err != nil {
		t.Fatal(err)
	}
	hithertest.Same(t, "roots, each once", hithertest.RootNames(t, got.Path), "system, directory/a, directory/b, node, requests, npm, inline, corp, ours")
	hithertest.Same(t, "beside roots of their own", hithertest.RootNames(t, got.Added), "node, corp, ours")
	hithertest.Same(t, "npm's alone", hithertest.RootNames(t, got.Npm), "project, ours")
	hithertest.Same(t, "complete", got.Complete, true)
	hithertest.Contains(t, strings.Join(got.Warnings, "\n"), "GIT_SSL_CAINFO: ", "PIP_CERT: "+path("broken")+" has no PEM certificate")
}

func TestABundleWithoutSystemRootsSaysSo(t *testing.T) {
	dir := t.TempDir()
	hithertest.Write(t, filepath.Join(dir, "ours"), stage.RootPEM("ours"))
	got, err := Bundler{CA: filepath.Join(dir, "ours"), Dir: filepath.Join(dir, "b"), System: func(*Set) {}}.Write()
	if err != nil {
		t.Fatal(err)
	}
	hithertest.Same(t, "complete", got.Complete, false)
	hithertest.Contains(t, strings.Join(got.Warnings, "\n"), "install the package ca-certificates")
}

func TestABundleWithoutOurRootIsAnError(t *testing.T) {
	_, err := Bundler{CA: filepath.Join(t.TempDir(), "none"), Dir: t.TempDir(), System: func(*Set) {}}.Write()
	if err == nil {
		t.Error("no error")
	}
}

func TestBundlesOfOtherShellsStayForAMonth(t *testing.T) {
	dir := t.TempDir()
	hithertest.Write(t, filepath.Join(dir, "ours"), stage.RootPEM("ours"))
	now := time.Now()
	b := Bundler{CA: filepath.Join(dir, "ours"), Dir: filepath.Join(dir, "b"), System: func(*Set) {}, Now: func() time.Time { return now }}
	first, err := b.Write()
	if err != nil {
		t.Fatal(err)
	}
	hithertest.Write(t, filepath.Join(dir, "ours"), stage.RootPEM("new"))
	now = now.Add(bundleAge)
	second, err := b.Write()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.Path); err != nil {
		t.Error("gone after a month:", err)
	}
	now = now.Add(time.Hour)
	if _, err := b.Write(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.Path); !errors.Is(err, os.ErrNotExist) {
		t.Error("kept for longer than a month:", err)
	}
	if _, err := os.Stat(second.Path); err != nil {
		t.Error("the one in use is gone:", err)
	}
}

// A project may name other roots at each call, and must not fill the disk with them.
func TestBundlesForNpmStayFew(t *testing.T) {
	dir := t.TempDir()
	hithertest.Write(t, filepath.Join(dir, "ours"), stage.RootPEM("ours"))
	now := time.Now()
	b := Bundler{CA: filepath.Join(dir, "ours"), Dir: filepath.Join(dir, "[b"), System: func(*Set) {}, Now: func() time.Time { return now }}
	b.Npm.Replaced = true
	first := ""
	for i := range npmBundles + 3 {
		now = now.Add(time.Second)
		b.Npm.Roots = stage.RootPEM(strconv.Itoa(i))
		got, err := b.Write()
		if err != nil {
			t.Fatal(err)
		}
		hithertest.Same(t, "roots", hithertest.RootNames(t, got.Npm), strconv.Itoa(i)+", ours")
		if i == 0 {
			first = got.Npm
		}
	}
	files, err := os.ReadDir(b.Dir)
	hithertest.Same(t, "error", err, nil)
	hithertest.Same(t, "files: npm's, the common one, and what is added", len(files), npmBundles+2)
	if _, err := os.Stat(first); !errors.Is(err, os.ErrNotExist) {
		t.Error("the oldest is kept:", err)
	}
	now = now.Add(bundleAge + time.Hour)
	if _, err = b.Write(); err != nil {
		t.Fatal(err)
	}
	files, _ = os.ReadDir(b.Dir)
	hithertest.Same(t, "files after a month", len(files), 3)
	for _, file := range files {
		info, err := file.Info()
		hithertest.Same(t, "error", err, nil)
		if runtime.GOOS != "windows" {
			hithertest.Same(t, file.Name(), info.Mode(), 0o600)
		}
	}
}

func TestTheSystemsRootsAreFound(t *testing.T) {
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err != nil {
		t.Skip("this system keeps them elsewhere")
	}
	var r Set
	r.AddSystem(nil)
	if len(r.ders) < 50 {
		t.Errorf("\n got %d\nwant at least 50", len(r.ders))
	}
}
