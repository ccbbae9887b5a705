package golang

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hither/forward/project"
)

// TestTheGraphIsGuessedBeforeTheLastGoModCame lists what is known when one of eight go.mod files is missing, and the rest later.
func TestTheGraphIsGuessedBeforeTheLastGoModCame(t *testing.T) {
	var roots []string
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		roots = append(roots, "example.com/"+name+"@v1.0.0")
	}
	at := inProject(t, roots, roots, "go", "list", "-m", "all")
	walk := New(host)
	walk.Project(at.dir, at.args)
	came := func(name, requires string) string {
		return urls(walk.Answered(match(t, "/example.com/"+name+"/@v/v1.0.0.mod"), []byte("module x\ngo 1.21\n"+requires), 1))
	}
	same(t, "after six", came("a", "require example.com/x v1.0.0\n")+came("b", "")+came("c", "")+came("d", "")+came("e", "")+came("f", ""), "")
	same(t, "no guess is taken for certain", walk.Informed(), false)
	same(t, "after seven lists what is required", strings.HasSuffix(came("g", ""), " /example.com/x/@v/v1.0.0.info"), true)
	same(t, "and is nearly certain", walk.Informed(), true)
	same(t, "after all lists what was raised", strings.HasSuffix(came("h", "require example.com/x v1.1.0\n"), " /example.com/x/@v/v1.1.0.info"), true)
}

// TestAnInfoThatIsNotThereSaysNothingOfTheGraph has a registry without one of the .info: each such answer began the reckoning anew.
func TestAnInfoThatIsNotThereSaysNothingOfTheGraph(t *testing.T) {
	roots := required("m", 20)
	at := inProject(t, roots, roots, "go", "list", "-m", "all")
	walk := New(host)
	walk.Project(at.dir, at.args)
	infos := paths("m", len(roots), ".info")
	for i, p := range paths("m", len(roots), ".mod") {
		if i < 4 {
			same(t, "while a go.mod is missing", urls(walk.Answered(match(t, infos[19-i]), nil, 1)), "")
		}
		got := urls(walk.Answered(match(t, p), []byte("module x\n"), 1))
		if all := strings.Join(infos, " "); i == 17 || i == 19 {
			same(t, "near the end and at it", got, all)
		} else {
			same(t, "before", got, "")
		}
	}
	same(t, "after all", urls(walk.Answered(match(t, infos[0]), nil, 1)), "")
	same(t, "after all, of a go.mod", urls(walk.Answered(match(t, "/example.com/x/@v/v1.0.0.mod"), nil, 0)), "")
}

// TestOnlyTheBuildListIsListed has a go.sum that names more than is in the graph, as go.sum does of what tests of others need.
func TestOnlyTheBuildListIsListed(t *testing.T) {
	roots := []string{"example.com/new@v1.0.0", "example.com/old@v1.0.0"}
	mods := map[string]string{
		"new@v1.0.0":    "go 1.21\nrequire example.com/pruned v1.0.0\n",
		"old@v1.0.0":    "go 1.16\nrequire example.com/deep v1.0.0\n",
		"deep@v1.0.0":   "go 1.21\nrequire example.com/deeper v1.0.0\n",
		"deeper@v1.0.0": "go 1.21\nrequire example.com/deepest v1.0.0\n",
		"pruned@v1.0.0": "go 1.21\nrequire example.com/far v1.0.0\n",
		"deep@v2.0.0":   "go 1.16\n",
	}
	listed := func(more string) string {
		var sums []string
		for id := range mods {
			sums = append(sums, "example.com/"+id)
		}
		at := inProject(t, roots, sums, "go", "list", "-m", "all")
		file := filepath.Join(at.dir, "go.mod")
		text, _ := os.ReadFile(file)
		if err := os.WriteFile(file, append(text, more...), 0o600); err != nil {
			t.Fatal(err)
		}
		walk := New(host)
		walk.Project(at.dir, at.args)
		var last []project.Want
		for _, id := range slices.Sorted(maps.Keys(mods)) {
			name, version, _ := strings.Cut(id, "@")
			if got := walk.Answered(match(t, "/example.com/"+name+"/@v/"+version+".mod"), []byte("module x\n"+mods[id]), 1); len(got) > 0 {
				last = got
			}
		}
		var names []string
		for _, want := range last {
			names = append(names, strings.TrimPrefix(want.URL, host+"/example.com/"))
		}
		return strings.Join(names, " ")
	}
	same(t, "listed", listed(""), "deep/@v/v1.0.0.info deeper/@v/v1.0.0.info deepest/@v/v1.0.0.info new/@v/v1.0.0.info old/@v/v1.0.0.info pruned/@v/v1.0.0.info")
	same(t, "where a directory is missing", listed("replace example.com/old => ../old\n"), "new/@v/v1.0.0.info pruned/@v/v1.0.0.info")
}

// TestInfosAreGuessedFromTheGoMods has a client that reads the go.mod files of its requirements, and will list them.
func TestInfosAreGuessedFromTheGoMods(t *testing.T) {
	walk := New(host)
	mods := paths("a", manyMods+1, ".mod")
	for _, p := range mods[:manyMods-1] {
		walk.Asked(match(t, p))
	}
	body := []byte("module x\ngo 1.21\n")
	same(t, "after a few", urls(walk.Answered(match(t, mods[0]), body, 0)), "")
	walk.Asked(match(t, mods[manyMods-1]))
	same(t, "after many", urls(walk.Answered(match(t, mods[1]), body, 0)), strings.Join(paths("a", manyMods, ".info"), " "))
	walk.Asked(match(t, mods[manyMods]))
	same(t, "later", urls(walk.Answered(match(t, mods[2]), body, 0)), paths("a", manyMods+1, ".info")[manyMods])
	walk.Asked(match(t, "/example.com/a000/@v/v1.0.0.zip"))
	same(t, "for a client of zips", urls(walk.Answered(match(t, mods[3]), body, 0)), "")
}

// TestListedModulesAreReadToo wants the go.mod of what was read in another version, or is required by the project's own.
func TestListedModulesAreReadToo(t *testing.T) {
	walk := New(host)
	came := func(path, requires string) {
		walk.Asked(match(t, path))
		walk.Answered(match(t, path), []byte("module x\ngo 1.21\n"+requires), 0)
	}
	came("/example.com/a/@v/v1.0.0.mod", "require example.com/near v1.0.0\nrequire example.com/far v1.0.0 // indirect\n")
	came("/example.com/b/@v/v1.0.0.mod", "require example.com/a v1.1.0 // indirect\n")
	walk.Asked(match(t, "/example.com/far/@v/v1.0.0.info"))
	got := urls(walk.Asked(match(t, "/example.com/near/@v/v1.0.0.info")))
	same(t, "with the infos", got, "/example.com/a/@v/v1.1.0.mod /example.com/near/@v/v1.0.0.mod "+
		"/example.com/a/@v/v1.1.0.info /example.com/b/@v/v1.0.0.info /example.com/far/@v/v1.0.0.info /example.com/near/@v/v1.0.0.info")
}

// TestTheGraphIsKnownWhenAllOfGoSumCame lists what is required but never read, too, before the client gets there.
func TestTheGraphIsKnownWhenAllOfGoSumCame(t *testing.T) {
	roots := []string{"example.com/a@v1.0.0", "example.com/b@v1.0.0"}
	at := inProject(t, roots, roots, "go", "list", "-m", "all")
	walk := New(host)
	same(t, "at first", urls(walk.Project(at.dir, at.args)),
		"/example.com/a/@v/v1.0.0.mod /example.com/b/@v/v1.0.0.mod /example.com/a/@v/v1.0.0.info /example.com/b/@v/v1.0.0.info")
	body := []byte("module x\ngo 1.21\nrequire example.com/c v1.0.0\n")
	same(t, "after the first", urls(walk.Answered(match(t, "/example.com/a/@v/v1.0.0.mod"), body, 1)), "")
	same(t, "after the last", urls(walk.Answered(match(t, "/example.com/b/@v/v1.0.0.mod"), body, 1)),
		"/example.com/a/@v/v1.0.0.info /example.com/b/@v/v1.0.0.info /example.com/c/@v/v1.0.0.info")
}
