package project

import (
	"fmt"
	goversion "go/version"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// published are modules with all that decides a build list, by PATH@VERSION.
var published = map[string]string{
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
			mods, infos := askedByGo(t, dir)
			g := must[*Go](t)(ReadGo(dir))
			same(t, "go.mod files", sorted(names(g.Mods(registry))), sorted(mods))
			var list []Want
			for _, m := range g.Graph.BuildList(readPublished) {
				list = appendModule(list, registry, m, ".info", "")
			}
			same(t, ".info files", sorted(names(list)), sorted(infos))
		})
	}
}

func sorted(words string) string { return strings.Join(slices.Sorted(strings.FieldsSeq(words)), " ") }

func readPublished(m module.Version) (requires []module.Version, old bool) {
	file, err := modfile.ParseLax("go.mod", []byte(published[m.String()]), nil)
	if err != nil {
		panic(err)
	}
	for _, q := range file.Require {
		requires = append(requires, q.Mod)
	}
	return requires, file.Go == nil || goversion.Compare("go"+file.Go.Version, "go1.17") < 0
}

// askedByGo is what `go list -m all` asks for in dir, with nothing in its cache. It writes go.sum.
func askedByGo(t *testing.T, dir string) (mods, infos string) {
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
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "all")
	list.Dir = dir
	list.Env = append(os.Environ(), "GOENV=off", "GOFLAGS=-mod=mod -modcacherw", "GOMODCACHE="+t.TempDir(), "GOPROXY="+proxy.URL, "GOPRIVATE=",
		"GONOPROXY=", "GONOSUMDB=*", "GOTOOLCHAIN=local", "GOWORK=off")
	if out, err := list.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return mods, infos
}
