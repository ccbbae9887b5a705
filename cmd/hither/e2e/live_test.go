package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The live tests use the real registries, through a relay that can be cut. testdata/live holds what the same clients made
// without Hither: the go.sum of a Caddy with its standard modules, and the lock file of a small web service.

// Done when 1, 2, with the real module proxy and the real checksum database.
func TestLiveGoModDownload(t *testing.T) {
	live(t)
	w := newWorld(t)
	relay := w.relayToAll()
	h := w.liveHither(relay)
	w.liveGo(h, "cold")
	relay.Cut()
	w.liveGo(h, "warm")
}

// liveGo downloads a project of some 150 modules with a go command that never ran before and knows no sums.
func (w *world) liveGo(h *hither, name string) {
	w.t.Helper()
	from := filepath.Join("testdata", "live", "go")
	dir := w.copyTo(name, from, "go.mod", "main.go")
	env := w.clientEnv(name, "GOPROXY=http://"+h.addr+"/go")
	w.shell(dir, env, "go", "mod", "download")
	if got := w.count(filepath.Join(w.dir, "home", name, "gomod", "cache"), ".zip"); got <= 100 {
		w.t.Errorf("modules of go mod download, %s\n got %d\nwant more than 100", name, got)
	}
	w.shell(dir, env, "go", "mod", "tidy")
	same(w.t, "go.sum, "+name, w.read(dir, "go.sum"), w.read(from, "go.sum"))
	same(w.t, "go.mod, "+name, w.read(dir, "go.mod"), w.read(from, "go.mod"))
}

// Done when 1, 2, with the real npm registry.
func TestLiveNPMCI(t *testing.T) {
	live(t)
	w := newWorld(t)
	relay := w.relayToAll()
	h := w.liveHither(relay)
	w.liveNPM(h, "cold")
	relay.Cut()
	w.liveNPM(h, "warm")
}

func (w *world) liveNPM(h *hither, name string) {
	w.t.Helper()
	from := filepath.Join("testdata", "live", "npm")
	dir := w.copyTo(name, from, "package.json", "package-lock.json")
	h.Run(dir, w.clientEnv(name, publicRoots()...), "npm", "ci", "--ignore-scripts")
	same(w.t, "package-lock.json, "+name, w.read(dir, "package-lock.json"), w.read(from, "package-lock.json"))
	want := strings.Count(w.read(from, "package-lock.json"), `"resolved"`) - 1 // one is for another system
	if got := w.count(filepath.Join(dir, "node_modules"), "/package.json"); got < want {
		w.t.Errorf("packages of npm ci, %s\n got %d\nwant %d", name, got, want)
	}
}

// liveHither has the shipped rules and this machine's roots, and no way out but the relay.
func (w *world) liveHither(relay *relay) *hither {
	w.t.Helper()
	return w.hitherWith(racingHither, publicRoots(), "--upstream-proxy", relay.URL)
}

// publicRoots is where this machine keeps what it trusts.
func publicRoots() []string {
	file := os.Getenv("SSL_CERT_FILE")
	if file == "" {
		file = "/etc/ssl/certs/ca-certificates.crt"
	}
	return []string{"SSL_CERT_FILE=" + file}
}
