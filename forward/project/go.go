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

// MaxGoMod is the largest go.mod or go.work that is read, in bytes. The go command takes 16 MiB (codehost.MaxGoMod), but reading
// one needs a hundred times its size, and the largest known have 200 KB.
const MaxGoMod = 1 << 20

// Go is what go.mod, go.sum and go.work say.
type Go struct {
	// Dir is where go.mod is, or go.work if the module is in a workspace.
	Dir string
	// Pruned says that every main module is of go 1.17 or later: its go.mod then names all modules that a build needs
	// (Go Modules Reference, "Module graph pruning"). Otherwise there are more, which only the graph tells.
	Pruned bool
	// Graph is where the module graph begins; nil: a file that decides it was not read, because Hither reads no such file.
	Graph *Graph
	// Workspace says that it is a go.work with all its modules: `go mod download` then takes the whole graph's zips, and what a
	// build needs only the graph tells.
	Workspace bool
	// Member says that the module around the directory is one of the workspace's, or that there is none around it. Otherwise the
	// go command builds nothing there.
	Member bool
	// Vendored says that commands which build or list packages take them from the directory vendor, and fetch nothing, unless
	// they were told otherwise by -mod (Go Modules Reference, "Vendoring").
	Vendored bool

	asks     []goAsk
	mains    []mainModule
	requires []require        // with replacements in place, in the order of go.mod, each module once
	sums     []module.Version // whose go.mod go.sum names, in its order; what is replaced is left out
	graphSum int              // so many of them, the first, are not of go.work.sum
}

// GoMode is what a go command was told of the files that count. The zero value is a command that was told nothing.
type GoMode struct {
	ModFile string // -modfile, from the command's directory if it is not absolute
	Work    string // GOWORK: a file, or off
	Alone   bool   // it looks at no go.work, as go mod tidy
}

// mainModule is a module that is worked on.
type mainModule struct {
	dir  string
	file *modfile.File
}

// goAsk is which go command a file wants.
type goAsk struct{ language, toolchain string }

// askOf reads the lines of a go.mod or go.work, of which either may be missing.
func askOf(language *modfile.Go, toolchain *modfile.Toolchain) (ask goAsk) {
	if language != nil {
		ask.language = "go" + language.Version
	}
	if toolchain != nil {
		ask.toolchain = toolchain.Name
	}
	return ask
}

// require is a module that the project needs.
type require struct {
	module.Version
	path     string // by which it is required; another may stand for it
	indirect bool
}

// ReadGo reads the module or the workspace that the go command finds from dir, which is absolute; of a module that is below a
// workspace and not of it, the module. The error is fs.ErrNotExist if there is no go.mod.
func ReadGo(dir string) (*Go, error) {
	g, err := ReadGoAs(dir, GoMode{})
	if err == nil && g.Member || errors.Is(err, fs.ErrNotExist) && !exists(dir, "go.mod") {
		return g, err
	}
	return ReadGoAs(dir, GoMode{Alone: true})
}

// ReadGoAs is ReadGo for a command that was told something.
func ReadGoAs(dir string, mode GoMode) (*Go, error) {
	if !mode.Alone {
		w, err := readWorkspace(dir, mode.Work)
		if err == nil {
			return w.read(dir)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	at, data, err := findUp(dir, "go.mod")
	if err != nil {
		return nil, err
	}
	if mode.ModFile != "" {
		return readModFile(at, dir, mode.ModFile)
	}
	main, err := parseGoMod(filepath.Join(at, "go.mod"), data)
	if err != nil {
		return nil, err
	}
	sum, _ := readIn(at, "go.sum") // without it the requirements must do
	return readModule(at, main, sum)
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
	return readModule(root, main, sum)
}

func readModule(root string, main *modfile.File, sum []byte) (*Go, error) {
	g, err := newGo(root, []mainModule{{root, main}}, nil, [][]byte{sum}, newNeighbours(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	g.Member = true
	g.Vendored = main.Go != nil && goversion.Compare("go"+main.Go.Version, "go1.14") >= 0 && vendors(root, false)
	return g, nil
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

// parseGoMod reads a main module's go.mod.
func parseGoMod(name string, data []byte) (*modfile.File, error) {
	if len(data) > MaxGoMod {
		return nil, fmt.Errorf("%s: it is larger than %d bytes: Hither reads no such file", name, MaxGoMod)
	}
	file, err := modfile.Parse(name, data, nil)
	if err != nil {
		return nil, err
	}
	return lean(file), nil
}

// lean is what matters of a go.mod, without its lines, which need most of the memory.
func lean(file *modfile.File) *modfile.File {
	out := &modfile.File{Module: file.Module, Go: file.Go, Toolchain: file.Toolchain, Require: file.Require, Exclude: file.Exclude, Replace: file.Replace}
	if out.Module != nil {
		out.Module.Syntax = nil
	}
	if out.Go != nil {
		out.Go.Syntax = nil
	}
	if out.Toolchain != nil {
		out.Toolchain.Syntax = nil
	}
	for _, q := range out.Require {
		q.Syntax = nil
	}
	for _, e := range out.Exclude {
		e.Syntax = nil
	}
	for _, r := range out.Replace {
		r.Syntax = nil
	}
	return out
}

// newGo joins the main modules of a workspace, whose replacements beat theirs. Where work is nil there is one module, and none.
func newGo(dir string, mains []mainModule, work *workspace, sums [][]byte, near *neighbours) (*Go, error) {
	g := &Go{Dir: dir, Pruned: true, Workspace: work != nil, mains: mains}
	if work != nil {
		g.asks = append(g.asks, askOf(work.file.Go, work.file.Toolchain))
	}
	own, excluded := map[string]bool{}, map[module.Version]bool{}
	for _, m := range mains {
		g.asks = append(g.asks, askOf(m.file.Go, m.file.Toolchain))
		g.Pruned = g.Pruned && !isOld(m.file)
		if m.file.Module != nil {
			own[m.file.Module.Mod.Path] = true
		}
		for _, e := range m.file.Exclude {
			excluded[e.Mod] = true
		}
	}
	r, err := newReplacements(mains, work)
	if err != nil {
		return nil, err
	}
	g.addRequires(mains, func(m module.Version) bool { return own[m.Path] || excluded[m] }, r)
	seen := map[module.Version]bool{}
	for i, sum := range sums {
		g.addSums(sum, seen, r)
		if i < len(mains) {
			g.graphSum = len(g.sums)
		}
	}
	if here, err := near.locals(r.directories(), mains); err == nil {
		g.Graph = newGraph(mains, g.Workspace, excluded, r, here)
	}
	return g, nil
}

// isOld says that a module is of a go before 1.17; see Go.Pruned.
func isOld(file *modfile.File) bool {
	return file.Go == nil || goversion.Compare("go"+file.Go.Version, "go1.17") < 0
}

// addRequires takes each module at the highest version that any main module wants (minimal version selection).
func (g *Go) addRequires(mains []mainModule, skip func(module.Version) bool, r replacements) {
	at := map[string]int{}
	for _, m := range mains {
		for _, q := range m.file.Require {
			if skip(q.Mod) || len(at) == maxEntries {
				continue
			}
			i, seen := at[q.Mod.Path]
			if !seen {
				at[q.Mod.Path] = len(g.requires)
				g.requires = append(g.requires, require{q.Mod, q.Mod.Path, q.Indirect})
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

// addSums takes the "/go.mod" lines of a go.sum that were not seen: "PATH VERSION/go.mod h1:BASE64". A line that is damaged is left out.
func (g *Go) addSums(sum []byte, seen map[module.Version]bool, r replacements) {
	for line := range strings.Lines(string(sum)) {
		path, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		version, ok := strings.CutSuffix(strings.TrimSpace(firstWord(rest)), "/go.mod")
		m := module.Version{Path: path, Version: version}
		if !ok || seen[m] || r.hides(m) || module.Check(path, version) != nil {
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
