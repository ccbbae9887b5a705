package project

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// reached is what a graph leads to at once: go.mod files, before any came.
func reached(g *Go) string {
	var out []Want
	for _, m := range g.Graph.Read(func(module.Version) ([]module.Version, bool, bool) { return nil, false, false }).Next() {
		out = appendModule(out, registry, m, ".mod", "")
	}
	return sorted(names(out))
}

// monorepo is a workspace with modules in it, beside it and elsewhere, and other files that a command may be told to take.
func monorepo(t *testing.T) string {
	t.Helper()
	return files(t, map[string]string{
		"ws/go.work":      "go 1.21\ntoolchain go1.21.3\nuse ./a\nuse ../b\nreplace example.com/x => ../x\n",
		"ws/go.work.sum":  "example.com/w v1.0.0/go.mod " + someSum + "\n",
		"ws/a/go.mod":     "module example.com/a\ngo 1.21\nrequire example.com/b v1.0.0\nrequire example.com/x v1.0.0\n",
		"ws/a/go.sum":     "example.com/s v1.0.0/go.mod " + someSum + "\n",
		"ws/a/other.mod":  "module example.com/a\ngo 1.21\nrequire example.com/other v1.0.0\nreplace example.com/other => ../../x\n",
		"ws/c/go.mod":     "module example.com/c\ngo 1.21\nrequire example.com/far v1.0.0\n",
		"ws/small.work":   "go 1.21\nuse ./c\n",
		"ws/sum.work":     "go 1.21\nuse ./c\n",
		"ws/sum.work.sum": "example.com/of/sum v1.0.0/go.mod " + someSum + "\n",
		"ws/odd.work":     "go 1.21\nuse ./a\nuse ./nowhere\n",
		"ws/both.work":    "go 1.21\nuse ./y\nuse ./z\n",
		"ws/set.work":     "go 1.21\nuse ./y\nuse ./z\nreplace example.com/x v1.0.0 => example.com/of/work v1.0.0\n",
		"ws/y/go.mod":     "module example.com/y\ngo 1.21\nrequire example.com/x v1.0.0\nreplace example.com/x => ../../x\n",
		"ws/z/go.mod":     "module example.com/z\ngo 1.21\nreplace example.com/x => ./x\n",
		"b/go.mod":        "module example.com/b\ngo 1.16\nrequire example.com/deep v1.0.0\n",
		"x/go.mod":        "module example.com/x\ngo 1.16\nrequire example.com/behind v1.0.0\n",
	})
}

func TestTheWorkspaceIsTheOneThatGoTakes(t *testing.T) {
	dir := monorepo(t)
	both := "example.com/b/@v/v1.0.0.mod example.com/behind/@v/v1.0.0.mod example.com/deep/@v/v1.0.0.mod"
	for _, row := range []struct {
		says, at string
		mode     GoMode
		want     string
	}{
		{"a module of it", "ws/a", GoMode{}, both},
		{"the directory itself", "ws", GoMode{}, both},
		{"auto", "ws/a", GoMode{Work: "auto"}, both},
		{"a module below it that it does not name", "ws/c", GoMode{}, both},
		{"a module beside it that it names", "b", GoMode{}, "example.com/deep/@v/v1.0.0.mod"},
		{"none", "ws/c", GoMode{Work: "off"}, "example.com/far/@v/v1.0.0.mod"},
		{"none, for a command that knows none", "ws/a", GoMode{Alone: true}, "example.com/b/@v/v1.0.0.mod example.com/x/@v/v1.0.0.mod"},
		{"another", "ws/a", GoMode{Work: "DIR/ws/small.work"}, "example.com/far/@v/v1.0.0.mod"},
		{"another, from elsewhere", "x", GoMode{Work: "DIR/ws/go.work"}, both},
		{"another go.mod", "ws/a", GoMode{Work: "off", ModFile: "other.mod"}, "example.com/behind/@v/v1.0.0.mod"},
		{"one that says which of two replacements counts", "ws", GoMode{Work: "DIR/ws/set.work"}, "example.com/of/work/@v/v1.0.0.mod"},
		{"a name without a root", "ws/a", GoMode{Work: "small.work"}, "refused"},
		{"one that is missing", "ws/a", GoMode{Work: "DIR/none.work"}, "refused"},
		{"one of a module that is missing", "ws/a", GoMode{Work: "DIR/ws/odd.work"}, "refused"},
		{"one of modules that disagree", "ws/y", GoMode{Work: "DIR/ws/both.work"}, "refused"},
	} {
		row.mode.Work = strings.Replace(row.mode.Work, "DIR", dir, 1)
		got := "refused"
		if g, err := ReadGoAs(filepath.Join(dir, row.at), row.mode); err == nil {
			got = reached(g)
		}
		same(t, row.says, got, row.want)
	}
	g := must[*Go](t)(ReadGoAs(filepath.Join(dir, "ws"), GoMode{}))
	same(t, "sums", names(g.Mods(registry)), "example.com/s/@v/v1.0.0.mod example.com/w/@v/v1.0.0.mod example.com/deep/@v/v1.0.0.mod")
	g = must[*Go](t)(ReadGoAs(dir, GoMode{Work: filepath.Join(dir, "ws", "sum.work")}))
	same(t, "sums of another", names(g.Mods(registry)), "example.com/of/sum/@v/v1.0.0.mod example.com/far/@v/v1.0.0.mod")
	for at, want := range map[string]bool{"ws": true, "ws/a": true, "ws/c": false} {
		g := must[*Go](t)(ReadGoAs(filepath.Join(dir, at), GoMode{}))
		same(t, "a member "+at, fmt.Sprint(g.Member), fmt.Sprint(want))
	}
	same(t, "what is warmed of a module that it does not name", reached(must[*Go](t)(ReadGo(filepath.Join(dir, "ws", "c")))), "example.com/far/@v/v1.0.0.mod")
}

// A directory beside the project may be of anybody, and hold anything.
func TestBesideAProjectLittleIsRead(t *testing.T) {
	secret := "module secret\ngo 1.16\nrequire example.com/secret v1.0.0\n"
	dir := files(t, map[string]string{
		"p/go.mod": "module m\ngo 1.21\nrequire example.com/x v1.0.0\nreplace example.com/x => ../x\n",
		"x/y":      "", "in/go.mod": secret, "big/go.mod": secret + strings.Repeat("// \n", MaxGoMod/4), "file/go.mod/x": "",
	})
	link := func(target string) func() error {
		return func() error { return os.Symlink(filepath.Join(dir, target), filepath.Join(dir, "x", "go.mod")) }
	}
	beside := func(target string) func() error {
		return func() error { return os.Symlink(target, filepath.Join(dir, "x")) }
	}
	for _, row := range []struct {
		says  string
		make  func() error
		graph bool
		want  string
	}{
		{"a directory without a go.mod", func() error { return nil }, true, ""},
		{"a go.mod that leads out of its directory", link("in/go.mod"), false, ""},
		{"a directory that leads elsewhere, as the go command follows", func() error { return beside("in")() }, true, "example.com/secret/@v/v1.0.0.mod"},
		{"one that is too large", beside("big"), false, ""},
		{"a directory of that name", beside("file"), false, ""},
		{"a device", func() error { return os.Symlink("/dev/zero", filepath.Join(dir, "x", "go.mod")) }, false, ""},
	} {
		x := filepath.Join(dir, "x")
		if err := os.RemoveAll(x); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(row.says, "directory that") && row.says != "one that is too large" && row.says != "a directory of that name" {
			_ = os.Mkdir(x, 0o700)
		}
		if err := row.make(); err != nil {
			t.Skip(err)
		}
		g := must[*Go](t)(ReadGo(filepath.Join(dir, "p")))
		same(t, row.says+": graph", fmt.Sprint(g.Graph != nil), fmt.Sprint(row.graph))
		if g.Graph != nil {
			same(t, row.says, reached(g), row.want)
		}
	}
}

func TestADirectoryOfAnotherMachineIsNotRead(t *testing.T) {
	for _, dir := range []string{`\\host\share`, `\\?\UNC\host\share`, `\??\UNC\host\share`} {
		if _, err := (&neighbours{}).mod(dir); err == nil || !strings.Contains(err.Error(), "another machine") {
			t.Errorf("%s: got %v", dir, err)
		}
	}
}

// A project of very many directories is read in part, or not at all.
func TestManyDirectoriesAreTooMany(t *testing.T) {
	text := "module m\ngo 1.21\n"
	for n := range maxNear + 1 {
		text += fmt.Sprintf("replace example.com/x%d => ./x%d\n", n, n)
	}
	g := must[*Go](t)(ReadGo(files(t, map[string]string{"go.mod": text})))
	same(t, "graph", fmt.Sprint(g.Graph != nil), "false")
}

// A workspace of modules whose go.sum files are long is read in a moment: what one says is not gone through again for each of
// the others, and files of zeros that need no room on the disk are not read one after another.
func TestManySumsAreReadOnce(t *testing.T) {
	const n = 300
	content, work := map[string]string{}, "go 1.21\n"
	for i := range n {
		work += fmt.Sprintf("use ./m%d\n", i)
		content[fmt.Sprintf("m%d/go.mod", i)] = fmt.Sprintf("module example.com/m%d\ngo 1.21\n", i)
		content[fmt.Sprintf("m%d/go.sum", i)] = fmt.Sprintf("example.com/of%d v1.0.0/go.mod %s\n", i, someSum)
	}
	var long strings.Builder
	for i := range maxEntries - n {
		fmt.Fprintf(&long, "example.com/s%d v1.0.0/go.mod %s\n", i, someSum)
	}
	content["go.work"], content["m0/go.sum"] = work, long.String()
	dir := files(t, content)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	g := must[*Go](t)(ReadGo(dir))
	runtime.ReadMemStats(&after)
	same(t, "sums", strconv.Itoa(len(g.sums)), strconv.Itoa(maxEntries-1))
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<29 { // it was four times that, and took 4 s
		t.Errorf("it used %d bytes", used)
	}
	near := newNeighbours(dir, "go.work")
	for i := range 10 {
		at := filepath.Join(dir, fmt.Sprintf("m%d", i))
		if err := os.Truncate(filepath.Join(at, "go.sum"), maxFile/2+1); err != nil {
			t.Skip(err)
		}
		near.sum(at)
	}
	if near.lines > 2*maxFile {
		t.Errorf("%d bytes were read", near.lines)
	}
}

// Modules that a workspace has, and that its replace lines name, too, have one go.mod each: three large ones are no four megabytes.
func TestAGoModThatIsUsedAndReplacedIsReadOnce(t *testing.T) {
	content, work := map[string]string{}, "go 1.21\n"
	long := "// " + strings.Repeat("x", maxNearWords/4-1000) + "\n"
	for i := range 3 {
		content[fmt.Sprintf("m%d/go.mod", i)] = fmt.Sprintf("%smodule example.com/m%d\nrequire example.com/x%d v1.0.0\n", long, i, i)
		work += fmt.Sprintf("use ./m%d\nreplace example.com/m%d v1.%d.0 => ./m%d\n", i, i, i, i)
	}
	content["go.work"] = work
	g := must[*Go](t)(ReadGo(files(t, content)))
	if g.Graph == nil {
		t.Fatal("the graph is not known")
	}
	same(t, "read", reached(g), "example.com/x0/@v/v1.0.0.mod example.com/x1/@v/v1.0.0.mod example.com/x2/@v/v1.0.0.mod")
	var stands []string
	for at, is := range g.Graph.here {
		stands = append(stands, fmt.Sprintf("%s%v%v", filepath.Base(at), is.requires, is.old))
	}
	same(t, "what they say as what stands for others", sorted(strings.Join(stands, " ")), sorted("m0[example.com/x0@v1.0.0]true m1[example.com/x1@v1.0.0]true m2[example.com/x2@v1.0.0]true"))
}

// The user may name a workspace by way of a link; the system says where a client works without.
func TestAWorkspaceMayBeNamedByALink(t *testing.T) {
	dir := unlinked(monorepo(t))
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "ws"), link); err != nil {
		t.Skip(err)
	}
	for at, work := range map[string]string{filepath.Join(dir, "ws", "a"): filepath.Join(link, "go.work"), filepath.Join(link, "a"): ""} {
		g := must[*Go](t)(ReadGoAs(at, GoMode{Work: work}))
		same(t, "a member "+at, fmt.Sprint(g.Member), "true")
		same(t, "modules around "+at, strconv.Itoa(len(g.around([]string{at}))), "1")
		same(t, "a directory of the project "+at, fmt.Sprint(newNeighbours(link, "go.work").has(at)), "true")
	}
}

// A workspace in which each module raises the next one, so that all are looked at again for each: the go command takes hours.
func TestAWorkspaceThatWasMadeToHurtIsGivenUp(t *testing.T) {
	const n = 20_000
	text := "module m\ngo 1.21\n"
	for i := range n {
		text += fmt.Sprintf("require example.com/p%d v1.0.0\n", i)
	}
	text = strings.Replace(text, "p0 v1.0.0", "p0 v1.1.0", 1)
	dir := files(t, map[string]string{"go.work": "go 1.21\nuse ./m\nuse ./o\n", "m/go.mod": text, "o/go.mod": "module o\ngo 1.21\nrequire example.com/p0 v1.2.0\n"})
	g := must[*Go](t)(ReadGo(dir))
	r := g.Graph.Read(func(m module.Version) ([]module.Version, bool, bool) {
		var i int
		if _, err := fmt.Sscanf(m.Path, "example.com/p%d", &i); err != nil || m.Version == "v1.0.0" {
			return nil, false, true
		}
		return []module.Version{{Path: fmt.Sprintf("example.com/p%d", i+1), Version: "v1.2.0"}}, false, true
	})
	if got := len(r.BuildList()); got < n || r.steps > 2*maxSteps {
		t.Errorf("%d modules after %d steps", got, r.steps)
	}
}

// What comes behind the end of the graph, as the newest go.mod of each module does, is not looked for in all of it.
func TestWhatIsNotOfTheGraphCostsNothing(t *testing.T) {
	r := must[*Go](t)(ReadGo(filepath.Join(monorepo(t), "ws"))).Graph.Read(func(module.Version) ([]module.Version, bool, bool) { return nil, false, true })
	steps := r.steps
	r.Came(module.Version{Path: "example.com/deep", Version: "v1.1.0"})
	same(t, "steps more", strconv.Itoa(r.steps-steps), "0")
	same(t, "left", strconv.Itoa(r.Left()), "0")
}

// FuzzGraph guards what reads go.work, go.mod files and what they lead to: it ends, and wants only what has a name.
func FuzzGraph(f *testing.F) {
	f.Add("go 1.21\nuse ./a\nreplace b => ./c", "module a\nrequire b v1.0.0\nexclude b v1.1.0", "module b\ngo 1.17\nrequire d v1.0.0\nrequire a v1.2.0")
	f.Add("use .\nreplace b v1.0.0 => d v1.0.0", "module a\ngo 1.21\nreplace b => ../../b", "require b v1.1.0")
	f.Fuzz(func(t *testing.T, work, mod, published string) {
		file, err := modfile.ParseWork("go.work", []byte(work), nil)
		main, err2 := parseGoMod("go.mod", []byte(mod))
		other, err3 := modfile.ParseLax("go.mod", []byte(published), nil)
		if err != nil || err2 != nil || err3 != nil {
			return
		}
		for _, w := range []*workspace{nil, {"/nowhere", "go.work", file}} {
			g, err := newGo("/nowhere", []mainModule{{"/nowhere/a", main}}, w, nil, &neighbours{})
			if err != nil || g.Graph == nil {
				continue
			}
			came := map[module.Version]bool{}
			r := g.Graph.Read(func(m module.Version) ([]module.Version, bool, bool) { return requiredBy(other), isOld(other), came[m] })
			for todo := r.Next(); len(todo) > 0; todo = append(todo[1:], r.Next()...) {
				if came[todo[0]] {
					t.Fatalf("%v is read twice", todo[0])
				}
				came[todo[0]] = true
				r.Came(todo[0])
			}
			same(t, "left", fmt.Sprint(r.Left()), "0")
			for _, m := range r.BuildList() {
				if m.Version == "" {
					t.Errorf("%v has no version", m)
				}
			}
		}
	})
}
