package main_test

import (
	"net/http"
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
