package project

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// publishing are go.mod files without their module lines, by PATH@VERSION.
type publishing map[string]string

// published are modules with all that decides a build list.
var published = publishing{
	"example.com/new@v1.0.0":                                   "go 1.20\nrequire example.com/pruned v1.0.0",
	"example.com/old@v1.0.0":                                   "go 1.16\nrequire example.com/deep v1.0.0",
	"example.com/old@v1.1.0":                                   "require example.com/deep v1.1.0\nreplace example.com/deep => example.com/fork v1.0.0\nexclude example.com/new v1.0.0",
	"example.com/deep@v1.0.0":                                  "go 1.20\nrequire example.com/deeper v1.0.0",
	"example.com/deep@v1.1.0":                                  "go 1.20\nrequire example.com/old v1.0.0",
	"example.com/deeper@v1.0.0":                                "go 1.20\nrequire example.com/big v2.0.0+incompatible",
	"example.com/deeper@v1.1.0":                                "go 1.20\nrequire example.com/far v1.0.0",
	"example.com/pruned@v1.0.0":                                "go 1.20\nrequire example.com/deeper v1.1.0",
	"example.com/big@v2.0.0+incompatible":                      "",
	"example.com/far@v1.0.0":                                   "go 1.20",
	"example.com/chain@v1.0.0":                                 "go 1.21.0\ntoolchain go1.21.5\nretract v1.0.0\nrequire example.com/pruned v1.0.0",
	"example.com/fork@v1.0.0":                                  "go 1.16\nrequire example.com/pruned v1.0.0",
	"example.com/back@v1.0.0":                                  "go 1.16\nrequire example.com/main v1.0.0",
	"example.com/main@v1.0.0":                                  "go 1.20\nrequire example.com/Late/v2 v2.0.1-0.20200102030405-0123456789ab",
	"example.com/Late/v2@v2.0.1-0.20200102030405-0123456789ab": "go 1.20",
}

// TestTheBuildListIsGos compares with what the go command asks of a proxy.
func TestTheBuildListIsGos(t *testing.T) {
	for _, row := range []struct{ says, main string }{
		{"a pruned graph", "go 1.21\nrequire example.com/new v1.0.0\nrequire example.com/old v1.0.0"},
		{"an unpruned one", "go 1.16\nrequire example.com/new v1.0.0\nrequire example.com/old v1.0.0"},
		{"a toolchain", "go 1.21.0\nrequire example.com/chain v1.0.0"},
		{"a cycle", "go 1.21\nrequire example.com/old v1.1.0"},
		{"an older main module", "go 1.21\nrequire example.com/back v1.0.0"},
		{"an excluded requirement", "go 1.21\nrequire example.com/back v1.0.0\nrequire example.com/old v1.0.0\nexclude example.com/old v1.0.0"},
		{"an excluded module behind", "go 1.16\nrequire example.com/new v1.0.0\nexclude example.com/deeper v1.1.0"},
		{"a fork", "go 1.21\nrequire example.com/old v1.0.0\nreplace example.com/deep => example.com/fork v1.0.0"},
		{"a fork of another version", "go 1.21\nrequire example.com/old v1.0.0\nreplace example.com/deep v1.1.0 => example.com/fork v1.0.0"},
		{"a fork of the main module", "go 1.21\nrequire example.com/back v1.0.0\nreplace example.com/main => example.com/fork v1.0.0"},
		{"another version", "go 1.21\nrequire example.com/old v1.0.0\nreplace example.com/old v1.0.0 => example.com/old v1.1.0"},
		{"one version for all", "go 1.21\nrequire example.com/old v1.0.0\nreplace example.com/old => example.com/old v1.1.0"},
		{"a fork that is replaced", "go 1.21\nrequire example.com/old v1.0.0\nreplace example.com/deep => example.com/fork v1.0.0\nreplace example.com/fork => example.com/far v1.0.0"},
	} {
		t.Run(row.says, func(t *testing.T) {
			dir := files(t, map[string]string{"go.mod": "module example.com/main\n" + row.main + "\n"})
			mods, _ := asGoDoes(t, published, dir, "list", "-m", "all")
			same(t, "go.mod files in go.sum", sorted(names(must[*Go](t)(ReadGo(dir)).Mods(registry))), sorted(mods))
		})
	}
}

func sorted(words string) string {
	return strings.Join(slices.Compact(slices.Sorted(strings.FieldsSeq(words))), " ")
}

func (p publishing) read(m module.Version) (requires []module.Version, old, here bool) {
	text, here := p[m.String()]
	file, err := modfile.ParseLax("go.mod", []byte(text), nil)
	if err != nil {
		panic(err)
	}
	return requiredBy(file), isOld(file), here
}

// asGoDoes compares what a go command in dir asks for, with nothing in its cache, with what is reckoned before it does.
func asGoDoes(t *testing.T, published publishing, dir string, command ...string) (mods, infos string) {
	t.Helper()
	g := must[*Go](t)(ReadGoAs(dir, GoMode{}))
	came := map[module.Version]bool{}
	reading := g.Graph.Read(func(m module.Version) (requires []module.Version, old, here bool) {
		requires, old, here = published.read(m)
		return requires, old, here && came[m]
	})
	var read, list []Want
	for todo := reading.Next(); len(todo) > 0; todo = append(todo[1:], reading.Next()...) {
		came[todo[0]] = true
		reading.Came(todo[0])
		read = appendModule(read, registry, todo[0], ".mod", "")
	}
	for _, m := range reading.BuildList() {
		list = appendModule(list, registry, m, ".info", "")
		read = appendModule(read, registry, m, ".mod", "") // which says of which go version it is
	}
	mods, infos = askedByGo(t, published, dir, command...)
	same(t, "go.mod files", sorted(names(read)), sorted(mods))
	same(t, ".info files", sorted(names(list)), sorted(infos))
	same(t, "left", strconv.Itoa(reading.Left()), "0")
	return mods, infos
}

// askedByGo is what a go command asks for in dir, with nothing in its cache. It writes go.sum.
func askedByGo(t *testing.T, published publishing, dir string, command ...string) (mods, infos string) {
	t.Helper()
	var mu sync.Mutex
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		escaped, version, _ := strings.Cut(strings.TrimSuffix(name, path.Ext(name)), "/@v/")
		of, _ := module.UnescapePath(escaped)
		text, ok := published[of+"@"+version]
		mu.Lock()
		defer mu.Unlock()
		switch kind := path.Ext(name); {
		case !ok:
			http.NotFound(rw, r)
		case kind == ".mod":
			mods += name + " "
			_, _ = io.WriteString(rw, "module "+of+"\n"+text+"\n")
		case kind == ".info":
			infos += name + " "
			fmt.Fprintf(rw, `{"Version":%q,"Time":"2020-01-02T03:04:05Z"}`, version)
		}
	}))
	defer proxy.Close()
	flags := "-modcacherw"
	if g, err := ReadGoAs(dir, GoMode{}); err == nil && !g.Workspace {
		flags += " -mod=mod"
	}
	list := exec.CommandContext(t.Context(), "go", command...)
	list.Dir = dir
	list.Env = append(os.Environ(), "GOENV=off", "GOFLAGS="+flags, "GOMODCACHE="+t.TempDir(), "GOPROXY="+proxy.URL, "GOPRIVATE=",
		"GONOPROXY=", "GONOSUMDB=*", "GOTOOLCHAIN=local", "GOWORK=")
	if out, err := list.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return mods, infos
}
