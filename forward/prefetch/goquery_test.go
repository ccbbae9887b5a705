package prefetch

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/semver"

	"hither/forward/fetch"
)

// outdated is a project of some modules, each of which has a newer version of another kind: one that before go 1.17 requires much.
func outdated(n int) (roots []string, all map[string]mod) {
	all = make(map[string]mod)
	for i := range n {
		id := fmt.Sprintf("example.com/a%03d@v1.0.0", i)
		roots, all[id] = append(roots, id), mod{}
		newest := mod{old: true}
		for j := range 5 {
			deep := fmt.Sprintf("example.com/deep%03d@v1.%d.0", i, j)
			newest.requires, all[deep] = append(newest.requires, deep), mod{old: true}
		}
		all[fmt.Sprintf("example.com/a%03d@v1.1.0", i)] = newest
	}
	return roots, all
}

// list has the registry tell which versions there are.
func (w *world) list(path string, versions ...string) {
	w.bodies[host+"/"+path+"/@v/list"] = []byte(strings.Join(versions, "\n") + "\n")
}

func (w *world) listAll(roots []string) {
	for _, r := range roots {
		path, _, _ := strings.Cut(r, "@")
		w.list(path, "v1.0.0", "v1.1.0")
	}
}

// updates is `go list -m -u all`: n modules at a time, of each one thing after another.
func (g *gopher) updates(n int, roots []string) {
	list := g.graph(n, roots)
	var todo []string
	for path, version := range list {
		todo = append(todo, path+"@"+version)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, n)
	for _, id := range sorted(todo) {
		path, version, _ := strings.Cut(id, "@")
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			g.get("/" + path + "/@v/" + version + ".info")
			g.newest(path)
		})
	}
	wg.Wait()
}

// newest is modload.Query for the latest version, and the go.mod that tells of retractions.
func (g *gopher) newest(path string) (best string) {
	for line := range strings.Lines(string(g.get("/" + path + "/@v/list"))) {
		if v := strings.TrimSpace(line); semver.Compare(v, best) > 0 {
			best = v
		}
	}
	if best != "" {
		g.get("/" + path + "/@v/" + best + ".info")
		g.get("/" + path + "/@v/" + best + ".mod")
	}
	return best
}

// TestUpdatesComeAhead has go list -m -u all, which takes four round trips for every eight modules by itself.
func TestUpdatesComeAhead(t *testing.T) {
	const n = 80
	for _, c := range []struct {
		why    string
		args   []string
		rounds float64
	}{
		{"where nothing is known of the client", nil, 22},
		{"where its arguments tell", []string{"go", "list", "-m", "-u", "all"}, 6},
	} {
		t.Run(c.why, func(t *testing.T) {
			roots, all := outdated(n)
			inWorld(t, func(w *world) {
				if c.args != nil {
					inProject(t, roots, roots, c.args...)(w)
				}
			}, func(w *world) {
				w.publish(1000, all)
				w.listAll(roots)
				atMost(t, "rounds", took(func() { w.client(1).updates(8, roots) }), c.rounds)
				time.Sleep(2 * delay)
				same(t, "lists", w.asked("/list"), n)
				same(t, "go.mod files, none that only a newest version requires", w.asked(".mod"), 2*n)
				same(t, ".info", w.asked(".info"), 2*n)
				same(t, "zips", w.asked(".zip"), 0)
				same(t, "wasted", w.balance().Wasted, 0)
			})
		})
	}
}

// TestAFewListsSayNothingOfOthers has clients that look for two modules only.
func TestAFewListsSayNothingOfOthers(t *testing.T) {
	roots, all := outdated(20)
	inWorld(t, nil, func(w *world) {
		w.publish(1000, all)
		w.listAll(roots)
		g := w.client(1)
		g.graph(8, roots)
		g.newest("example.com/a003")
		g.newest("example.com/a007")
		time.Sleep(2 * delay)
		same(t, "lists", w.asked("/list"), 2)
	})
}

// TestAPackageIsLookedForAbove has go get of a package: what is above it is asked for only after it, so that what is private, and
// never gets an answer, has nothing above it told.
func TestAPackageIsLookedForAbove(t *testing.T) {
	for _, c := range []struct {
		private []string
		want    string
	}{
		{nil, "/corp.example /corp.example/team /corp.example/team/tool /corp.example/team/tool/cmd"},
		{[]string{"corp.example/team/tool/*"}, ""},
	} {
		roots, all := outdated(2)
		inWorld(t, inProject(t, roots, roots), func(w *world) {
			w.publish(1000, all)
			at, _ := w.Project(fetch.Client{})
			at.PID, at.Args, at.Has, at.Private = 7, []string{"go", "get", "corp.example/team/tool/cmd@latest"}, hasNone, c.private
			w.Begin("proxy.golang.org", at)
			time.Sleep(5 * time.Second)
			var got []string
			for _, url := range w.sent() {
				if path, ok := strings.CutSuffix(strings.TrimPrefix(url, host), "/@v/list"); ok {
					got = append(got, path)
				}
			}
			same(t, fmt.Sprint("lists, private ", c.private), strings.Join(sorted(got), " "), c.want)
		})
	}
}
