package npm

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"hither/forward/project"
)

// TestNoNPMRegistryRunsAway has clients go through random registries, in which packages need each other in circles, peers
// and optional ones too, and some of which nobody has. Some answers to us get lost. Nothing is wanted twice, and what a guess
// waits for ends.
func TestNoNPMRegistryRunsAway(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 11))
		w := newWorld(t)
		n, deps, most := 5+r.IntN(60), make(map[string][]string), 1+r.IntN(5)
		for i := range n {
			name := fmt.Sprintf("p%d", i)
			var versions []string
			for major := range 1 + r.IntN(5) {
				fields := map[string][]string{}
				for range r.IntN(most + 1) {
					kind := []string{"dependencies", "dependencies", "peerDependencies", "optionalDependencies"}[r.IntN(4)]
					other := fmt.Sprintf("p%d", r.IntN(n+2)) // the last two are not there
					fields[kind] = append(fields[kind], fmt.Sprintf(`"%s":"%s%d"`, other, []string{"^", "", ">="}[r.IntN(3)], 1+r.IntN(5)))
					deps[name] = append(deps[name], other)
					if r.IntN(2) == 0 {
						fields["peerDependenciesMeta"] = append(fields["peerDependenciesMeta"], `"`+other+`":{"optional":true}`)
					}
				}
				var members []string
				for kind, list := range fields {
					members = append(members, `"`+kind+`":{`+strings.Join(list, ",")+"}")
				}
				versions = append(versions, fmt.Sprintf("%d.0.0 %s", major+1, strings.Join(members, ",")))
			}
			w.publish(name, versions...)
		}
		wanted := make(map[string]bool)
		var ahead []string
		note := func(paths []string) {
			for _, path := range paths {
				if wanted[path] {
					t.Errorf("seed %d: %s is wanted twice", seed, path)
				}
				wanted[path] = true
				if !strings.HasSuffix(path, ".tgz") {
					ahead = append(ahead, path)
				}
			}
		}
		queue := []string{fmt.Sprintf("p%d", r.IntN(n)), fmt.Sprintf("p%d", r.IntN(n)), fmt.Sprintf("p%d", r.IntN(n))}
		asked := make(map[string]bool)
		for ; len(queue) > 0; queue = queue[1:] {
			name := queue[0]
			if asked[name] {
				continue
			}
			asked[name] = true
			m := w.match("/"+name, full)
			note(pathsOf(w.walk.Asked(m)))
			note(pathsOf(w.walk.Answered(m, w.registry["/"+name], 0)))
			for len(ahead) > 0 && r.IntN(3) > 0 {
				if r.IntN(9) > 0 {
					m := w.match(ahead[0], full)
					note(pathsOf(w.walk.Answered(m, w.registry[ahead[0]], 1)))
				}
				ahead = ahead[1:]
			}
			for _, other := range deps[name] {
				if r.IntN(3) > 0 {
					queue = append(queue, other)
				}
			}
			if w.walk.pending < 0 || len(w.walk.puzzles) > maxPuzzles {
				t.Fatalf("seed %d: %d are pending, %d puzzles", seed, w.walk.pending, len(w.walk.puzzles))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(asked)) {
			note(pathsOf(w.walk.Asked(w.match(fmt.Sprintf("/%s/-/%s-%d.0.0.tgz", name, name, 1+r.IntN(5)), "*/*"))))
		}
	}
}

// pathsOf are where wants lead to at the registry.
func pathsOf(wants []project.Want) []string {
	var all []string
	for _, want := range wants {
		all = append(all, strings.TrimPrefix(want.URL, registry))
	}
	return all
}
