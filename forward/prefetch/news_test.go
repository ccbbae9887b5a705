package prefetch

import (
	"bytes"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
	"hither/forward/prefetch/npm"
	"hither/rules"
)

// copyOf is a packument with one version, which is the latest, and when the registry confirmed it.
func copyOf(name string, checked time.Time, fresh bool, version string) fetch.Copy {
	document := fmt.Appendf(nil, `{"name": %q, "dist-tags": {"latest": %q}, "versions": {%q: {"name": %q, "version": %q}}}`, name, version, version, name, version)
	return fetch.Copy{Checked: checked, Fresh: fresh, Body: content{bytes.NewReader(document)}}
}

func (w *world) packument(host, name, accept string) rules.Match {
	u := &url.URL{Scheme: "https", Host: host, Path: "/" + name}
	m, ok := w.set.Match(host, rules.Query{URL: u, Accept: []string{accept}})
	if !ok {
		w.t.Fatalf("no rule for %s", u)
	}
	return m
}

// TestWhatACommandNamesIsAskedForAnew, if what is kept may lack it: nobody types the name of what he has.
func TestWhatACommandNamesIsAskedForAnew(t *testing.T) {
	for _, row := range []struct {
		args  string
		fresh bool
		want  bool
		needs string // of the project
	}{
		{"npm install app@1.1.0", false, true, ""},
		{"npm install app@1.1.0", true, true, ""},
		{"npm install app@1.0.0", false, false, ""},
		{"npm install app@^1.0.0", false, false, ""},
		{"npm install app@^2.0.0", false, true, ""},
		{"npm install app", false, true, ""},
		{"npm install app", true, false, ""},
		{"npm install app@next", false, true, ""},
		{"npm install x@npm:app", false, true, ""},
		{"npm install app@npm:other", false, false, ""},
		{"npm install x@npm:app@1.1.0", true, true, ""},
		{"npm install other", false, false, ""},
		{"npm install", false, false, ""},
		{"npm ci", false, false, ""},
		{"npm install --prefer-online", false, true, ""},
		{"npm update app", false, true, ""},
		{"npm update --save", false, true, ""},
		{"npm update", true, false, ""},
		{"npm update other", false, false, ""},
		{"pnpm up -r", false, true, ""},
		{"pnpm add app", false, true, ""},
		{"pnpm up app", false, true, ""},
		{"pnpm dlx app", false, true, ""},
		{"yarn up app@^2", false, true, ""},
		{"yarn dlx -p app@1.1.0 tool", false, true, ""},
		{"bun add app@latest", false, true, ""},
		{"bun info app", false, true, ""},
		{"bunx app@1.1.0 add", false, true, ""},
		{"/usr/bin/bunx.exe add app@1.1.0 --no-summary --force", false, true, ""},
		{"bunx tool app@1.1.0 --no-summary", false, false, ""},
		{"deno add npm:app@1.1.0", true, true, ""},
		{"deno run -A npm:app", false, true, ""},
		{"deno run -A npm:app@1.0.0", false, false, ""},
		{"pnpm outdated", false, true, ""},
		{"pnpm view other app", false, false, ""},
		{"npm run app", false, false, ""},
		{"npm install", true, true, "^1.1.0"},
		{"npm install", false, false, "^1.0.0"},
		{"npm install", false, false, "latest"},
		{"npm install", false, false, "*"},
		{"pnpm install --no-frozen-lockfile", true, true, "1.1.0"},
		{"yarn", true, true, "~1.1.0"},
		{"npm ci", false, false, "^1.1.0"},
		{"npm view other", false, false, "^1.1.0"},
	} {
		setup := func(w *world) {
			withNews(w)
			dir := t.TempDir()
			if row.needs != "" {
				err := os.WriteFile(filepath.Join(dir, "package.json"), fmt.Appendf(nil, `{"devDependencies": {"app": %q}}`, row.needs), 0o600)
				if err != nil {
					t.Fatal(err)
				}
			}
			w.Project = func(fetch.Client) (Place, bool) {
				time.Sleep(10 * time.Millisecond)
				return Place{Dir: dir, Args: strings.Fields(row.args), PID: 7}, true
			}
		}
		inWorld(t, setup, func(w *world) {
			before := time.Now()
			time.Sleep(time.Second)
			client := &fetch.Client{From: netip.MustParseAddrPort("127.0.0.1:9")}
			req := fetch.Request{Match: w.packument("registry.npmjs.org", "app", "application/json"), Client: client}
			w.Asked(req)
			if got := w.Lacks(w.t.Context(), req, copyOf("app", before, row.fresh, "1.0.0")); got != row.want {
				t.Errorf("%s, fresh %v\ngot  %v\nwant %v", row.args+" "+row.needs, row.fresh, got, row.want)
			}
		})
	}
}

// TestASecondCommandLikeTheFirstCounts, as that of somebody who was told that there is no such version.
func TestASecondCommandLikeTheFirstCounts(t *testing.T) {
	pid := 7
	setup := func(w *world) {
		withNews(w)
		w.Project = func(fetch.Client) (Place, bool) {
			return Place{Dir: "/p", Args: []string{"npm", "install", "app@1.1.0"}, PID: pid}, true
		}
	}
	inWorld(t, setup, func(w *world) {
		for i, port := range []uint16{9, 10, 11} {
			pid = 7 + i
			before := time.Now()
			time.Sleep(time.Millisecond)
			req := fetch.Request{
				Match:  w.packument("registry.npmjs.org", "app", "application/json"),
				Client: &fetch.Client{From: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)},
			}
			w.Asked(req)
			synctest.Wait()
			if got := w.Lacks(w.t.Context(), req, copyOf("app", before, true, "1.0.0")); !got {
				t.Errorf("command %d\ngot  %v\nwant true", i, got)
			}
		}
	})
}

func withNews(w *world) {
	withNPM(w)
	w.News = map[string]News{"npm": new(npm.News)}
}

// TestWhatIsReadLateCounts for what is asked then: a project on a slow disk takes longer than anybody waits for it.
func TestWhatIsReadLateCounts(t *testing.T) {
	slow := &slowNews{News: new(npm.News)}
	setup := func(w *world) {
		withNews(w)
		w.News = map[string]News{"npm": slow}
		w.Project = func(fetch.Client) (Place, bool) {
			return Place{Dir: "/p", Args: []string{"npm", "install"}, PID: 7}, true
		}
	}
	inWorld(t, setup, func(w *world) {
		before := time.Now()
		time.Sleep(time.Second)
		began := time.Now()
		for _, want := range []bool{false, true} {
			client := &fetch.Client{From: netip.MustParseAddrPort("127.0.0.1:9")}
			req := fetch.Request{Match: w.packument("registry.npmjs.org", "app", "application/json"), Client: client}
			w.Asked(req)
			if got := w.Lacks(w.t.Context(), req, copyOf("app", before, true, "1.0.0")); got != want {
				t.Errorf("after %v\ngot  %v\nwant %v", time.Since(began), got, want)
			}
			time.Sleep(time.Second)
		}
	})
}

// slowNews reads projects that all want app 1.1.0.
type slowNews struct{ *npm.News }

func (n *slowNews) Wants(dir string, _ []string) func(*rules.Rule, time.Time) {
	if dir == "" {
		return n.News.Wants("", nil)
	}
	time.Sleep(2 * tellWithin)
	return n.News.Wants("", []string{"npm", "install", "app@1.1.0"})
}
