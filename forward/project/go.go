package project

import (
	"errors"
	"fmt"
	goversion "go/version"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

const (
	// maxGoMod is the largest go.mod or go.work that is read, in bytes, and how much all those of a workspace may have
	// together. The go command takes 16 MiB (codehost.MaxGoMod), but reading one needs a hundred times its size, and the
	// largest known have 200 KB.
	maxGoMod = 1 << 20
	// maxUses is how many modules of a workspace are looked at.
	maxUses = 1000
)

// Go is what go.mod, go.sum and go.work say.
type Go struct {
	// Dir is where go.mod is, or go.work if the module is in a workspace.
	Dir string
	// Pruned says that every main module is of go 1.17 or later: its go.mod then names all modules that a build needs
	// (Go Modules Reference, "Module graph pruning"). Otherwise there are more, which only the graph tells.
	Pruned bool
	// Graph is where the module graph begins; nil: in a workspace, or where more than published go.mod files decides it.
	Graph *Graph
	// Workspace says that it is a go.work with all its modules: `go mod download` then takes the whole graph's zips.
	Workspace bool
	// Vendored says that commands which build or list packages take them from the directory vendor, and fetch nothing, unless
	// they were told otherwise by -mod (Go Modules Reference, "Vendoring").
	Vendored bool

	requires []require        // with replacements in place, in the order of go.mod, each module once
	sums     []module.Version // whose go.mod go.sum names, in its order; what is replaced is left out
}

// require is a module that the project needs.
type require struct {
	module.Version
	indirect bool
}

// ReadGo reads the module or the workspace that the go command finds from dir, which is absolute. The client's GOWORK is not
// known here, so that a project which needs it is read as if it were not set. The error is fs.ErrNotExist if there is no
// go.mod.
func ReadGo(dir string) (*Go, error) { return ReadGoWith(dir, "") }

// ReadGoWith is ReadGo for a command with -modfile, which is from dir if it is not absolute; empty: it has none.
func ReadGoWith(dir, modFile string) (*Go, error) {
	at, data, err := findUp(dir, "go.mod")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	found := err == nil
	if found && modFile != "" {
		return readModFile(at, dir, modFile)
	}
	if w, err := readWorkspace(dir); err == nil && (!found || w.has(at)) {
		return w.read()
	}
	if !found {
		return nil, err
	}
	main, err := parseGoMod(filepath.Join(at, "go.mod"), data)
	if err != nil {
		return nil, err
	}
	sum, _ := readIn(at, "go.sum") // without it the requirements must do
	return readModule(at, main, sum), nil
}

// readModFile reads what -modfile names, and the sums beside it, in place of the go.mod in root. The user named it, so that it
// may be a link, or anywhere.
func readModFile(root, dir, name string) (*Go, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	base, ok := strings.CutSuffix(name, ".mod")
	if !ok {
		return nil, fmt.Errorf("%s is no name for -modfile: the go command wants one that ends in .mod", name)
	}
	data, err := readNamed(name)
	if err != nil {
		return nil, err
	}
	main, err := parseGoMod(name, data)
	if err != nil {
		return nil, err
	}
	sum, _ := readNamed(base + ".sum")
	return readModule(root, main, sum), nil
}

func readModule(root string, main *modfile.File, sum []byte) *Go {
	g := newGo(root, []*modfile.File{main}, nil, [][]byte{sum})
	g.Vendored = main.Go != nil && goversion.Compare("go"+main.Go.Version, "go1.14") >= 0 && vendors(root, false)
	return g
}

// vendors says whether dir has a directory vendor that was made for a workspace, or for a module. Its list begins with
// "## workspace" then.
func vendors(dir string, workspace bool) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	if info, err := root.Stat("vendor"); err != nil || !info.IsDir() {
		return false
	}
	list, _ := readRoot(root, filepath.Join("vendor", "modules.txt"))
	first, _, _ := strings.Cut(string(list), "\n")
	marks, _ := strings.CutPrefix(first, "## ")
	return slices.ContainsFunc(strings.Split(marks, ";"), func(mark string) bool { return strings.TrimSpace(mark) == "workspace" }) == workspace
}

// workspace is a go.work.
type workspace struct {
	dir  string
	file *modfile.WorkFile
}

func readWorkspace(dir string) (*workspace, error) {
	at, data, err := findUp(dir, "go.work")
	if err != nil {
		return nil, err
	}
	if len(data) > maxGoMod {
		return nil, fmt.Errorf("%s: it is larger than %d bytes: Hither reads no such file", filepath.Join(at, "go.work"), maxGoMod)
	}
	file, err := modfile.ParseWork(filepath.Join(at, "go.work"), data, nil)
	return &workspace{at, file}, err
}

// has says whether the module in dir is of the workspace. If not, the go command refuses it, or was told not to look at
// go.work; a client that asks was told so.
func (w *workspace) has(dir string) bool {
	for _, use := range w.file.Use {
		if w.path(use) == dir {
			return true
		}
	}
	return false
}

func (w *workspace) path(use *modfile.Use) string {
	if path := filepath.FromSlash(use.Path); filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(w.dir, filepath.FromSlash(use.Path))
}

// read reads the modules below the workspace's directory; those beside it are left out, as are those that are broken.
func (w *workspace) read() (*Go, error) {
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var mains []*modfile.File
	var sums [][]byte
	seen := map[string]bool{}
	words, lines := maxGoMod, maxFile // what may still be read of both kinds of file, in bytes
	for _, use := range w.file.Use[:min(len(w.file.Use), maxUses)] {
		rel, err := filepath.Rel(w.dir, w.path(use))
		if err != nil || !filepath.IsLocal(rel) || seen[rel] {
			continue
		}
		seen[rel] = true
		data, err := readRoot(root, filepath.Join(rel, "go.mod"))
		if words -= len(data); err != nil || words < 0 {
			continue
		}
		main, err := parseGoMod(filepath.Join(w.path(use), "go.mod"), data)
		if err != nil {
			continue
		}
		mains = append(mains, main)
		sum, _ := readRoot(root, filepath.Join(rel, "go.sum"))
		if lines -= len(sum); lines >= 0 {
			sums = append(sums, sum)
		}
	}
	if len(mains) == 0 {
		return nil, fmt.Errorf("%s names no module that can be read: %w", filepath.Join(w.dir, "go.work"), fs.ErrNotExist)
	}
	sum, _ := readRoot(root, "go.work.sum")
	g := newGo(w.dir, mains, w.file, append(sums, sum))
	g.Vendored = w.file.Go != nil && vendors(w.dir, true)
	return g, nil
}

// parseGoMod reads a main module's go.mod.
func parseGoMod(name string, data []byte) (*modfile.File, error) {
	if len(data) > maxGoMod {
		return nil, fmt.Errorf("%s: it is larger than %d bytes: Hither reads no such file", name, maxGoMod)
	}
	return modfile.Parse(name, data, nil)
}

// newGo joins the main modules of a workspace, whose replacements beat theirs. Where work is nil there is one module, and none.
func newGo(dir string, mains []*modfile.File, work *modfile.WorkFile, sums [][]byte) *Go {
	g := &Go{Dir: dir, Pruned: true, Workspace: work != nil}
	excluded := map[module.Version]bool{}
	own := map[string]bool{}
	var replaced [][]*modfile.Replace
	for _, m := range mains {
		if m.Go == nil || goversion.Compare("go"+m.Go.Version, "go1.17") < 0 {
			g.Pruned = false
		}
		if m.Module != nil {
			own[m.Module.Mod.Path] = true
		}
		for _, e := range m.Exclude {
			excluded[e.Mod] = true
		}
		replaced = append(replaced, m.Replace)
	}
	if g.Workspace {
		replaced = append(replaced, work.Replace)
	}
	r := newReplacements(replaced...)
	g.addRequires(mains, func(m module.Version) bool { return own[m.Path] || excluded[m] }, r)
	if !g.Workspace {
		g.Graph = newGraph(mains[0], g.Pruned, excluded, r)
		own = nil // what requires an older version of the main module leads to that version's go.mod
	}
	for _, sum := range sums {
		g.addSums(sum, own, r)
	}
	return g
}

// addRequires takes each module at the highest version that any main module wants (minimal version selection).
func (g *Go) addRequires(mains []*modfile.File, skip func(module.Version) bool, r replacements) {
	at := map[string]int{}
	for _, m := range mains {
		for _, q := range m.Require {
			if skip(q.Mod) || len(at) == maxEntries {
				continue
			}
			i, seen := at[q.Mod.Path]
			if !seen {
				at[q.Mod.Path] = len(g.requires)
				g.requires = append(g.requires, require{q.Mod, q.Indirect})
				continue
			}
			known := &g.requires[i]
			known.indirect = known.indirect && q.Indirect
			if semver.Compare(q.Mod.Version, known.Version.Version) > 0 {
				known.Version = q.Mod
			}
		}
	}
	kept := g.requires[:0]
	for _, q := range g.requires {
		var remote bool
		if q.Version, remote = r.of(q.Version); remote {
			kept = append(kept, q)
		}
	}
	g.requires = kept
}

// addSums takes the "/go.mod" lines of a go.sum: "PATH VERSION/go.mod h1:BASE64". A line that is damaged is left out.
func (g *Go) addSums(sum []byte, own map[string]bool, r replacements) {
	seen := make(map[module.Version]bool, len(g.sums))
	for _, m := range g.sums {
		seen[m] = true
	}
	for line := range strings.Lines(string(sum)) {
		path, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		version, ok := strings.CutSuffix(strings.TrimSpace(firstWord(rest)), "/go.mod")
		m := module.Version{Path: path, Version: version}
		if !ok || own[path] || seen[m] || r.hides(m) || module.Check(path, version) != nil {
			continue
		}
		if len(g.sums) == maxEntries {
			return
		}
		seen[m] = true
		g.sums = append(g.sums, m)
	}
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(strings.TrimLeft(s, " \t"), " ")
	return word
}

// replacements are the replace lines.
type replacements struct {
	by     map[module.Version]module.Version // by what they replace, where an empty version is all; by no version: a directory
	stands map[module.Version]bool           // what stands for something
}

func newReplacements(lines ...[]*modfile.Replace) replacements {
	r := replacements{map[module.Version]module.Version{}, map[module.Version]bool{}}
	for _, line := range slices.Concat(lines...) {
		r.by[line.Old] = line.New
		r.stands[line.New] = true
	}
	return r
}

// of is what is fetched for m; false: nothing, it is on this machine.
func (r replacements) of(m module.Version) (module.Version, bool) {
	for _, old := range []module.Version{m, {Path: m.Path}} {
		if by, ok := r.by[old]; ok {
			return by, by.Version != ""
		}
	}
	return m, true
}

// hides says that m itself is never asked for: something else stands for it, and it stands for nothing.
func (r replacements) hides(m module.Version) bool {
	by, _ := r.of(m)
	return by != m && !r.stands[m]
}
