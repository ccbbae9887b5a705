package main

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
	"hither/forward/npmrc"
)

func newPlan(env environ.List) plan {
	return plan{Env: env, Proxy: "127.0.0.1:7890", Bundle: bundle{Path: "/s/ca.pem", Added: "/s/added.pem", Complete: true}}
}

func TestTheEnvironmentLeadsThroughHither(t *testing.T) {
	skipElsewhere(t)
	incomplete := newPlan(nil)
	incomplete.Bundle.Complete = false
	incompleteOwn := newPlan(environ.List{"REQUESTS_CA_BUNDLE=/corp.pem"})
	incompleteOwn.Bundle.Complete = false
	npm := newPlan(environ.List{"NPM_CONFIG_CAFILE=/corp.pem", "npm_config_CA=x"})
	npm.Npm, npm.Bundle.Npm = npmrc.Trust{Proxy: true}, "/s/npm.pem"
	for _, row := range []struct {
		says string
		plan plan
		name string
		want string // "-": left alone
	}{
		{"both spellings are set", newPlan(nil), "HTTPS_PROXY", "http://127.0.0.1:7890"},
		{"curl reads the small one", newPlan(nil), "http_proxy", "http://127.0.0.1:7890"},
		{"loopback goes past us", newPlan(nil), "NO_PROXY", "localhost,127.0.0.1,::1"},
		{"the user's list is kept", newPlan(environ.List{"NO_PROXY=.corp, localhost", "no_proxy=x"}), "no_proxy", ".corp,localhost,x,127.0.0.1,::1"},
		{"Yarn 2 reads names of its own", newPlan(nil), "YARN_HTTPS_PROXY", "http://127.0.0.1:7890"},
		{"Yarn stops at a list it does not know", newPlan(nil), "YARN_NO_PROXY", "-"},
		{"Node's fetch needs to be told", newPlan(nil), "NODE_USE_ENV_PROXY", "1"},
		{"Python reads the bundle", newPlan(nil), "REQUESTS_CA_BUNDLE", "/s/ca.pem"},
		{"an incomplete bundle replaces nobody's roots", incomplete, "SSL_CERT_FILE", "-"},
		{"Node adds ours to its roots", newPlan(nil), "NODE_EXTRA_CA_CERTS", "/s/added.pem"},
		{"where the bundle is incomplete, too", incomplete, "DENO_CERT", "/s/added.pem"},
		{"roots that the user replaced are in it", incompleteOwn, "REQUESTS_CA_BUNDLE", "/s/ca.pem"},
		{"npm's own roots are replaced only if npm has any", newPlan(nil), "npm_config_cafile", "-"},
		{"a cafile makes NODE_EXTRA_CA_CERTS dead (trap 14)", npm, "npm_config_cafile", "/s/npm.pem"},
		{"in each spelling that npm might take instead", npm, "NPM_CONFIG_CAFILE", "/s/npm.pem"},
		{"a ca might come later, but not an empty one", npm, "npm_config_CA", ""},
		{"what npm is to believe is for npm", npm, "NODE_EXTRA_CA_CERTS", "/s/added.pem"},
		{"not for git", npm, "GIT_SSL_CAINFO", "/s/ca.pem"},
		{"a proxy in npmrc would go before HTTPS_PROXY", npm, "npm_config_https_proxy", "http://127.0.0.1:7890"},
		{"Java is left alone", newPlan(nil), "JAVA_TOOL_OPTIONS", "-"},
		{"Go asks the gateway", newPlan(nil), "GOPROXY", "http://127.0.0.1:7890/go|https://proxy.golang.org,direct"},
	} {
		got := "-"
		if value := row.plan.changes()[row.name]; value != nil {
			got = *value
		}
		same(t, row.says, got, row.want)
	}
}

func TestMistake1NothingWeakensTLS(t *testing.T) {
	for name, value := range newPlan(nil).changes() {
		for _, bad := range []string{"REJECT_UNAUTHORIZED", "STRICT_SSL", "INSECURE", "NO_VERIFY", "TRUSTED_HOST", "GONOSUM", "GOFLAGS"} {
			if strings.Contains(strings.ToUpper(name), bad) {
				t.Errorf("%s=%s", name, *value)
			}
		}
	}
}

func TestTrap14TheBundleHasEveryRoot(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"system", "directory/a", "directory/b", "node", "npm", "corp"} {
		write(t, path(name), newRoot(t, name))
	}
	write(t, path("requests/one"), newRoot(t, "requests"))
	write(t, path("ours"), newRoot(t, "ours"))
	write(t, path("broken"), []byte("no certificate"))
	inline := newRoot(t, "inline")
	system, err := os.ReadFile(path("system"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, path("again"), system)
	env := environ.List{"SSL_CERT_FILE=" + path("system"), "SSL_CERT_DIR=" + path("directory"), "NODE_EXTRA_CA_CERTS=" + path("node"),
		"REQUESTS_CA_BUNDLE=" + path("requests"), "CURL_CA_BUNDLE=" + path("again"), "GIT_SSL_CAINFO=" + path("missing"), "PIP_CERT=" + path("broken")}
	npm := npmrc.Trust{CAFiles: []string{path("npm")}, CA: []string{string(inline)}, Replaced: true, Roots: newRoot(t, "project")}
	b := bundler{Env: env, Npm: npm, Extra: []string{path("corp")}, CA: path("ours"),
		Dir: path("bundle"), System: func(r *roots) { r.addListed(env, []string{path("node")}, nil) }}
	got, err := b.write()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "roots, each once", rootNames(t, got.Path), "system, directory/a, directory/b, node, requests, npm, inline, corp, ours")
	same(t, "beside roots of their own", rootNames(t, got.Added), "node, corp, ours")
	same(t, "npm's alone", rootNames(t, got.Npm), "project, ours")
	same(t, "complete", got.Complete, true)
	contains(t, strings.Join(got.Warnings, "\n"), "GIT_SSL_CAINFO: ", "PIP_CERT: "+path("broken")+" has no PEM certificate")
}

func TestABundleWithoutSystemRootsSaysSo(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ours"), newRoot(t, "ours"))
	got, err := bundler{CA: filepath.Join(dir, "ours"), Dir: filepath.Join(dir, "b"), System: func(*roots) {}}.write()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "complete", got.Complete, false)
	contains(t, strings.Join(got.Warnings, "\n"), "install the package ca-certificates")
}

func TestABundleWithoutOurRootIsAnError(t *testing.T) {
	_, err := bundler{CA: filepath.Join(t.TempDir(), "none"), Dir: t.TempDir(), System: func(*roots) {}}.write()
	if err == nil {
		t.Error("no error")
	}
}

func TestBundlesOfOtherShellsStayForAMonth(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ours"), newRoot(t, "ours"))
	now := time.Now()
	b := bundler{CA: filepath.Join(dir, "ours"), Dir: filepath.Join(dir, "b"), System: func(*roots) {}, Now: func() time.Time { return now }}
	first, err := b.write()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "ours"), newRoot(t, "new"))
	now = now.Add(bundleAge)
	second, err := b.write()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.Path); err != nil {
		t.Error("gone after a month:", err)
	}
	now = now.Add(time.Hour)
	if _, err := b.write(); err != nil {
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
	write(t, filepath.Join(dir, "ours"), newRoot(t, "ours"))
	now := time.Now()
	b := bundler{CA: filepath.Join(dir, "ours"), Dir: filepath.Join(dir, "[b"), System: func(*roots) {}, Now: func() time.Time { return now }}
	b.Npm.Replaced = true
	first := ""
	for i := range npmBundles + 3 {
		now = now.Add(time.Second)
		b.Npm.Roots = newRoot(t, strconv.Itoa(i))
		got, err := b.write()
		if err != nil {
			t.Fatal(err)
		}
		same(t, "roots", rootNames(t, got.Npm), strconv.Itoa(i)+", ours")
		if i == 0 {
			first = got.Npm
			write(t, filepath.Join(b.Dir, ".npm-cut.pem-off"), nil)
		}
	}
	files, err := os.ReadDir(b.Dir)
	same(t, "error", err, nil)
	same(t, "files: npm's, the common one, what is added, and the rest of a write", len(files), npmBundles+3)
	if _, err := os.Stat(first); !errors.Is(err, os.ErrNotExist) {
		t.Error("the oldest is kept:", err)
	}
	now = now.Add(bundleAge + time.Hour)
	if _, err = b.write(); err != nil {
		t.Fatal(err)
	}
	files, _ = os.ReadDir(b.Dir)
	same(t, "files after a month", len(files), 3)
	for _, file := range files {
		info, err := file.Info()
		same(t, "error", err, nil)
		if runtime.GOOS != "windows" {
			same(t, file.Name(), info.Mode(), 0o600)
		}
	}
}

func TestTheSystemsRootsAreFound(t *testing.T) {
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err != nil {
		t.Skip("this system keeps them elsewhere")
	}
	var r roots
	r.addSystem(nil)
	if len(r.ders) < 50 {
		t.Errorf("\n got %d\nwant at least 50", len(r.ders))
	}
}
