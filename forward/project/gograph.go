package project

import (
	"cmp"
	"slices"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Graph is what a main module says of the module graph; the rest is in published go.mod files.
type Graph struct {
	path     string           // of the main module, whatever others require of it
	roots    []module.Version // what it requires
	unpruned bool             // see Go.Pruned
	excluded map[module.Version]bool
	replaced replacements
}

// newGraph is nil if a directory stands for a module: what that requires is not published.
func newGraph(main *modfile.File, pruned bool, excluded map[module.Version]bool, r replacements) *Graph {
	g := &Graph{unpruned: !pruned, excluded: excluded, replaced: r}
	if main.Module != nil {
		g.path = main.Module.Mod.Path
	}
	for _, by := range r.by {
		if by.Version == "" {
			return nil
		}
	}
	for _, q := range main.Require {
		if !excluded[q.Mod] {
			g.roots = append(g.roots, q.Mod)
		}
	}
	return g
}

// BuildList is what stands for the modules that are selected (Go Modules Reference, "Minimal version selection" and "Module
// graph pruning"), sorted, without the main module. The go.mod files are asked of read, which tells what one requires, and
// whether it is of a go before 1.17; of what it does not know, nothing. go.sum names more than they are. The go command asks for
// the .info of each, but where GONOPROXY is set for none that is itself replaced.
func (g *Graph) BuildList(read func(module.Version) (requires []module.Version, old bool)) []module.Version {
	selected := make(map[string]string)
	whole := make(map[module.Version]bool) // those whose requirements are read as well
	take := func(m module.Version) {
		if m.Path != g.path && semver.Compare(m.Version, selected[m.Path]) > 0 {
			selected[m.Path] = m.Version
		}
	}
	for _, m := range g.roots {
		take(m)
		whole[m] = g.unpruned
	}
	for todo := slices.Clone(g.roots); len(todo) > 0; todo = todo[1:] {
		by, _ := g.replaced.of(todo[0])
		requires, old := read(by)
		for _, m := range requires {
			if g.excluded[m] {
				continue
			}
			take(m)
			if (old || whole[todo[0]]) && !whole[m] {
				whole[m] = true
				todo = append(todo, m)
			}
		}
	}
	list := make([]module.Version, 0, len(selected))
	for path, version := range selected {
		by, _ := g.replaced.of(module.Version{Path: path, Version: version})
		list = append(list, by)
	}
	slices.SortFunc(list, func(a, b module.Version) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Version, b.Version))
	})
	return slices.Compact(list)
}
