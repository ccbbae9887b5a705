package prefetch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
)

const npmRegistry = "https://registry.npmjs.org"

func withNPM(w *world) { w.Walks["npm"] = asNPM }

// locked writes a project whose lock file names n packages, and serves their tarballs.
func (w *world) locked(n int) (dir string, tarballs []string) {
	dir = w.t.TempDir()
	entries := []string{`"":{}`}
	for i := range n {
		at := fmt.Sprintf("/p%02d/-/p%02d-1.0.0.tgz", i, i)
		entries = append(entries, fmt.Sprintf(`"node_modules/p%02d":{"version":"1.0.0","resolved":%q}`, i, npmRegistry+at))
		w.bodies[npmRegistry+at] = []byte("a tarball")
		tarballs = append(tarballs, at)
	}
	for name, text := range map[string]string{"package.json": "{}", "package-lock.json": `{"lockfileVersion":3,"packages":{` + strings.Join(entries, ",") + "}}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	return dir, tarballs
}

// npm asks for many at a time: what it jumped over it may ask for a moment later. What it left out it has shown not to want
// when it asked for 32 behind it.
func TestNPMHasPassedByWhatItAskedFor32Behind(t *testing.T) {
	inWorld(t, withNPM, func(w *world) {
		dir, all := w.locked(80)
		w.Project = func(fetch.Client) (Place, bool) {
			return Place{Dir: dir, Args: []string{"npm", "ci"}, Has: hasNone}, true
		}
		g := w.client(1)
		get := func(from, to int) {
			for i := from; i < to; i++ {
				g.get(npmRegistry + all[79-i]) // from the last to the first
			}
			synctest.Wait()
		}
		get(0, 1)
		time.Sleep(20 * time.Second)
		same(t, "tarballs", w.asked(".tgz"), 80)
		get(41, 72)
		same(t, "wasted behind 31", w.balance().Wasted, 0)
		get(72, 73)
		same(t, "wasted behind 32", w.balance().Wasted, 40)
		get(1, 41)
		same(t, "wasted after all", w.balance().Wasted, 0)
	})
}

func TestTheWalkHearsWhichNPMItIs(t *testing.T) {
	const tool = `{"dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"peerDependencies":{"extra":"1"},"peerDependenciesMeta":{"extra":{"optional":true}}}}}`
	for agent, want := range map[string]int{"npm/11.19.1 node/v20.20.2 linux x64": 1, "npm/11.20.0 node/v20.20.2 linux x64": 0} {
		inWorld(t, withNPM, func(w *world) {
			w.bodies[npmRegistry+"/tool"] = []byte(tool)
			w.bodies[npmRegistry+"/extra"] = []byte("{}")
			if _, err := w.fetch(w.t.Context(), fetch.Request{Match: w.packument("registry.npmjs.org", "tool", "application/json"), Agent: agent}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			same(t, agent, w.asked("/extra"), want)
		})
	}
}

// yarn asks a registry of its own, whose packages must not be asked for at npm's.
func TestYarnsPackagesComeFromItsRegistry(t *testing.T) {
	const registry, entry = "https://registry.yarnpkg.com", "\"p%02d@npm:1.0.0\":\n  version: 1.0.0\n  resolution: \"p%02d@npm:1.0.0\"\n\n"
	lock := "__metadata:\n  version: 8\n\n"
	inWorld(t, withNPM, func(w *world) {
		dir := t.TempDir()
		for i := range 6 {
			lock += fmt.Sprintf(entry, i, i)
			w.bodies[fmt.Sprintf("%s/p%02d/-/p%02d-1.0.0.tgz", registry, i, i)] = []byte("a tarball")
		}
		for name, text := range map[string]string{"package.json": "{}", "yarn.lock": lock} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.Project = func(fetch.Client) (Place, bool) {
			return Place{Dir: dir, Args: []string{"node", "/usr/bin/yarn.js", "install"}}, true
		}
		w.client(1).get(registry + "/p05/-/p05-1.0.0.tgz")
		time.Sleep(10 * time.Second)
		same(t, "tarballs", w.asked(".tgz"), 6)
		for _, url := range w.sent() {
			same(t, url, strings.HasPrefix(url, registry+"/"), true)
		}
	})
}

// An optional peer may never be asked for, so that it is a guess also where it waited for the client's first request. What else
// waited, as an optional dependency does of pnpm, follows from an answer all the same.
func TestNothingThatWaitedIsFetchedWhileAllIsKept(t *testing.T) {
	for _, c := range []struct{ command, agent, accept, needs string }{
		{"npm install tool", "npm/10.9.9", "application/json", `"peerDependencies":{"extra":"1"},"peerDependenciesMeta":{"extra":{"optional":true}}`},
		{"pnpm add tool", "pnpm/10.28.2", "application/vnd.npm.install-v1+json", `"optionalDependencies":{"extra":"1"}`},
	} {
		inWorld(t, withNPM, func(w *world) {
			place := Place{PID: 7, Dir: t.TempDir(), Args: words(c.command), Has: hasNone}
			w.Project = func(fetch.Client) (Place, bool) { return place, true }
			m := w.packument("registry.npmjs.org", "tool", c.accept)
			w.bodies[npmRegistry+"/tool"], w.kept[m.Name] = []byte(`{"dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{`+c.needs+`}}}`), true
			w.bodies[npmRegistry+"/extra"] = []byte("{}")
			w.Begin("registry.npmjs.org", place)
			time.Sleep(time.Second)
			if _, err := w.fetch(w.t.Context(), fetch.Request{Match: m, Client: w.client(1).of, Agent: c.agent}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			same(t, c.command+": ahead", w.balance().Ahead, 1)
			same(t, c.command+": of what waited", w.asked("/extra"), 0)
		})
	}
}
