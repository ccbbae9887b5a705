package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// openShelf is a registry whose packuments npm may change (npm/registry docs/REGISTRY-API.md, and what npm 11 sends).
type openShelf struct {
	mu   sync.Mutex
	docs map[string]map[string]any // by name
}

func newOpenShelf(names ...string) *openShelf {
	s := &openShelf{docs: map[string]map[string]any{}}
	for _, name := range names {
		var doc map[string]any
		made(json.Unmarshal(npmGoods().full["/"+name], &doc))
		doc["_rev"] = "1-abc"
		s.docs[name] = doc
	}
	return s
}

func (s *openShelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/-rev/")
	path, tag, tagged := strings.Cut(strings.TrimPrefix(path, "-/package/"), "/dist-tags")
	doc := s.docs[path]
	_, ofTarball := npmGoods().tarballs["/"+path]
	w.Header().Set("Content-Type", npmFull)
	switch tag = strings.TrimPrefix(tag, "/"); {
	case doc == nil && !ofTarball:
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error":"Not found"}`))
	case r.Method == http.MethodGet && tagged:
		_, _ = w.Write(asJSON(doc["dist-tags"]))
	case r.Method == http.MethodGet:
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(asJSON(doc))
	default:
		s.change(r, path, tag)
		_, _ = w.Write([]byte(`{"ok":true}`))
	}
}

func (s *openShelf) change(r *http.Request, name, tag string) {
	doc := s.docs[name]
	switch {
	case tag != "" && r.Method == http.MethodPut:
		var version string
		made(json.NewDecoder(r.Body).Decode(&version))
		doc["dist-tags"].(map[string]any)[tag] = version
	case tag != "":
		delete(doc["dist-tags"].(map[string]any), tag)
	case doc != nil && r.Method == http.MethodPut:
		var next map[string]any
		made(json.NewDecoder(r.Body).Decode(&next))
		s.docs[name] = next
	case doc != nil:
		delete(s.docs, name)
	}
}

// RFC 9111, section 4.4: what npm changed on another path than the packument's is in the packument that comes next.
func TestWhatNpmChangedIsSeenAtOnce(t *testing.T) {
	w := newWorld(t)
	const plain, scoped = "pkg-001", "@world/pkg-005"
	origin := w.serveTLS(npmHost, newOpenShelf(plain, scoped))
	w.rule("npm", []map[string]any{{"name": npmHost, "origin": []string{origin.URL}}})
	h := w.hither()
	env := func() []string {
		return append(w.clientEnv("client", proxied(h.addr, h.Trust())...), "npm_config_//"+npmHost+"/:_authToken=secret", "npm_config_force=true")
	}
	document := func(name string) string { return string(h.get(t, "https://"+npmHost+"/"+name)) }
	for _, name := range []string{plain, scoped} {
		for _, step := range []struct {
			command    string
			gone, here string
		}{
			{"dist-tag add " + name + "@1.0.0 next", "", `"next": "1.0.0"`},
			{"dist-tag rm " + name + " next", `"next": "1.0.0"`, ""},
			{"deprecate " + name + "@1.1.0 stale", "", `"deprecated": "stale"`},
			{"unpublish " + name + "@1.1.0", `"version": "1.1.0"`, `"version": "1.0.0"`},
		} {
			document(name) // has it kept
			w.shell(w.dir, env(), "npm", strings.Fields(step.command)...)
			got := document(name)
			has(t, "after npm "+step.command, got, step.here)
			if step.gone != "" && strings.Contains(got, step.gone) {
				t.Errorf("after npm %s\n got %s\nwant nothing with %s", step.command, got, step.gone)
			}
		}
		w.shell(w.dir, env(), "npm", "unpublish", name)
		status, _, err := h.ask(t, "https://"+npmHost+"/"+name)
		if err != nil || status != http.StatusNotFound {
			t.Errorf("after npm unpublish of all of %s\n got %d %v\nwant 404", name, status, err)
		}
	}
}
