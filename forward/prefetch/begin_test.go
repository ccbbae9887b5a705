package prefetch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
	"hither/forward/project"
)

func hasNone(project.Want) bool { return false }

// words are the arguments of a command; one with _ is as npm writes its own.
func words(command string) (args []string) {
	for word := range strings.FieldsSeq(command) {
		args = append(args, strings.ReplaceAll(word, "_", " "))
	}
	return args
}

// A command is told of when it starts. What is on the way then is bounded by what is known of it.
func TestWhatACommandNeedsComesWhileItStarts(t *testing.T) {
	const all = 40
	for _, c := range []struct {
		why, command string
		has          func(project.Want) bool
		want         int
	}{
		{"all that npm ci installs", "node /usr/bin/npm ci", hasNone, all},
		{"not what npm has", "npm ci", func(project.Want) bool { return true }, 0},
		{"some, where nobody knows what it has", "npm ci", nil, bulkAhead},
		{"all but what it leaves out", "npm ci --omit=dev", hasNone, all},
		{"some, where it leaves out what nobody knows", "npm ci --workspaces=false", hasNone, bulkAhead},
		{"some, where one workspace is installed", "npm ci -w a", hasNone, bulkAhead},
		{"some, where npm has written over its options", "npm_ci", hasNone, bulkAhead},
		{"nothing, where it works elsewhere", "npm ci --prefix=there", hasNone, 0},
		{"nothing, where another registry is named", "npm ci --registry=https://npm.corp.example", hasNone, 0},
		{"nothing, where it is named in short", "npm ci --reg https://npm.corp.example", hasNone, 0},
		{"nothing, where its settings are elsewhere", "npm ci --userconfig there", hasNone, 0},
		{"some, where npm keeps packages elsewhere", "npm ci --cache there", hasNone, bulkAhead},
		{"some, where an option is not known", "npm ci --whatever", hasNone, bulkAhead},
		{"all, whatever it tells of", "npm ci --no-audit --loglevel silent -s", hasNone, all},
		{"nothing, where a scope has another", "npm ci --@corp:registry https://npm.corp.example", hasNone, 0},
		{"nothing, where it goes past us", "npm ci --noproxy registry.npmjs.org", hasNone, 0},
		{"nothing, where its settings are elsewhere, cut short", "npm ci --userc there", hasNone, 0},
		{"nothing, where a scope is meant for all", "npm ci --scope @corp", hasNone, 0},
		{"some, where it is told not to be offline", "npm ci --no-offline --progress=false", hasNone, bulkAhead},
		{"some, since bun keeps its packages elsewhere", "bun install", hasNone, bulkAhead},
		{"nothing, where it asks nobody", "npm ci --offline", hasNone, 0},
		{"nothing, where it installs nothing", "npm view p01", hasNone, 0},
	} {
		t.Run(c.why, func(t *testing.T) {
			inWorld(t, withNPM, func(w *world) {
				dir, _ := w.locked(all)
				w.Begin("registry.npmjs.org", Place{PID: 7, Dir: dir, Args: words(c.command), Has: c.has})
				time.Sleep(10 * time.Second)
				same(t, c.command+": tarballs", w.asked(".tgz"), c.want)
				time.Sleep(2 * idleAfter)
				same(t, "runs of a client that never came", w.running(), 0)
			})
		})
	}
}

// In the directory of a workspace's package npm installs what that one needs.
func TestNpmCiInAPackageOfAWorkspaceIsNotForAll(t *testing.T) {
	for where, want := range map[string]int{"web": bulkAhead, "docs": 20} {
		inWorld(t, withNPM, func(w *world) {
			dir, _ := w.locked(20)
			for name, text := range map[string]string{"package.json": `{"workspaces":["web"]}`, "web/package.json": "{}", "docs/README": ""} {
				if err := errors.Join(os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			w.Begin("registry.npmjs.org", Place{PID: 7, Dir: filepath.Join(dir, where), Args: words("npm ci"), Has: hasNone})
			time.Sleep(10 * time.Second)
			same(t, "tarballs, in "+where, w.asked(".tgz"), want)
		})
	}
}

// npm ci ends before it asks for anything where a lock file does not fit its project.
func TestACommandThatNeverAsksHasABound(t *testing.T) {
	inWorld(t, func(w *world) { withNPM(w); w.Bulk = 64 }, func(w *world) {
		dir, tarballs := w.locked(unseen + 100)
		w.Begin("registry.npmjs.org", Place{PID: 7, Dir: dir, Args: words("npm ci"), Has: hasNone})
		time.Sleep(30 * time.Second)
		same(t, "tarballs before it has asked", w.asked(".tgz"), unseen)
		w.Project = func(fetch.Client) (Place, bool) {
			return Place{PID: 7, Dir: dir, Args: words("npm_ci"), Has: hasNone}, true
		}
		w.client(1).get(npmRegistry + tarballs[len(tarballs)-1])
		time.Sleep(10 * time.Second)
		same(t, "when it has", w.asked(".tgz"), unseen+100)
	})
}

// npm writes its arguments anew when it has begun.
func TestTheCommandThatWasToldOfIsKnownAgain(t *testing.T) {
	for _, c := range []struct {
		why  string
		pid  int
		up   []int
		line string
		runs int
	}{
		{"the same process", 7, nil, "npm_ci", 1},
		{"one that it started", 9, []int{8, 7, 1}, "node /volta/npm-cli.js ci", 1},
		{"another command that it started", 9, []int{8, 7, 1}, "npm_install", 2},
		{"another program that it started", 9, []int{8, 7, 1}, "go build", 2},
		{"another one in the same place", 8, []int{1}, "npm_ci", 2},
		{"nobody knows which", 0, nil, "npm_ci", 2},
	} {
		t.Run(c.why, func(t *testing.T) {
			var dir string
			inWorld(t, func(w *world) {
				withNPM(w)
				w.Project = func(fetch.Client) (Place, bool) {
					return Place{PID: c.pid, Parents: c.up, Dir: dir, Args: words(c.line), Has: hasNone}, true
				}
			}, func(w *world) {
				var tarballs []string
				dir, tarballs = w.locked(20)
				w.Begin("registry.npmjs.org", Place{PID: 7, Dir: dir, Args: []string{"node", "/usr/bin/npm", "ci"}, Has: hasNone})
				time.Sleep(5 * time.Second)
				for _, at := range tarballs {
					w.client(1).get(npmRegistry + at)
				}
				synctest.Wait()
				same(t, "runs", w.running(), c.runs)
				same(t, "tarballs", w.asked(".tgz"), 20)
				if c.runs == 1 {
					same(t, "used", w.balance().Used, 20)
				}
			})
		})
	}
}

// A command that had all it needed never asks. The next one like it, a moment later, finds another project.
func TestTheNextCommandIsNotTheLast(t *testing.T) {
	inWorld(t, withNPM, func(w *world) {
		dir, _ := w.locked(3)
		begin := func(pid int) {
			w.Begin("registry.npmjs.org", Place{PID: pid, Dir: dir, Args: words("npm ci"), Has: hasNone})
		}
		begin(7)
		begin(7)
		time.Sleep(5 * time.Second)
		same(t, "tarballs of the first", w.asked(".tgz"), 3)
		second, _ := w.locked(9)
		if err := os.Rename(filepath.Join(second, "package-lock.json"), filepath.Join(dir, "package-lock.json")); err != nil {
			t.Fatal(err)
		}
		begin(8)
		time.Sleep(5 * time.Second)
		same(t, "runs", w.running(), 1)
		same(t, "tarballs of both", w.asked(".tgz"), 9)
	})
}

// A host of no rule, or one that is left alone, begins nothing.
func TestOnlyRegistriesThatAreWalkedWithBegin(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		dir, _ := w.locked(3)
		for _, host := range []string{"registry.npmjs.org", "example.com", ""} {
			w.Begin(host, Place{Dir: dir, Args: []string{"npm", "ci"}, Has: hasNone})
		}
		synctest.Wait()
		same(t, "runs", w.running(), 0)
	})
}
