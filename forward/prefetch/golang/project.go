package golang

import (
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"hither/forward/project"
)

// whyReadGoMod is of what the project's files lead to, as the go command reads on from there.
const whyReadGoMod = "the go.mod of a module of the project's graph"

// told is what a go command fetches when it has read the graph.
type told struct {
	mods bool // the go.mod of each module of the build list, to say of which go version it is
	zips bool // the zip of each
	few  bool // and no .info but of what it looks for, as go get
}

// Project wants what the project's files say that the command needs.
func (w *Walk) Project(dir string, args []string) []project.Want {
	c := readCommand(args)
	named := w.listsNamed(c)
	w.told.few = c.need == graph || c.need == everything || c.need == nothing && len(named) > 0
	if c.need == nothing {
		return named
	}
	g, err := project.ReadGoAs(dir, c.mode)
	if err != nil || c.vendors(g) {
		return named
	}
	if c.refused(g) {
		return nil
	}
	if len(c.lists) > 0 && g.Lists(c.lists) {
		return named
	}
	whole := g.Workspace || !g.Pruned // what is needed only the graph tells
	w.hesitant = c.need == packages || c.need == everything
	w.all = c.need == downloads && (!whole || g.Graph != nil)
	direct, indirect := g.Zips(w.registry)
	if c.need == packages {
		direct, indirect = g.ZipsAt(w.registry, c.directories(dir))
	}
	if c.need == packages && !whole {
		w.later = indirect
		return direct
	}
	infos := g.Infos(w.registry)
	w.told.zips = c.need == downloads && (whole || c.all)
	w.told.mods = w.told.zips || g.Workspace || c.mod == "mod"
	mods := g.GraphMods(w.registry)
	if c.need == modules || w.told.zips {
		mods = g.Mods(w.registry)
	}
	out := slices.Concat(w.projectMods(g, rootsFirst(mods, infos)), named, w.listsRequired(c, infos))
	switch c.need {
	case modules:
		w.graph = true
		out = append(out, w.allInfos()...)
	case downloads:
		w.graph = w.told.zips && g.Graph != nil
		for _, want := range infos {
			v, _ := w.version(want.URL, ".info")
			w.roots[v.Path] = true
		}
		w.rootsEnd = true
		out = slices.Concat(out, infos, direct, indirect)
	case packages, everything:
		out, w.later = append(out, direct...), indirect
	}
	return out
}

// projectMods wants the go.mod files that the project names, and those that its graph is known to lead to.
func (w *Walk) projectMods(g *project.Go, out []project.Want) []project.Want {
	for _, want := range out {
		if v, ok := w.version(want.URL, ".mod"); ok {
			w.raise(v)
			w.missing[v] = true
			w.few = len(w.missing) / fewMissing
			w.known = w.known || want.Why == project.WhyGoSum
		}
	}
	if g.Graph == nil {
		return out
	}
	reading := g.Graph.Read(func(v module.Version) (requires []module.Version, old, here bool) {
		file, here := w.files[v]
		return file.requires, file.old, here
	})
	if len(out) == 0 && reading.Left() == 0 {
		return out // a new project: what comes will be brought into it, and nobody knows what that is
	}
	if !w.known {
		w.known, w.few = true, -1 // without a go.sum nobody knows how much is to come
	}
	w.reading = reading
	for v := range w.absent {
		w.reading.Came(v)
	}
	return w.readOn(out)
}

// read goes on with the graph where a go.mod came, or is not there, and says what is to be done then.
func (w *Walk) read(out []project.Want, v module.Version) []project.Want {
	if w.reading != nil {
		w.reading.Came(v)
		out = w.readOn(out)
	}
	return append(out, w.settled()...)
}

// readOn wants the go.mod files that are read next.
func (w *Walk) readOn(out []project.Want) []project.Want {
	for _, v := range w.reading.Next() {
		if w.missing[v] || len(w.beyond) >= maxNames {
			continue
		}
		w.beyond = append(w.beyond, v)
		out = w.add(out, v, ".mod", whyReadGoMod)
		out = w.record(out, v)
	}
	return out
}

// brought reads on behind a module whose zip go get, or another command that changes go.mod, asks for: it is in the graph, or looked
// into for a package, and in it soon. Others ask for zips of modules that the graph is pruned at, too.
func (w *Walk) brought(out []project.Want, v module.Version) []project.Want {
	if w.reading == nil || !w.told.few {
		return out
	}
	w.reading.Require(v)
	return w.readOn(out)
}

// Withheld goes on without go.mod files that will not come: the client has them, or keeps them to itself. Then the build list
// is what go.sum tells, where the rest of the graph does not tell more.
func (w *Walk) Withheld(wants []project.Want) (out []project.Want) {
	for _, want := range wants {
		v, ok := w.version(want.URL, ".mod")
		if _, here := w.files[v]; !ok || here || !strings.HasSuffix(want.URL, ".mod") || w.reading == nil {
			continue
		}
		w.withheld = true
		delete(w.missing, v)
		w.reading.Came(v)
	}
	if w.reading != nil && w.withheld {
		out = append(w.readOn(out), w.settled()...)
	}
	return out
}

// atEnd wants what the command fetches of each module when the whole graph was read.
func (w *Walk) atEnd() []project.Want {
	out, list := w.allInfos(), w.foreseen(w.reading.BuildList())
	for _, v := range list {
		if _, read := w.files[v]; w.told.mods && !read {
			out = w.add(out, v, ".mod", whyReadGoMod)
		}
	}
	if w.told.zips {
		for _, v := range list {
			out = w.add(out, v, ".zip", project.WhyGraphZip)
		}
	}
	return out
}

// Exact says that each zip of the project will be asked for, but those in the client's own cache.
func (w *Walk) Exact() bool { return w.all }

// Waits says that it builds: which of the packages that are missing it needs, if any, only it knows.
func (w *Walk) Waits() bool { return w.hesitant }

// rootsFirst puts the go.mod files of requirements before all others, in the order of their .info: so the go command asks.
func rootsFirst(mods, infos []project.Want) []project.Want {
	place := make(map[string]int, len(infos))
	for i, info := range infos {
		place[strings.TrimSuffix(info.URL, ".info")] = i - len(infos)
	}
	slices.SortStableFunc(mods, func(a, b project.Want) int {
		return place[strings.TrimSuffix(a.URL, ".mod")] - place[strings.TrimSuffix(b.URL, ".mod")]
	})
	return mods
}
