// Package golang knows how the go command goes on from one request to the next: from one go.mod to those that it requires,
// then to the .info and the zips of what is in the module graph, and to the records of the checksum database.
//
//	w := golang.New("https://HOST")       // a prefetch.Walk, one for each run of a command
//	wants := w.Project(dir, args)         // what the project's files and the command tell
//	wants = w.Answered(goMod, body, 0)    // what that leads to
package golang

import (
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/tlog"

	"hither/forward/project"
	"hither/rules"
)

// Why the go command asks next, as it reads the module graph (cmd/go/internal/modload, readModGraph), lists modules
// (ListModules) and downloads them (cmd/go/internal/modcmd/download.go).
const (
	whyOldGoMod   = "the go.mod of what a module before go 1.17 requires" // such graphs are read to their end
	whyNewGoMod   = "the go.mod of what modules since go 1.17 require"    // and these are pruned: it may be asked for elsewhere
	whyOnceGoMod  = "the go.mod of what one module since go 1.17 requires"
	whyListedMod  = "the go.mod of a module that is listed"
	whyRootInfo   = "the .info of a module of the project"
	whyGraphInfo  = "the .info of a module of the graph"
	whySiblingMod = "the go.mod of a zip"
	whySibling    = "the .info of a zip"
	whyInfoZip    = "the zip of a module whose .info was asked for"
)

// Walk is one run of the go command. Its methods are called one at a time.
type Walk struct {
	registry string
	database string // base URL of the checksum database; empty: nothing was asked of it

	asked    map[string]bool          // names
	files    map[module.Version]goMod // that came
	stored   int                      // requirements in files
	direct   map[string]bool          // module paths that a module of the project requires itself
	unpruned map[module.Version]bool  // whose requirements are read as well
	highest  map[string]string        // version, by module path: what minimal version selection comes to
	mods     []module.Version         // whose .mod or .zip the client asked for, in order

	roots    map[string]bool  // module paths of the project's requirements, as it seems
	inOrder  []string         // of the roots, sorted
	rootsEnd bool             // what comes now is no root
	strays   int              // that came out of order meanwhile
	wild     int              // .mod asked for after them that no go.mod before go 1.17 leads to
	foreign  int              // .info asked for of what is no root
	fresh    []module.Version // roots that came since an answer was last told
	early    int              // so many .info of roots were wanted before one was asked for

	mentions map[string]mention      // by module path: what go.mod files name
	named    []string                // paths of mentions, sorted
	heard    map[module.Version]bool // whose go.mod counts in mentions
	guessed  map[module.Version]bool // whose go.mod was wanted because of them

	infos  []module.Version // that the client asked for, in order
	absent map[module.Version]bool
	graph  bool             // all modules of the graph are listed
	listed bool             // their .info was wanted, as far as they were known then
	ended  bool             // and all that go.sum tells of was known: a graph of many modules is reckoned twice, not at each answer
	raised []module.Version // to which the graph has changed since
	zips   bool             // packages are wanted
	told   told             // what its command line says of what it fetches behind the graph
	beyond []module.Version // whose go.mod is read, and is not in go.sum

	known    bool                    // go.sum told which go.mod files are read
	reading  *project.Reading        // of the project's graph; nil: not known, or it is not read
	withheld bool                    // some of it will not come
	missing  map[module.Version]bool // those of them that have not come yet
	few      int                     // so many missing may be guessed at
	all      bool                    // it downloads all that go.mod requires
	hesitant bool                    // it may need no packages at all
	later    []project.Want          // zips that a build perhaps needs
	queries  queries                 // of the versions that there are
	tree     tlog.Tree               // the latest state of the checksum database that passed, by which the go command judges records
}

// slackInOrder is how many requests for later roots may overtake one for an earlier root: the go command asks for
// GOMAXPROCS of them at a time.
const slackInOrder = 16

// A root that came far too late is taken for none; that must not spoil the rest.
const (
	fewStrays  = 4
	fewForeign = 2
)

// maxNames is how many names of one kind are kept in mind in one run, and requirements of one go.mod.
const maxNames = 20_000

// maxStored is how many requirements are kept in mind: more than any graph has, and some tens of megabytes.
const maxStored = 500_000

// toolchain is the module of the go commands themselves: its zip has no go.mod that is asked for, and its list has each for all
// systems, of which none is the newest.
const toolchain = "golang.org/toolchain"

// laterZips is how many zips that a build perhaps needs are wanted when it asks for one.
const laterZips = 2

// New begins a run of the go command at a registry, of which it is told the base URL.
func New(registry string) *Walk {
	return &Walk{
		registry: registry, asked: make(map[string]bool), files: make(map[module.Version]goMod), unpruned: make(map[module.Version]bool),
		highest: make(map[string]string), roots: make(map[string]bool), absent: make(map[module.Version]bool),
		missing: make(map[module.Version]bool), direct: make(map[string]bool), mentions: make(map[string]mention),
		heard: make(map[module.Version]bool), guessed: make(map[module.Version]bool), queries: newQueries(),
	}
}

// Steady says that its connections stay open for longer than it rests.
func (*Walk) Steady() {}

// Asked follows the go command through its phases: .mod, .info, .zip.
func (w *Walk) Asked(m rules.Match) []project.Want {
	kind, v := readMatch(m)
	if kind == "" || w.asked[m.Name] || len(w.asked) >= maxNames {
		return nil
	}
	w.asked[m.Name] = true
	switch kind {
	case ".mod":
		return w.askedMod(v)
	case ".info":
		return w.askedInfo(v)
	case ".zip":
		return w.askedZip(v)
	case "list":
		return w.askedList(v.Path)
	case "latest":
		return nil
	}
	return w.askedLookup(m)
}

func (w *Walk) askedMod(v module.Version) []project.Want {
	w.mods = append(w.mods, v)
	out := w.record(w.soughtZip(nil, v), v)
	if w.aside(v, true) {
		return out
	}
	w.raise(v)
	w.root(v)
	if file, here := w.files[v]; here && !w.known {
		out = w.follow(out, v, file) // it was guessed, and turned out to be right
	}
	return w.likelyRoots(out)
}

// root notes a requirement of the project. All of them come first, sorted, but for those that overtake each other.
func (w *Walk) root(v module.Version) {
	if w.rootsEnd || w.roots[v.Path] || w.zips || len(w.infos) > 0 {
		w.rootsEnd = true
		return
	}
	i, _ := slices.BinarySearch(w.inOrder, v.Path)
	if len(w.inOrder)-i > slackInOrder {
		w.strays++
		w.rootsEnd = w.strays >= fewStrays
		return
	}
	w.inOrder = slices.Insert(w.inOrder, i, v.Path)
	w.roots[v.Path] = true
	w.fresh = append(w.fresh, v)
}

func (w *Walk) askedZip(v module.Version) []project.Want {
	var out []project.Want
	w.mods = append(w.mods, v)
	if !w.zips {
		w.zips = true
		for _, other := range w.infos {
			if !w.absent[other] && !rivals(other, v) {
				out = w.add(out, other, ".zip", whyInfoZip)
			}
		}
	}
	// Of these some are needed by nobody here: with as many on the way as are asked for, that shows before much is lost.
	next := min(len(w.later), laterZips)
	out, w.later = append(out, w.later[:next]...), w.later[next:]
	if v.Path == toolchain {
		return out
	}
	w.queries.zips[v.Path] = true
	out = w.upgradedZip(out, v.Path)
	out = w.add(out, v, ".mod", whySiblingMod)
	out = w.add(out, v, ".info", whySibling)
	return w.brought(w.record(out, v), v)
}

// rivals says that two modules may hold the same package, of which a version was asked for: go get asks for all of them at once, and
// for the zip of one before it knows that the others are no modules.
func rivals(a, b module.Version) bool {
	return a.Version == b.Version && (strings.HasPrefix(a.Path, b.Path+"/") || strings.HasPrefix(b.Path, a.Path+"/"))
}

// Reads wants each go.mod and list of versions once, and the records of the checksum database.
func (w *Walk) Reads(m rules.Match) bool {
	kind, v := readMatch(m)
	_, read := w.files[v]
	switch kind {
	case ".mod":
		return !read && w.stored < maxStored
	case "list":
		_, came := w.queries.found[v.Path]
		return !came && len(w.queries.found) < maxNames
	}
	return kind == "lookup" || kind == "latest"
}

// Answered learns requirements from go.mod files, and tiles from records of the checksum database.
func (w *Walk) Answered(m rules.Match, body []byte, depth int) []project.Want {
	kind, v := readMatch(m)
	if body == nil {
		w.absent[v] = true
	}
	switch {
	case kind == ".mod":
		out := w.answeredMod(v, body, depth == 0 || w.asked[m.Name])
		return append(out, w.decided(v)...)
	case kind == "list":
		return w.answeredList(v.Path, body)
	case kind == "latest":
		return w.answeredLatest(v.Path, body)
	case kind == "lookup" && body != nil:
		return w.tiles(m, body)
	}
	return nil
}

// answeredMod reads a go.mod that came, or is not there: sure says that the client asked for it.
func (w *Walk) answeredMod(v module.Version, body []byte, sure bool) []project.Want {
	apart := w.aside(v, sure)
	delete(w.missing, v)
	file, ok := readGoMod(body)
	if _, again := w.files[v]; again || body == nil || !ok {
		return w.read(nil, v)
	}
	w.files[v] = file
	w.stored += len(file.requires)
	if w.reading != nil {
		return w.read(nil, v)
	}
	if apart {
		return nil
	}
	if w.known {
		w.raiseAll(file)
		return w.settled()
	}
	out := w.earlyInfos()
	if sure && w.rootsEnd && !w.roots[v.Path] && !w.unpruned[v] {
		w.wild++
	}
	switch {
	case sure || w.unpruned[v]:
		out = w.follow(out, v, file)
	case !file.old:
		w.hear(v, file) // it may be wrong itself; of an old one, all that is behind it would be
	}
	return append(w.likelyRoots(out), w.settled()...)
}

// follow wants what a go.mod leads to that the client reads: all that is behind it, or what may be a requirement of the
// project too.
func (w *Walk) follow(out []project.Want, v module.Version, file goMod) []project.Want {
	w.raiseAll(file)
	if file.old || w.unpruned[v] {
		return w.spread(out, v)
	}
	w.hear(v, file)
	for i, r := range file.requires {
		if i < file.direct && w.roots[v.Path] {
			w.direct[r.Path] = true
		}
		if w.unprunedProject() && w.highest[r.Path] == r.Version {
			out = w.guess(out, r, whyNewGoMod)
		}
	}
	return out
}

// unprunedProject says that the project itself seems to be of a go before 1.17, so that whatever is required is asked for.
func (w *Walk) unprunedProject() bool {
	return w.rootsEnd && w.wild >= fewStrays && len(w.infos) == 0
}

// spread wants the go.mod files of all that an unpruned module requires, and of what those require, whatever go version
// they are of: so readModGraph goes on, too.
func (w *Walk) spread(out []project.Want, from module.Version) []project.Want {
	w.unpruned[from] = true
	for todo := []module.Version{from}; len(todo) > 0; todo = todo[1:] {
		for _, r := range w.files[todo[0]].requires {
			w.raise(r) // it may have been guessed, and nobody counted what it requires
			if w.unpruned[r] {
				continue
			}
			w.unpruned[r] = true
			if _, here := w.files[r]; !here && !w.absent[r] {
				w.missing[r] = true
			}
			out = w.add(out, r, ".mod", whyOldGoMod)
			out = w.record(out, r)
			todo = append(todo, r)
		}
	}
	return out
}

// raiseAll notes that the requirements of a module are in the graph.
func (w *Walk) raiseAll(file goMod) {
	for _, r := range file.requires {
		w.raise(r)
	}
}

// raise notes that a version is in the graph.
func (w *Walk) raise(v module.Version) {
	if semver.Compare(v.Version, w.highest[v.Path]) > 0 {
		w.highest[v.Path] = v.Version
		if w.listed && !w.known {
			w.raised = append(w.raised, v)
		}
	}
}
