package golang

import (
	"path"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"hither/forward/project"
)

// Why the go command asks next, as it looks for the newest version of a module (cmd/go/internal/modload, queryProxy and
// CheckRetractions): for the list of versions, the .info of what it picks, and its go.mod, which tells what was retracted.
const (
	whyList         = "the versions of a module that may have a newer one"
	whyNamedList    = "the versions of what may be the module of the package that is named"
	whyNamedInfo    = "the .info of what is named with its version"
	whyPrefixList   = "the versions of what may be the module of a package"
	whyDatedInfo    = "the .info of the latest commit that a list of versions names"
	whyNewestInfo   = "the .info of the newest version of a module"
	whyNewestMod    = "the go.mod of the newest version of a module"
	whyLastMod      = "the go.mod that decides which versions of a module count"
	whyLatestCommit = "the latest commit of a module"
	whyNewestZip    = "the zip of the newest version of a module"
)

const (
	// fewLists is how many lists of modules of one graph are asked for before those of others are wanted.
	fewLists = 3
	// manyLists is from when on that is no guess any more.
	manyLists = 8
)

// queries is what a run looks for beside the graph.
type queries struct {
	told  bool            // the arguments say what is looked for
	named map[string]bool // paths in the arguments whose versions are looked for

	each     bool // every module of the graph is looked at
	upgrades bool // what the project requires, and has packages that are needed, is brought anew
	patches  bool // but seldom in its newest version
	outdated int  // lists asked for of modules that were listed
	upgraded int  // and of others that the project requires

	infos map[string]bool // module paths whose .info was asked for before their list
	lists map[string]bool // and whose list was
	zips  map[string]bool // and of which a zip was

	found     map[string]versions     // by module path: lists that came
	best      map[string]string       // and what they come to
	newest    map[module.Version]bool // the same
	undecided map[module.Version]bool // whose go.mod decides what a list comes to
}

func newQueries() queries {
	return queries{
		named: make(map[string]bool), infos: make(map[string]bool), lists: make(map[string]bool), zips: make(map[string]bool),
		found: make(map[string]versions), best: make(map[string]string), newest: make(map[module.Version]bool),
		undecided: make(map[module.Version]bool),
	}
}

// askedList finds out whose versions are looked for, unless the arguments told: those of all modules that are listed
// (go list -m -u all), or of what the project requires (go get -u).
func (w *Walk) askedList(path string) []project.Want {
	q := &w.queries
	q.lists[path], w.rootsEnd = true, true
	switch {
	case q.told:
	case q.infos[path]:
		if q.outdated++; q.outdated == fewLists && !q.each {
			q.each = true
			return w.allInfos()
		}
	case w.roots[path]:
		if q.upgraded++; q.upgraded == fewLists && !q.upgrades {
			q.upgrades = true
			return w.listsOf(w.inOrder)
		}
	}
	return nil
}

// listsOf are the lists of some modules.
func (w *Walk) listsOf(paths []string) (out []project.Want) {
	for _, path := range paths {
		out = w.question(out, path, "@v/list", whyList)
	}
	return out
}

// answeredList goes on with what a list comes to, and with the lists of what else may be the module of a package.
func (w *Walk) answeredList(path string, body []byte) (out []project.Want) {
	q := &w.queries
	if _, again := q.found[path]; again || len(q.found) >= maxNames {
		return nil
	}
	q.found[path] = readVersions(body)
	if body != nil && path != toolchain {
		out = w.picked(nil, path)
	}
	if q.named[path] {
		out = w.listsAbove(out, path)
	}
	return out
}

// maxAbove is how many lists of paths above a package are wanted: no module has more elements above it than a hosting site does.
const maxAbove = 4

// listsAbove are those of what may be the module of a package as well. They are wanted after its own, for what is private has
// none, and what is above it might be, too.
func (w *Walk) listsAbove(out []project.Want, path string) []project.Want {
	for range maxAbove {
		if path = parentOf(path); path == "" {
			break
		}
		out = w.question(out, path, "@v/list", whyPrefixList)
	}
	return out
}

// parentOf is what a package of that path may be in as well; empty if there is nothing above it.
func parentOf(name string) string {
	if parent := path.Dir(name); parent != "." {
		return parent
	}
	return ""
}

// picked wants what the client asks for once it has the list of a module's versions.
func (w *Walk) picked(out []project.Want, path string) []project.Want {
	v := w.queries.found[path]
	out = w.add(out, module.Version{Path: path, Version: v.dated}, ".info", whyDatedInfo)
	best, current := v.compatible.best(), w.highest[path]
	if v.divided() {
		last := module.Version{Path: path, Version: v.last}
		file, here := w.files[last]
		if !here {
			w.queries.undecided[last] = !w.absent[last]
			return w.add(out, last, ".mod", whyLastMod)
		}
		if file.bare {
			best = v.all.best()
		}
	} else if best == "" {
		best = v.all.best()
	}
	if strings.HasSuffix(current, "+incompatible") {
		out = w.add(out, module.Version{Path: path, Version: v.all.best()}, ".info", whyNewestInfo)
	}
	if best == "" || module.IsPseudoVersion(current) && semver.Compare(current, higher(v.all.release, v.all.pre)) > 0 {
		out = w.question(out, path, "@latest", whyLatestCommit)
	}
	return w.newestOf(out, module.Version{Path: path, Version: best})
}

// decided goes on with a list once the go.mod is here that decides what it comes to.
func (w *Walk) decided(v module.Version) []project.Want {
	if !w.queries.undecided[v] {
		return nil
	}
	delete(w.queries.undecided, v)
	return w.picked(nil, v.Path)
}

// answeredLatest is told of the latest commit, which the registry may not know: then the list names it.
func (w *Walk) answeredLatest(path string, body []byte) []project.Want {
	v := w.queries.found[path]
	latest := module.Version{Path: path, Version: v.dated}
	if body != nil {
		latest.Version = readLatest(body)
	}
	if v.compatible.best() != "" {
		return w.add(nil, latest, ".info", whyNewestInfo) // it is asked only which of the two is later
	}
	return w.newestOf(nil, latest)
}

// newestOf wants what is asked of a newest version.
func (w *Walk) newestOf(out []project.Want, v module.Version) []project.Want {
	if v.Version == "" {
		return out
	}
	w.queries.newest[v], w.queries.best[v.Path] = true, v.Version
	out = w.add(out, v, ".info", whyNewestInfo)
	out = w.add(out, v, ".mod", whyNewestMod)
	return w.upgradedZip(w.record(out, v), v.Path)
}

// upgradedZip wants the newest zip of a module whose packages are needed, for the client asked for a zip of it.
func (w *Walk) upgradedZip(out []project.Want, path string) []project.Want {
	q := &w.queries
	if !q.upgrades || q.patches || !q.zips[path] || semver.Compare(q.best[path], w.highest[path]) <= 0 {
		return out
	}
	return w.add(out, module.Version{Path: path, Version: q.best[path]}, ".zip", whyNewestZip)
}

// soughtZip wants the zip of a newest version whose go.mod the client does not have, if it looks for packages: then it asked
// for the versions of a path above the module's, too. Of a module whose zip it has asked for, go get reads there what is retracted.
func (w *Walk) soughtZip(out []project.Want, v module.Version) []project.Want {
	q := &w.queries
	if !q.newest[v] || !q.lists[parentOf(v.Path)] || q.each || q.infos[v.Path] || q.zips[v.Path] {
		return out
	}
	return w.add(out, v, ".zip", whyNewestZip)
}

// aside says that a go.mod is read for what it says of its module, and is not in the graph; sure, that the client asked for it.
func (w *Walk) aside(v module.Version, sure bool) bool {
	q := &w.queries
	switch {
	case w.missing[v] || w.unpruned[v]:
		return false
	case q.infos[v.Path] || q.each && q.lists[v.Path]:
		return true
	}
	return q.newest[v] && !sure && w.highest[v.Path] != v.Version
}

// listsNamed are the lists of what the arguments name, and the .info of what they name with its version.
func (w *Walk) listsNamed(c command) (out []project.Want) {
	w.queries.each, w.queries.upgrades, w.queries.patches = c.updates, c.upgrades, c.patches
	w.queries.told = c.updates || c.upgrades || len(c.queries)+len(c.exact) > 0
	for _, path := range c.queries {
		w.queries.named[path] = c.above
		out = w.question(out, path, "@v/list", whyNamedList)
	}
	for _, v := range c.exact {
		out = w.add(out, v, ".info", whyNamedInfo)
	}
	return out
}

// Doubts says of which wants nobody knows whether they are: modules that may be above a package, or the package itself.
func (w *Walk) Doubts(why string) bool {
	return why == whyNamedList || why == whyNamedInfo || why == whyPrefixList
}

// listsRequired are those of the project's requirements, which the go command looks at before the rest of the graph, if it
// looks at any but what is named.
func (w *Walk) listsRequired(c command, infos []project.Want) (out []project.Want) {
	if !c.updates && !c.upgrades {
		return nil
	}
	for _, info := range infos {
		if v, ok := w.version(info.URL, ".info"); ok {
			out = w.question(out, v.Path, "@v/list", whyList)
		}
	}
	return out
}
