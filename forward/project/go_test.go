package project

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const someSum = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// app has a bit of everything that decides what go asks for.
func app() map[string]string {
	return map[string]string{
		"go.mod": `module example.com/app
go 1.21
require (
	github.com/Upper/Case v1.2.0
	example.com/b v1.0.0
	example.com/here v0.0.0
	example.com/old v1.1.0
	example.com/bad v1.0.0
)
require example.com/a v2.0.0+incompatible // indirect
replace example.com/here => ./here
replace example.com/old v1.1.0 => example.com/fork v1.1.1
exclude example.com/bad v1.0.0
`,
		"go.sum": strings.Join([]string{
			"example.com/a v2.0.0+incompatible " + someSum,
			"example.com/a v2.0.0+incompatible/go.mod " + someSum,
			"example.com/b v0.9.0/go.mod " + someSum,
			"example.com/b v1.0.0/go.mod " + someSum,
			"example.com/here v0.0.0/go.mod " + someSum,
			"example.com/old v1.1.0/go.mod " + someSum,
			"example.com/fork v1.1.1/go.mod " + someSum,
			"example.com/../up v1.1.1/go.mod " + someSum,
			"damaged",
			"",
		}, "\n"),
		"sub/pkg/x.go": "package pkg",
	}
}

func TestAModuleSaysWhatGoAsksFor(t *testing.T) {
	dir := files(t, app())
	g := must[*Go](t)(ReadGo(filepath.Join(dir, "sub", "pkg")))
	same(t, "directory", g.Dir, dir)
	same(t, "go.mod files", names(g.Mods(registry)), "example.com/a/@v/v2.0.0+incompatible.mod example.com/b/@v/v0.9.0.mod example.com/b/@v/v1.0.0.mod "+
		"example.com/fork/@v/v1.1.1.mod github.com/!upper/!case/@v/v1.2.0.mod")
	same(t, "infos", names(g.Infos(registry)), "example.com/a/@v/v2.0.0+incompatible.info example.com/b/@v/v1.0.0.info example.com/fork/@v/v1.1.1.info github.com/!upper/!case/@v/v1.2.0.info")
	direct, indirect := g.Zips(registry)
	same(t, "direct zips", names(direct), "github.com/!upper/!case/@v/v1.2.0.zip example.com/b/@v/v1.0.0.zip example.com/fork/@v/v1.1.1.zip")
	same(t, "indirect zips", names(indirect), "example.com/a/@v/v2.0.0+incompatible.zip")
	if !g.Pruned || g.Workspace || !direct[0].Bulk || direct[0].Digest != "" || g.Mods(registry)[0].Bulk {
		t.Errorf("pruned %v, workspace %v, first zip %+v", g.Pruned, g.Workspace, direct[0])
	}
}

func TestPruningBeginsWithGo117(t *testing.T) {
	for version, want := range map[string]bool{"go 1.16": false, "go 1.17": true, "go 1.9": false, "go 1.27rc1": true, "": false} {
		g := must[*Go](t)(ReadGo(files(t, map[string]string{"go.mod": "module m\n" + version + "\n"})))
		if g.Pruned != want {
			t.Errorf("%q\n got %v\nwant %v", version, g.Pruned, want)
		}
	}
}

func TestAWorkspaceJoinsItsModules(t *testing.T) {
	dir := files(t, map[string]string{
		"go.work":       "go 1.21\nuse ./a\nuse (\n\t./b\n)\nreplace example.com/x => example.com/y v1.0.0\n",
		"a/go.mod":      "module example.com/a\ngo 1.21\nrequire example.com/b v1.0.0\nrequire example.com/z v1.0.0 // indirect\n",
		"b/go.mod":      "module example.com/b\ngo 1.21\nrequire example.com/x v1.0.0\nrequire example.com/z v1.3.0\n",
		"b/go.sum":      "example.com/z v1.3.0/go.mod " + someSum + "\n",
		"go.work.sum":   "example.com/z v1.0.0/go.mod " + someSum + "\n",
		"beside/go.mod": "module example.com/beside\ngo 1.21\nrequire example.com/alone v1.0.0\n",
	})
	for _, from := range []string{".", "a", "b"} {
		g := must[*Go](t)(ReadGo(filepath.Join(dir, from)))
		direct, indirect := g.Zips(registry)
		same(t, "zips from "+from, names(direct)+"|"+names(indirect), "example.com/z/@v/v1.3.0.zip example.com/y/@v/v1.0.0.zip|")
		same(t, "go.mod files from "+from, names(g.Mods(registry)), "example.com/z/@v/v1.3.0.mod example.com/z/@v/v1.0.0.mod example.com/y/@v/v1.0.0.mod")
		if !g.Workspace {
			t.Errorf("from %s it is no workspace", from)
		}
	}
	g := must[*Go](t)(ReadGo(filepath.Join(dir, "beside")))
	same(t, "a module that go.work does not name", names(g.Infos(registry)), "example.com/alone/@v/v1.0.0.info")
}

func FuzzGo(f *testing.F) {
	for _, text := range []string{app()["go.mod"], "module m", "go 1.17\nrequire x v1", "replace a => b v1.0.0"} {
		f.Add(text, app()["go.sum"])
	}
	f.Fuzz(func(t *testing.T, mod, sum string) {
		main, err := parseGoMod("go.mod", []byte(mod))
		if err != nil {
			return
		}
		g := must[*Go](t)(newGo("", []mainModule{{"", main}}, nil, [][]byte{[]byte(sum)}, &neighbours{}))
		direct, indirect := g.Zips(registry)
		for _, w := range append(append(append(direct, indirect...), g.Mods(registry)...), g.Infos(registry)...) {
			checkURL(t, w.URL)
		}
	})
}

// A directory vendor counts from go 1.14 on, in the mode that it was made for.
func TestAVendoredModuleSaysSo(t *testing.T) {
	for _, row := range []struct {
		says  string
		files map[string]string
		want  bool
	}{
		{"a module", map[string]string{"go.mod": "module m\ngo 1.21\n", "vendor/modules.txt": "# example.com/a v1.0.0\n"}, true},
		{"without a list", map[string]string{"go.mod": "module m\ngo 1.21\n", "vendor/x": ""}, true},
		{"an old module", map[string]string{"go.mod": "module m\ngo 1.13\n", "vendor/modules.txt": ""}, false},
		{"a module without a go version", map[string]string{"go.mod": "module m\n", "vendor/modules.txt": ""}, false},
		{"a module with a workspace's", map[string]string{"go.mod": "module m\ngo 1.21\n", "vendor/modules.txt": "## explicit; workspace\n"}, false},
		{"a file of that name", map[string]string{"go.mod": "module m\ngo 1.21\n", "vendor": ""}, false},
		{"a workspace", map[string]string{"go.work": "go 1.22\nuse .\n", "go.mod": "module m\ngo 1.21\n", "vendor/modules.txt": "## workspace\n"}, true},
		{"a workspace with a module's", map[string]string{"go.work": "go 1.22\nuse .\n", "go.mod": "module m\ngo 1.21\n", "vendor/modules.txt": "# example.com/a v1.0.0\n"}, false},
	} {
		g := must[*Go](t)(ReadGo(files(t, row.files)))
		same(t, row.says, fmt.Sprint(g.Vendored), fmt.Sprint(row.want))
	}
}

// The go command wants a go.mod for the directory of the project, and takes another's contents.
func TestAnotherGoModIsRead(t *testing.T) {
	dir := files(t, map[string]string{
		"go.mod": "module m\ngo 1.21\nrequire example.com/a v1.0.0\n", "x/other.mod": "module m\ngo 1.21\nrequire example.com/b v1.0.0\n",
		"x/other.sum": "example.com/c v1.0.0/go.mod " + someSum + "\n", "sub/x.go": "",
	})
	for _, name := range []string{"../x/other.mod", filepath.Join(dir, "x", "other.mod")} {
		g := must[*Go](t)(ReadGoAs(filepath.Join(dir, "sub"), GoMode{ModFile: name}))
		same(t, name, names(g.Mods(registry)), "example.com/c/@v/v1.0.0.mod example.com/b/@v/v1.0.0.mod")
		same(t, "the directory of "+name, g.Dir, dir)
	}
	for _, name := range []string{"../x", "../x/none.mod", "/dev/zero"} {
		if _, err := ReadGoAs(filepath.Join(dir, "sub"), GoMode{ModFile: name}); err == nil {
			t.Errorf("-modfile=%s was read", name)
		}
	}
}

func TestALaterGoIsFetchedFirst(t *testing.T) {
	for _, row := range []struct{ says, mod, work, version, want string }{
		{"it is late enough", "go 1.26.0\ntoolchain go1.26.3", "", "go1.26.3", ""},
		{"a toolchain line", "go 1.22\ntoolchain go1.27.1", "", "go1.26.3", "go1.27.1"},
		{"a go line", "go 1.27.4\ntoolchain go1.27.1", "", "go1.26.3", "go1.27.4"},
		{"a language", "go 1.27", "", "go1.26.3", "go1.27.0"},
		{"a release candidate", "go 1.27rc1", "", "go1.26.3", "go1.27rc1"},
		{"a workspace", "go 1.22", "go 1.27.2", "go1.26.3", "go1.27.2"},
		{"one's own will do", "go 1.27.4\ntoolchain default", "", "go1.26.3", ""},
		{"another's toolchain", "go 1.22\ntoolchain go1.27.1-corp", "", "go1.26.3", ""},
		{"a go that knows no others", "go 1.27.4", "", "go1.20.1", ""},
		{"a go that is unknown", "go 1.27.4", "", "", ""},
		{"no lines", "", "", "go1.26.3", ""},
	} {
		content := map[string]string{"go.mod": "module m\n" + row.mod + "\n"}
		if row.work != "" {
			content["go.work"] = row.work + "\nuse .\n"
		}
		g := must[*Go](t)(ReadGo(files(t, content)))
		got := ""
		for _, w := range g.Toolchain(registry, row.version) {
			got = strings.TrimPrefix(w.URL, registry+"/golang.org/toolchain/@v/v0.0.1-")
			got = strings.TrimSuffix(got, "."+runtime.GOOS+"-"+runtime.GOARCH+".zip")
		}
		same(t, row.says, got, row.want)
	}
}
