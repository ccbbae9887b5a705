package prefetch

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
	"hither/forward/project"
	"hither/rules"
)

// twenty is a project that requires twenty modules, none of which requires another.
func twenty() (roots []string, all map[string]mod) {
	all = make(map[string]mod)
	for _, path := range paths("m", 20, "") {
		id := strings.Replace(path[1:], "/@v/", "@", 1)
		roots, all[id] = append(roots, id), mod{}
	}
	return roots, all
}

// A go command takes less time than a connection, so that one is told of, too. A build may have all it needs.
func TestWhatGoNeedsComesWhileItStarts(t *testing.T) {
	const all = 20
	for _, c := range []struct {
		why, command     string
		mods, infos, zip int
		ready            int // told that connections will be needed
	}{
		{"all that is downloaded", "go mod download", all, all, all, 1},
		{"in another directory, where it is by now", "go -C x mod download", all, all, all, 1},
		{"what a list needs", "go list -m all", all, all, 0, 1},
		{"of a tidy not the packages", "go mod tidy", all, 0, 0, 1},
		{"of a query the graph", "go get example.com/m001@latest", all, 0, 0, 1},
		{"of a build connections", "go build ./...", 0, 0, 0, 1},
		{"and of a test", "go test -run X ./...", 0, 0, 0, 1},
		{"and of a list of packages", "go list -deps ./...", 0, 0, 0, 1},
		{"and of a tool of the project", "go tool -n stringer -m all", 0, 0, 0, 1},
		{"nothing, where go brings the tool", "go tool pprof -http :0 cpu.out", 0, 0, 0, 0},
		{"and none", "go tool", 0, 0, 0, 0},
		{"of a verification the graph", "go mod verify", all, 0, 0, 1},
		{"nothing, where it has its own packages", "go build -mod=vendor ./...", 0, 0, 0, 0},
		{"nothing, where there is no such go.mod", "go list -modfile=other.mod -m all", 0, 0, 0, 0},
		{"of a tool that is no part of the project its versions alone", "go install example.com/tool@latest", 0, 0, 0, 1},
		{"nothing, where it asks nobody", "go env", 0, 0, 0, 0},
	} {
		t.Run(c.why, func(t *testing.T) {
			roots, published := twenty()
			var ready atomic.Int64
			inWorld(t, func(w *world) {
				inProject(t, roots, roots)(w)
				w.Ready = func(*rules.Rule) { ready.Add(1) }
			}, func(w *world) {
				w.publish(1000, published)
				at, _ := w.Project(fetch.Client{})
				w.Begin("proxy.golang.org", Place{PID: 7, Dir: at.Dir, Args: strings.Fields(c.command), Has: hasNone})
				time.Sleep(10 * time.Second)
				same(t, c.command+": go.mod files", w.asked(".mod"), c.mods)
				same(t, c.command+": .info", w.asked(".info"), c.infos)
				same(t, c.command+": zips", w.asked(".zip"), c.zip)
				same(t, c.command+": connections", int(ready.Load()), c.ready)
				time.Sleep(2 * idleAfter)
				same(t, "runs of a client that never came", w.running(), 0)
			})
		})
	}
}

// A client that has all of it costs nothing, not even a connection.
func TestAGoThatHasItAllBeginsNothing(t *testing.T) {
	roots, published := twenty()
	for _, command := range []string{"go mod download", "go build ./...", "go list -m all"} {
		inWorld(t, func(w *world) {
			inProject(t, roots, roots)(w)
			w.Ready = func(*rules.Rule) { t.Errorf("%s: connections were wanted", command) }
		}, func(w *world) {
			w.publish(1000, published)
			at, _ := w.Project(fetch.Client{})
			w.Begin("proxy.golang.org", Place{Dir: at.Dir, Args: strings.Fields(command), Has: func(project.Want) bool { return true }})
			time.Sleep(10 * time.Second)
			same(t, command+": requests", len(w.sent()), 0)
		})
	}
}

// The go command that was told of joins its run when it asks, and gets what is there. A private module's name stays here.
func TestTheGoThatWasToldOfJoins(t *testing.T) {
	roots, published := twenty()
	for _, c := range []struct {
		why, begun, line string
		pid              int
		up               []int
		runs             int
	}{
		{"the same process", "go mod download", "go mod download", 7, nil, 1},
		{"one that wrote another name over its own", "go mod download", "/sdk/go1.27/bin/go mod download", 7, nil, 1},
		{"another toolchain that it started", "go mod download", "/sdk/go1.27/bin/go mod download", 9, []int{7, 1}, 1},
		{"another command that it started", "go mod download", "go list -m all", 9, []int{7, 1}, 2},
		{"another program that it started", "go mod download", "npm ci", 9, []int{7, 1}, 2},
	} {
		t.Run(c.why, func(t *testing.T) {
			inWorld(t, inProject(t, roots, roots), func(w *world) {
				w.publish(1000, published)
				at, _ := w.Project(fetch.Client{})
				private := []string{"example.com/m007"}
				w.Project = func(fetch.Client) (Place, bool) {
					return Place{PID: c.pid, Parents: c.up, Dir: at.Dir, Args: strings.Fields(c.line), Has: hasNone, Private: private}, true
				}
				w.Begin("proxy.golang.org", Place{PID: 7, Dir: at.Dir, Args: strings.Fields(c.begun), Has: hasNone, Private: private})
				time.Sleep(5 * time.Second)
				before := len(w.sent())
				same(t, "begun", before, 3*(len(roots)-1))
				g := w.client(1)
				rounds := took(func() { g.download(8, append(roots[:7:7], roots[8:]...)) })
				synctest.Wait()
				same(t, "runs", w.running(), c.runs)
				if c.runs == 1 {
					same(t, "requests more", len(w.sent())-before, 0)
					same(t, "rounds", rounds, 0)
					same(t, "used", w.balance().Used, before)
				}
			})
		})
	}
}

// A build is given its packages as soon as it asks for one.
func TestABuildThatAsksGetsItsPackages(t *testing.T) {
	roots, published := twenty()
	inWorld(t, inProject(t, roots, roots), func(w *world) {
		w.publish(1000, published)
		at, _ := w.Project(fetch.Client{})
		at.PID, at.Args, at.Has = 7, []string{"go", "build"}, hasNone
		w.Project = func(fetch.Client) (Place, bool) { return at, true }
		w.Begin("proxy.golang.org", at)
		time.Sleep(5 * time.Second)
		same(t, "zips before", w.asked(".zip"), 0)
		w.client(1).get("/example.com/m000/@v/v1.0.0.zip")
		time.Sleep(time.Second)
		if got := w.asked(".zip"); got < bulkAhead/2 {
			t.Errorf("zips after\n got %d\nwant at least %d", got, bulkAhead/2)
		}
	})
}

// TestWhatStaysAwayDoesNotEndTheReading has a client that has the go.mod files, of earlier or of its own: what else it needs of the
// graph comes ahead all the same.
func TestWhatStaysAwayDoesNotEndTheReading(t *testing.T) {
	const n = 20
	var roots, sums, rest []string
	all := map[string]mod{}
	for i := range n {
		root, deep := fmt.Sprintf("example.com/a%03d@v1.0.0", i), fmt.Sprintf("example.com/deep%03d@v1.0.0", i)
		roots, sums, rest = append(roots, root), append(sums, root, deep), append(rest, deep)
		all[root], all[deep] = mod{requires: []string{deep}}, mod{}
	}
	has := func(w project.Want) bool { return strings.HasSuffix(w.URL, ".mod") }
	for _, c := range []struct {
		why                string
		at                 Place
		sums               []string
		mods, infos, lists int
	}{
		{"all of them", Place{Has: has}, sums, 0, 2 * n, 2 * n},
		{"those of the project, where nothing else is known", Place{Has: has}, nil, 0, n, n},
		{"a private one", Place{Has: hasNone, Private: []string{"example.com/a007"}}, sums, 2*n - 1, 2*n - 1, 2*n - 1},
		{"a private one of a new project", Place{Has: hasNone, Private: []string{"example.com/a007"}}, nil, n - 1, 2*n - 2, 2*n - 2},
	} {
		inWorld(t, inProject(t, roots, c.sums, "go", "list", "-m", "-u", "all"), func(w *world) {
			w.publish(1000, all)
			at, _ := w.Project(fetch.Client{})
			w.listAll(append(rest, roots...))
			c.at.Dir, c.at.Args, c.at.PID = at.Dir, at.Args, 7
			w.Begin("proxy.golang.org", c.at)
			time.Sleep(10 * time.Second)
			same(t, c.why+": go.mod files", w.asked("v1.0.0.mod"), c.mods)
			same(t, c.why+": .info", w.asked("v1.0.0.info"), c.infos)
			same(t, c.why+": lists", w.asked("/list"), c.lists)
		})
	}
}

// TestARefusedGuessIsNoFailureOfTheRegistry has one that refuses all that may be above packages, or fails at it.
func TestARefusedGuessIsNoFailureOfTheRegistry(t *testing.T) {
	for _, c := range []struct {
		status int
		rests  bool
	}{{http.StatusForbidden, false}, {http.StatusUnauthorized, false}, {http.StatusBadGateway, true}, {http.StatusTooManyRequests, true}} {
		roots, all := outdated(2)
		inWorld(t, inProject(t, roots, roots), func(w *world) {
			w.publish(1000, all)
			w.denied = func(url string) int {
				if strings.Contains(url, "corp.example") {
					return c.status
				}
				return 0
			}
			at, _ := w.Project(fetch.Client{})
			at.PID, at.Has, at.Args = 7, hasNone, strings.Fields("go get")
			for i := range 6 * maxFailures { // the few that come meanwhile are no help
				at.Args = append(at.Args, fmt.Sprintf("corp.example/a%d@latest", i))
			}
			w.Begin("proxy.golang.org", at)
			time.Sleep(5 * time.Second)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.Prefetcher.mu.Lock()
			defer w.Prefetcher.mu.Unlock()
			same(t, fmt.Sprint("the registry rests after ", c.status), w.now().Before(w.laneOf("go").rest), c.rests)
		})
	}
}
