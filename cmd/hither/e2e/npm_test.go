package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// Done when 1, 2: npm through Hither, then from Hither's cache alone, and the lock file as if Hither were not there.
func TestNPMPackagesComeThroughAndStay(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	direct := w.npmProject(o, "direct")
	w.shell(direct, w.clientEnv("direct", proxied(w.relay().addr, w.roots)...), "npm", "install", "--package-lock-only")
	h := w.hither()

	dir := w.npmProject(o, "install")
	h.Run(dir, w.clientEnv("install"), "npm", "install", "--package-lock-only")
	same(t, "package-lock.json of npm install", w.read(dir, "package-lock.json"), w.read(direct, "package-lock.json"))

	h.npmCI(o, direct, "cold")
	w.Dark()
	asked := o.Asked(nil) // with what was fetched ahead at the last moment
	h.npmCI(o, direct, "warm")
	if got := o.Asked(nil); got != asked {
		t.Errorf("requests that reached an origin that is off\n got %d\nwant %d", got, asked)
	}
	has(t, "why", h.Why("https://"+npmHost+npmTarball(o.packages[7])), "npm", o.URL)
}

// npmCI installs from the lock file with a client that never ran before.
func (h *hither) npmCI(o *npmOrigin, from, name string) {
	h.w.t.Helper()
	dir := h.w.copyTo(name, from, "package.json", "package-lock.json")
	h.Run(dir, h.w.clientEnv(name), "npm", "ci")
	if got, want := h.w.count(filepath.Join(dir, "node_modules"), "index.js"), len(o.packages); got != want {
		h.w.t.Errorf("packages of npm ci, %s\n got %d\nwant %d", name, got, want)
	}
	same(h.w.t, "package-lock.json after npm ci, "+name, h.w.read(dir, "package-lock.json"), h.w.read(from, "package-lock.json"))
}

// Trap 3: nobody rewrites the addresses in a packument, so none of ours gets into a lock file, by whichever door.
func TestTrap3LockFilesNameTheRegistry(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	h := w.hither()
	dir := w.npmProject(o, "gateway")
	w.shell(dir, w.clientEnv("gateway", "npm_config_registry=http://"+h.addr+"/npm/"), "npm", "install", "--package-lock-only")
	lock := w.read(dir, "package-lock.json")
	if strings.Contains(lock, "127.0.0.1") {
		t.Error("the lock file names this machine")
	}
	has(t, "package-lock.json", lock, `"https://`+npmHost+`/`)
}

// npm pack drops the path of the registry's address, and with it the gateway's.
func TestATarballIsPackedByTheGateway(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	h := w.hither()
	dir := w.mkdir("packed")
	env := w.clientEnv("pack", "npm_config_registry=http://"+h.addr+"/npm/")
	for _, i := range []int{1, 5} {
		file := strings.TrimSpace(w.shell(dir, env, "npm", "pack", "--silent", npmName(i)))
		same(t, "what npm pack brought", w.read(dir, file), string(o.tarballs[npmTarball(o.packages[i])]))
	}
}

// Trap 13: npm sends even a registry on loopback to its proxy, which must know itself.
func TestTrap13OurOwnAddressThroughTheProxyIsNoLoop(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	h := w.hither()
	env := w.clientEnv("client", append(proxied(h.addr, h.Trust()), "npm_config_registry=http://"+h.addr+"/npm/")...)
	has(t, "npm view", w.shell(w.dir, env, "npm", "view", "pkg-001", "version"), "1.1.0")
}

// Trap 2: the two spellings of a scoped name are one document, the two forms of it are two.
func TestTrap2SpellingsAreOneAndFormsAreTwo(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	h := w.hither()
	for _, path := range []string{"/@world%2fpkg-005", "/@world%2Fpkg-005", "/@world/pkg-005", "//@world//pkg-005"} {
		for _, accept := range []string{npmFull, npmShort + "; q=1.0, application/json; q=0.8, */*"} {
			got := h.get(t, "https://"+npmHost+path, "Accept", accept)
			same(t, path+" as "+accept, string(got), string(o.document("/@world/pkg-005", accept)))
		}
	}
	if got := o.Asked(func(a asked) bool { return strings.Contains(a.Path, "pkg-005") }); got != 2 {
		t.Errorf("requests that reached the origin\n got %d\nwant 2", got)
	}
}

// document is what the registry would answer itself.
func (o *npmOrigin) document(path, accept string) []byte {
	if strings.HasPrefix(accept, npmShort) {
		return o.short[path]
	}
	return o.full[path]
}
