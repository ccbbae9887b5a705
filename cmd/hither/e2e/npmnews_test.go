package e2e_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// press is a registry in which somebody else publishes. What it says is fresh for a second, and may be served for longer
// while it is asked for anew.
type press struct {
	mu       sync.Mutex
	versions map[string]map[string]any // by name, and by version
	latest   map[string]string
	tarballs map[string][]byte
}

func newPress() *press {
	return &press{versions: map[string]map[string]any{}, latest: map[string]string{}, tarballs: map[string][]byte{}}
}

// publish makes a version that needs another package, and may be content without it.
func (p *press) publish(name, version, kind, needs, spec string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	manifest := map[string]any{"name": name, "version": version}
	if needs != "" {
		manifest[kind] = map[string]string{needs: spec}
	}
	data := tarball(map[string][]byte{"package/package.json": asJSON(manifest)})
	path := npmTarball(npmPackage{name, version})
	p.tarballs[path] = data
	manifest["dist"] = npmDist(path, data)
	if p.versions[name] == nil {
		p.versions[name] = map[string]any{}
	}
	p.versions[name][version], p.latest[name] = manifest, version
}

func (p *press) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := strings.TrimPrefix(r.URL.Path, "/")
	switch data, ok := p.tarballs[r.URL.Path]; {
	case ok:
		_, _ = w.Write(data)
	case p.versions[name] == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		kind := npmFull
		if strings.Contains(r.Header.Get("Accept"), npmShort) {
			kind = npmShort
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "public, max-age=1")
		_, _ = w.Write(asJSON(map[string]any{"name": name, "dist-tags": map[string]string{"latest": p.latest[name]}, "versions": p.versions[name]}))
	}
}

// pressWorld is a world with that registry.
func pressWorld(t *testing.T) (*world, *press, *hither) {
	w, p := newWorld(t), newPress()
	origin := w.serveTLS(npmHost, p)
	w.rule("npm", []map[string]any{{"name": npmHost, "origin": []string{origin.URL}}})
	return w, p, w.hither()
}

// outlive has both forms of packuments kept until they are a little too old.
func (h *hither) outlive(t *testing.T, names ...string) {
	for _, name := range names {
		for _, kind := range []string{npmFull, npmShort} {
			h.get(t, "https://"+npmHost+"/"+name, "Accept", kind)
		}
	}
	<-time.After(1100 * time.Millisecond)
}

// What is named on the command line, or in package.json, is there, though somebody else published it a moment ago.
func TestNpmInstallsWhatWasJustPublished(t *testing.T) {
	w, p, h := pressWorld(t)
	p.publish("app", "1.0.0", "", "", "")
	for i, step := range []struct{ version, command string }{
		{"1.1.0", "npm install app@1.1.0"}, {"1.2.0", "npm install app"}, {"1.3.0", "npm install --no-save app@latest"}, {"1.4.0", "npm update app"},
		{"1.5.0", "npm install"}, {"1.6.0", "npm update"},
	} {
		h.outlive(t, "app")
		p.publish("app", step.version, "", "", "")
		dir := w.mkdir("project")
		switch step.command {
		case "npm install": // beside a lock file that knows nothing of it
			w.write(filepath.Join("project", "package.json"), []byte(`{"dependencies": {"app": "1.5.0"}}`))
		case "npm update":
			w.write(filepath.Join("project", "package.json"), []byte(`{"dependencies": {"app": "^1.5.0"}}`))
		}
		h.Run(dir, w.clientEnv("client"+string(rune('0'+i))), strings.Fields(step.command)...)
		has(t, "after "+step.command, w.read(dir, filepath.Join("node_modules", "app", "package.json")), `"version": "`+step.version+`"`)
	}
}

// npm tells its own cache to ask anew, and the registry no more than which command it is.
func TestNpmShowsAndRunsWhatThereIsNow(t *testing.T) {
	w, p, h := pressWorld(t)
	p.publish("app", "1.0.0", "", "", "")
	dir := w.mkdir("project")
	env := w.clientEnv("client", proxied(h.addr, h.Trust())...)
	w.shell(dir, env, "npm", "install", "app@1.0.0")
	for i, command := range []string{"npm view app version", "npm outdated", "npm pack --dry-run app"} {
		h.outlive(t, "app")
		version := "1.0." + string(rune('1'+i))
		p.publish("app", version, "", "", "")
		out, _ := w.try(dir, env, "npm", strings.Fields(command)[1:]...) // npm outdated fails when something is
		has(t, command, out, version)
	}
}

// A packument that is newer than others may need what those do not tell of.
func TestWhatANewPackageNeedsIsNotTakenFromAnOldPackument(t *testing.T) {
	w, p, h := pressWorld(t)
	for _, kind := range []string{"dependencies", "optionalDependencies"} {
		app, part := "app-"+kind[:3], "part-"+kind[:3]
		p.publish(part, "1.0.0", "", "", "")
		p.publish(app, "1.0.0", kind, part, "1.0.0")
		h.outlive(t, app, part)
		p.publish(part, "1.1.0", "", "", "")
		p.publish(app, "1.1.0", kind, part, "1.1.0")
		env := w.clientEnv(kind, proxied(h.addr, h.Trust())...)
		has(t, "npm view", w.shell(w.dir, env, "npm", "view", app, "version"), "1.1.0") // it asks for what there is now
		dir := w.mkdir("project-" + kind)
		w.shell(dir, env, "npm", "install", app)
		has(t, kind, w.read(dir, "package-lock.json"), "/"+part+"-1.1.0.tgz")
	}
}
