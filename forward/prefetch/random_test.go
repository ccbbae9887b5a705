package prefetch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/semver"
)

// randomGraph is a project of modules that require each other at random, old and new ones, in versions low and high.
func randomGraph(r *rand.Rand) (roots []string, all map[string]mod) {
	n, versions, fan, oldOf := 3+r.IntN(60), 1+r.IntN(4), 1+r.IntN(12), 1+r.IntN(9)
	all = make(map[string]mod)
	id := func(i, v int) string { return fmt.Sprintf("example.com/m%03d@v1.%d.0", i, v) }
	for i := range n {
		for v := range versions {
			m := mod{old: r.IntN(oldOf) == 0}
			for range r.IntN(fan + 1) {
				m.requires = append(m.requires, id(r.IntN(n), r.IntN(versions)))
			}
			all[id(i, v)] = m
		}
	}
	// The roots of a tidy project: what some modules need, in the highest version.
	list := make(map[string]string)
	var raise func(id string, depth int)
	raise = func(id string, depth int) {
		path, version, _ := strings.Cut(id, "@")
		if semver.Compare(version, list[path]) <= 0 {
			return
		}
		list[path] = version
		if depth > 0 {
			for _, o := range all[id].requires {
				raise(o, depth-1)
			}
		}
	}
	for range 1 + r.IntN(10) {
		raise(id(r.IntN(n), r.IntN(versions)), r.IntN(4))
	}
	for path, version := range list {
		roots = append(roots, path+"@"+version)
	}
	slices.Sort(roots)
	return roots, all
}

// TestNoGraphRunsAway has clients of random projects, some of which leave early, and registries some of which refuse one in
// four: what is asked for in vain is no more than what is needed, or the little that a small project, one with a go.sum of
// modules that nobody needs, or the end of its client may cost.
func TestNoGraphRunsAway(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 9))
		roots, all := randomGraph(r)
		var sums []string // also of what nobody needs
		for id := range all {
			sums = append(sums, id)
		}
		size := 1000 << r.IntN(12)
		setup := func(w *world) {
			if seed%4 == 3 {
				w.refuses = func(n int) bool { return n%4 == 0 }
			}
		}
		command, run := "list -m all", (*gopher).listAll
		if seed%2 == 0 {
			command, run = "mod download", (*gopher).download
		}
		project, leaves := seed%3 == 2, seed%5 == 0
		if project {
			setup = inProject(t, roots, sums, strings.Fields("go "+command)...)
		}
		inWorld(t, setup, func(w *world) {
			w.publish(0, all)
			zip := make([]byte, size)
			for url := range w.bodies {
				if strings.HasSuffix(url, ".zip") {
					w.bodies[url] = zip
				}
			}
			g := w.client(1)
			if leaves {
				g.most = 1 + r.IntN(30)
			}
			run(g, 8, roots)
			close(g.gone)
			time.Sleep(5 * time.Second)
			what := fmt.Sprintf("%d: go %s of %d modules: ", seed, command, len(roots))
			extra, wasted := max(g.count, slack), max(w.asked(".zip")*size/20, byteSlack+size)
			if project || leaves { // what is certain for others was not for these
				extra = g.count + certain + g.count + bulkAhead // of metadata, and of packages
			}
			if leaves {
				wasted = bytesAhead + bulkAhead*size
			}
			atMost(t, what+"extra requests", len(w.sent())-g.count, extra)
			atMost(t, what+"bytes wasted", w.balance().WastedBytes, int64(wasted))
			atMost(t, what+"at once", w.peak(metadata), 90+8)
			same(t, what+"runs left", w.running()+w.minded(), 0)
		})
	}
}
