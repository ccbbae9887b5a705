package project

import (
	"cmp"
	"slices"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Graph is what the main modules say of the module graph, and the directories that stand for others; the rest is in published
// go.mod files.
type Graph struct {
	mains     map[string]local // by their path; in a workspace none has a version
	workspace bool
	excluded  map[module.Version]bool
	replaced  replacements
	here      map[string]local // by directory
}

func newGraph(mains []mainModule, workspace bool, excluded map[module.Version]bool, r replacements, here map[string]local) *Graph {
	g := &Graph{mains: map[string]local{}, workspace: workspace, excluded: excluded, replaced: r, here: here}
	for _, m := range mains {
		var path string
		if m.file.Module != nil {
			path = m.file.Module.Mod.Path
		}
		g.mains[path] = localOf(m.file)
	}
	return g
}

// Reading is how far the module graph was read, as cmd/go/internal/modload does it in readModGraph. It is told of go.mod files
// one by one, and tells which are read because of them.
type Reading struct {
	graph    *Graph
	file     func(module.Version) (requires []module.Version, old, here bool)
	selected map[string]string // by module path: the highest version that was named
	entered  map[visit]bool
	todo     []visit
	next     []module.Version           // wanted since Next was called
	waiting  map[module.Version][]visit // by what stands for the module
	gone     map[module.Version]bool

	requires map[module.Version][]module.Version // of a workspace: what modules require, as far as they were read
	swept    map[module.Version]bool
	near     map[string]bool // paths of modules whose requirements may be imported by the workspace's modules
	steps    int
}

// visit is a module that is read, and how much behind it.
type visit struct {
	module.Version
	depth depth
}

// depth says what is read of the modules that a module requires, and behind those.
type depth int

const (
	pruned   depth = iota // nothing, unless it is of a go before 1.17
	unpruned              // all
	whole                 // their go.mod, as of what a main module requires
)

// maxSteps bounds the work for a workspace that was made to hurt: so many requirements are looked at again, in a second or so.
const maxSteps = 10_000_000

// Read begins a reading. file tells what a go.mod says, and whether it came.
func (g *Graph) Read(file func(module.Version) (requires []module.Version, old, here bool)) *Reading {
	r := &Reading{
		graph: g, file: file, selected: map[string]string{}, entered: map[visit]bool{}, waiting: map[module.Version][]visit{},
		gone: map[module.Version]bool{}, requires: map[module.Version][]module.Version{}, swept: map[module.Version]bool{}, near: map[string]bool{},
	}
	for path, main := range g.mains {
		r.near[path] = true
		if g.workspace {
			r.enter(visit{module.Version{Path: path}, whole})
			continue
		}
		r.enterAll(r.take(main.requires), behind(main.old))
	}
	r.run()
	return r
}

// behind is how what a module requires is read: all of it, if the module is of a go before 1.17, or behind one.
func behind(old bool) depth {
	if old {
		return unpruned
	}
	return pruned
}

// Require reads on as if a main module required a module, as a go command does that brings one into the project.
func (r *Reading) Require(m module.Version) {
	old := false
	for _, main := range r.graph.mains {
		old = old || main.old
	}
	at := behind(old)
	if r.entered[visit{m, at}] || r.entered[visit{m, unpruned}] || r.entered[visit{m, whole}] {
		return
	}
	r.enterAll(r.take([]module.Version{m}), at)
	r.run()
}

// Next are the go.mod files that are read, and were not told before. They are published ones.
func (r *Reading) Next() []module.Version {
	next := r.next
	r.next = nil
	return next
}

// Came is told that a go.mod is there, or that there is none.
func (r *Reading) Came(m module.Version) {
	if _, _, here := r.file(m); !here {
		r.gone[m] = true
	}
	visits, waited := r.waiting[m]
	if !waited {
		return // it is of no module that is read, or of one that comes later
	}
	r.todo = append(r.todo, visits...)
	delete(r.waiting, m)
	r.run()
}

// Left is how many go.mod files have not come; 0: the graph was read to its end.
func (r *Reading) Left() int { return len(r.waiting) }

// BuildList is what stands for the modules that are selected (Go Modules Reference, "Minimal version selection" and "Module
// graph pruning"), sorted, without main modules and directories. The go command lists all of them, but where GONOPROXY is set for
// none that is itself replaced.
func (r *Reading) BuildList() []module.Version {
	list := make([]module.Version, 0, len(r.selected))
	for path, version := range r.selected {
		if by, remote := r.graph.replaced.of(module.Version{Path: path, Version: version}); remote {
			list = append(list, by)
		}
	}
	slices.SortFunc(list, func(a, b module.Version) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Version, b.Version))
	})
	return slices.Compact(list)
}

// run reads all that can be read now.
func (r *Reading) run() {
	for {
		for len(r.todo) > 0 {
			v := r.todo[len(r.todo)-1]
			r.todo = r.todo[:len(r.todo)-1]
			r.visit(v)
		}
		if len(r.waiting) > 0 || !r.sweep() {
			return
		}
	}
}

func (r *Reading) enter(v visit) {
	if !r.entered[v] {
		r.entered[v] = true
		r.todo = append(r.todo, v)
	}
}

func (r *Reading) enterAll(modules []module.Version, at depth) {
	for _, m := range modules {
		r.enter(visit{m, at})
	}
}

func (r *Reading) visit(v visit) {
	read, here := r.look(v)
	if !here {
		return
	}
	requires := r.take(read.requires)
	if r.graph.workspace {
		r.requires[v.Version] = requires
	}
	if v.depth == pruned && !read.old {
		return
	}
	r.enterAll(requires, behind(v.depth == unpruned || read.old))
}

// look is what a module says; false: it is waited for.
func (r *Reading) look(v visit) (read local, here bool) {
	if v.Version.Version == "" {
		return r.graph.mains[v.Path], true
	}
	by, remote := r.graph.replaced.of(v.Version)
	if !remote {
		return r.graph.here[by.Path], true
	}
	requires, old, here := r.file(by)
	if here || r.gone[by] {
		return local{requires, old}, true
	}
	if r.waiting[by] == nil {
		r.next = append(r.next, by)
	}
	r.waiting[by] = append(r.waiting[by], v)
	return read, false
}

// take notes that modules are required, and leaves out those that are excluded.
func (r *Reading) take(requires []module.Version) []module.Version {
	if slices.ContainsFunc(requires, func(m module.Version) bool { return r.graph.excluded[m] }) {
		requires = slices.DeleteFunc(slices.Clone(requires), func(m module.Version) bool { return r.graph.excluded[m] })
	}
	for _, m := range requires {
		if _, main := r.graph.mains[m.Path]; !main && semver.Compare(m.Version, r.selected[m.Path]) > 0 {
			r.selected[m.Path] = m.Version
		}
	}
	return requires
}

// sweep goes on with a workspace when all is read. What its modules require may be selected at a higher version than they
// were tidied with, and may then import what was pruned; so that version is read as a module of the workspace is, and what
// it requires is looked at likewise.
func (r *Reading) sweep() bool {
	if !r.graph.workspace || r.steps > maxSteps {
		return false
	}
	more := map[module.Version]bool{}
	for path := range r.near {
		m := module.Version{Path: path, Version: r.selected[path]}
		if !r.swept[m] {
			more[m] = true
			continue
		}
		r.steps += 1 + len(r.requires[m])
		for _, q := range r.requires[m] {
			s := module.Version{Path: q.Path, Version: r.selected[q.Path]}
			if semver.Compare(s.Version, q.Version) > 0 && !r.swept[s] {
				more[s] = true
			}
		}
	}
	for m := range more {
		r.swept[m], r.near[m.Path] = true, true
		r.enter(visit{m, whole})
	}
	return len(more) > 0
}
