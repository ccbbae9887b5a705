package golang

import (
	"maps"
	"slices"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"hither/forward/project"
)

// askedInfo wants the rest of what the client is about to ask one by one: of the project's own requirements, or of the
// whole graph.
func (w *Walk) askedInfo(v module.Version) []project.Want {
	if w.queries.lists[v.Path] {
		return nil // it is of what the list came to
	}
	first := len(w.infos) == 0
	w.infos = append(w.infos, v)
	w.queries.infos[v.Path] = true
	if !w.roots[v.Path] && len(w.roots) > 0 {
		w.foreign++
	}
	switch {
	case w.zips || w.told.few || w.graph && !first:
		return nil
	case w.graph || w.foreign >= fewForeign:
		w.graph = true
		return append(w.listedMods(), w.allInfos()...)
	case first:
		var out []project.Want
		for _, path := range w.inOrder {
			out = w.add(out, module.Version{Path: path, Version: w.highest[path]}, ".info", whyRootInfo)
		}
		return out
	}
	return nil
}

// allInfos are the .info of the build list, each with the list of versions that is asked for next if its update is looked for.
func (w *Walk) allInfos() []project.Want {
	var out []project.Want
	list := w.buildList()
	for _, v := range list[:min(len(list), maxNames)] {
		out = w.add(out, v, ".info", whyGraphInfo)
		if w.queries.each {
			out = w.question(out, v.Path, "@v/list", whyList)
		}
	}
	return out
}

// buildList is the version of each module that is in the graph, as far as its go.mod files are here. Where nobody knows where
// the graph begins, it is the highest that any of them names.
func (w *Walk) buildList() []module.Version {
	if w.reading != nil && w.withheld && w.reading.Left() == 0 {
		return w.supposed(w.reading.BuildList())
	}
	if w.reading != nil {
		return w.foreseen(w.reading.BuildList())
	}
	return byPath(w.highest)
}

// byPath are modules, of which the version is told by the path, in order.
func byPath(versions map[string]string) []module.Version {
	list := make([]module.Version, 0, len(versions))
	for _, path := range slices.Sorted(maps.Keys(versions)) {
		list = append(list, module.Version{Path: path, Version: versions[path]})
	}
	return list
}

// foreseen leaves out of a build list that is not certain yet what go.sum names higher: it hardly names any but for the graph.
func (w *Walk) foreseen(list []module.Version) []module.Version {
	if w.reading.Left() == 0 && !w.withheld {
		return list
	}
	return slices.DeleteFunc(list, func(v module.Version) bool { return semver.Compare(w.highest[v.Path], v.Version) > 0 })
}

// supposed adds to a build list for which not all go.mod files were read what go.sum names, and no other names higher.
func (w *Walk) supposed(list []module.Version) []module.Version {
	selected := maps.Clone(w.highest)
	for _, v := range list {
		selected[v.Path] = higher(v.Version, selected[v.Path])
	}
	return byPath(selected)
}

// listedMods are the go.mod files of the build list that were not read for the graph. To say of which go version a module
// is, they are read if go.sum names them: it does for what packages or tests of the project's own requirements need.
func (w *Walk) listedMods() []project.Want {
	if w.known {
		return nil // go.sum names them, or the graph's end tells
	}
	near := maps.Clone(w.direct)
	for _, v := range w.mods {
		near[v.Path] = true
	}
	var out []project.Want
	for _, path := range slices.Sorted(maps.Keys(near)) {
		v := module.Version{Path: path, Version: w.highest[path]}
		if _, read := w.files[v]; !read {
			out = w.add(out, v, ".mod", whyListedMod)
		}
	}
	return out
}

const (
	// manyMods is how many go.mod files a run reads, and no zip, to be one that reads the graph. Most that do want .info next.
	manyMods = 12
	// mostEarly is how many .info of requirements are wanted before the end of the graph is in sight. More would not be asked
	// for unconfirmed: it is what prefetch has under way of a line of guesses.
	mostEarly = 32
)

// earlyInfos are of the roots that came since it was last called: guesses, but of less than a hundred bytes each.
func (w *Walk) earlyInfos() []project.Want {
	if !w.readsGraph() {
		return nil
	}
	var out []project.Want
	for _, v := range w.fresh[:min(len(w.fresh), mostEarly-w.early)] {
		out = w.add(out, v, ".info", whyRootInfo)
		w.early++
	}
	w.fresh = nil
	return out
}

// readsGraph says that the client seems to read the module graph, and has not come to its end.
func (w *Walk) readsGraph() bool {
	return !w.zips && len(w.infos) == 0 && len(w.mods) >= manyMods
}

const (
	// fewMissing is of how many go.mod files one may be missing when the build list is guessed. Each may raise a version, so
	// that the .info of another was asked for in vain; but to wait for the last one takes a round trip.
	fewMissing = 8
	// fewUnread is how many may be missing where no go.sum names them.
	fewUnread = 8
)

// settled says, once nearly all go.mod files have come that decide it, which modules there are, and again at their end.
func (w *Walk) settled() []project.Want {
	left := len(w.missing)
	if w.reading != nil {
		left = w.reading.Left()
	}
	switch {
	case !w.Informed() || w.known && !w.graph:
		return nil
	case !w.known && w.listed:
		return w.raisedInfos()
	case !w.known:
		w.listed = true
		return append(w.listedMods(), w.allInfos()...)
	case w.listed && (left > 0 || w.ended):
		return nil
	}
	w.listed, w.ended = true, left == 0
	if w.ended && w.reading != nil {
		return w.atEnd()
	}
	return w.allInfos()
}

// raisedInfos are of the modules that came into the graph since all were wanted.
func (w *Walk) raisedInfos() []project.Want {
	if len(w.raised) == 0 {
		return nil
	}
	out := w.listedMods()
	for _, v := range w.raised {
		out = w.add(out, v, ".info", whyGraphInfo)
	}
	w.raised = nil
	return out
}

// Informed says that it is known what decides the build list, and that nearly all of it came: go.sum names it, or it is
// what the client's requirements lead to.
func (w *Walk) Informed() bool {
	if w.reading != nil && w.reading.Left() == 0 {
		return true
	}
	if w.known {
		return len(w.missing) <= w.few
	}
	return w.rootsEnd && w.readsGraph() && len(w.missing) <= fewUnread
}
