package golang

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"hither/forward/project"
)

// goFiles writes a project, whose names have slashes.
func goFiles(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// wanted is all that a walk wants for a command in dir, if each go.mod that it wants comes: "a.mod" is example.com/a v1.0.0, and
// "a1.mod" is v1.1.0.
func wanted(t *testing.T, dir, command string, published map[string]string) string {
	t.Helper()
	walk := New(host)
	todo := walk.Project(dir, strings.Fields(command))
	seen := map[string]bool{}
	for ; len(todo) > 0; todo = todo[1:] {
		path := strings.TrimPrefix(todo[0].URL, host)
		if name := shortened(path); !seen[name] {
			seen[name] = true
			text, ok := published[strings.TrimSuffix(name, ".mod")]
			if !strings.HasSuffix(name, ".mod") {
				continue
			}
			var body []byte
			if ok {
				body = []byte("module x\n" + text)
			}
			todo = append(todo, walk.Answered(match(t, path), body, 1)...)
		}
	}
	var out []string
	for name := range seen {
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

var shortening = strings.NewReplacer("/example.com/", "", "/@v/v1.0.0", "", "/@v/v1.1.0", "1")

func shortened(path string) string { return shortening.Replace(path) }

// TestAProjectOfSeveralModules begins with what the go command will ask for in a workspace, and in each module by itself.
func TestAProjectOfSeveralModules(t *testing.T) {
	const sum = " h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	dir := goFiles(t, map[string]string{
		"go.work": "go 1.21\nuse ./m\nuse ./n\n",
		"m/go.mod": "module example.com/m\ngo 1.21\nrequire example.com/a v1.0.0\nrequire example.com/n v1.0.0\nrequire example.com/d v1.0.0\n" +
			"replace example.com/d => ../d\nreplace example.com/n => ../n\n",
		"m/go.sum": "example.com/a v1.0.0/go.mod" + sum,
		"n/go.mod": "module example.com/n\ngo 1.21\nrequire example.com/a v1.1.0\n",
		"d/go.mod": "module example.com/d\ngo 1.16\nrequire example.com/old v1.0.0\n",
		"e/go.mod": "module example.com/e\ngo 1.21\nrequire example.com/a v1.0.0\n",
	})
	published := map[string]string{
		"a":   "go 1.21\nrequire example.com/p v1.0.0\n",
		"a1":  "go 1.21\nrequire example.com/p v1.1.0\n",
		"old": "go 1.21\nrequire example.com/q v1.0.0\n", "p": "", "p1": "", "q": "go 1.21\n",
	}
	graph := "a.mod a1.mod old.mod p1.mod q.mod"                                 // p1, because m was tidied with a and gets a1
	lists := "a.mod a1.info a1.mod old.info old.mod p1.info p1.mod q.info q.mod" // of a and a1 only one is selected, but both are read
	for _, row := range []struct{ at, command, want string }{
		{"m", "go list -m all", lists},
		{"e", "go list -m all", lists}, // which the workspace does not name
		{".", "go mod download", "a.mod a1.info a1.mod a1.zip old.info old.mod old.zip p1.info p1.mod p1.zip q.info q.mod q.zip"},
		{"m", "go build ./...", graph + " a1.zip"},
		{"m", "go work sync", graph + " a1.zip"},
		{"e", "go build ./...", ""},
		{"m", "go build -mod=mod ./...", ""},
		{"m", "go build -modfile=other.mod ./...", ""},
		{"m", "go mod vendor", ""},
		{"m", "go -GOWORK=off list -m all", "a.mod a1.info old.info old.mod p.info q.info q.mod"},
		{"m", "go mod tidy", "a.mod old.mod q.mod a.zip"},
		{"m", "go -GOWORK=off build ./...", "a.zip"},
		{"n", "go -GOWORK=off -mod=mod list -m all", "a1.info a1.mod p1.info p1.mod"},
		{"n", "go -GOWORK=off mod download", "a1.info a1.mod a1.zip"},
		{"n", "go -GOWORK=" + filepath.Join(dir, "none.work") + " mod download", ""},
	} {
		want := strings.Fields(row.want)
		slices.Sort(want)
		same(t, row.command+" in "+row.at, wanted(t, filepath.Join(dir, row.at), row.command, published), strings.Join(want, " "))
	}
}

// TestAGraphIsReadByThoseThatNeedIt has commands of one module that read less or more of the graph than others of their name, as the go
// command of 1.26 was seen to: what is in go.mod it lists without the rest, and a query needs nothing of it.
func TestAGraphIsReadByThoseThatNeedIt(t *testing.T) {
	goMod := "module example.com/m\ngo 1.21\nrequire example.com/a v1.0.0\n"
	dir := goFiles(t, map[string]string{"go.mod": goMod, "go.sum": "example.com/a v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"})
	old := goFiles(t, map[string]string{"go.mod": strings.Replace(goMod, "1.21", "1.16", 1)})
	published := map[string]string{"a": "go 1.21\nrequire example.com/b v1.0.0\n", "b": "go 1.21\n"}
	for _, row := range []struct{ dir, command, want string }{
		{dir, "go list -m", ""},
		{dir, "go list -m example.com/m", ""},
		{dir, "go list -m example.com/a", ""},
		{dir, "go list -m -u example.com/a", "a/@v/list"},
		{dir, "go list -m example.com/x@latest", "x/@v/list"},
		{old, "go list -m example.com/x@latest", "x/@v/list"},
		{dir, "go list -m example.com/x@upgrade", "a.mod x/@v/list"},
		{dir, "go list -m example.com/a@patch", "a/@v/list"},
		{dir, "go list -m example.com/a example.com/b", "a.mod"},
		{dir, "go list -m example.com/...", "a.mod"},
		{old, "go list -m example.com/a", "a.mod b.mod"},
		{dir, "go mod download", "a.info a.mod a.zip"},
		{dir, "go mod download all", "a.info a.mod a.zip b.info b.mod b.zip"},
		{dir, "go run . -mod=vendor -modfile=x", "a.zip"}, // for the program
	} {
		same(t, row.command, wanted(t, row.dir, row.command, published), row.want)
	}
}

// TestWithoutAGoSumTheGraphIsRead follows a new project, step by step, with what it replaces and excludes.
func TestWithoutAGoSumTheGraphIsRead(t *testing.T) {
	dir := goFiles(t, map[string]string{"go.mod": "module m\ngo 1.16\nrequire example.com/a v1.0.0\nrequire example.com/r v1.0.0\n" +
		"replace example.com/r => example.com/s v1.1.0\nexclude example.com/c v1.1.0\n"})
	published := map[string]string{
		"a": "require example.com/b v1.0.0\nrequire example.com/c v1.1.0\n", "b": "require example.com/c v1.0.0\n", "c": "",
		"s1": "require example.com/r v1.1.0\n",
	}
	same(t, "list", wanted(t, dir, "go list -mod=mod -m all", published), "a.info a.mod b.info b.mod c.info c.mod s1.info s1.mod")
	walk := New(host)
	walk.Project(dir, []string{"go", "list", "-mod=mod", "-m", "all"})
	same(t, "before the end", walk.Informed(), false)
	for _, want := range walk.Answered(match(t, "/example.com/a/@v/v1.0.0.mod"), []byte("module x\nrequire example.com/b v1.0.0\n"), 1) {
		same(t, "why", want.Why, whyReadGoMod)
		same(t, "is a guess", walk.Guesses(want.Why, true), false)
	}
}

// TestANewProjectIsGuessedAt has one that requires nothing yet: what the client brings into it is followed.
func TestANewProjectIsGuessedAt(t *testing.T) {
	dir := goFiles(t, map[string]string{"go.mod": "module m\ngo 1.21\nrequire example.com/d v0.0.0\nreplace example.com/d => ./d\n", "d/go.mod": "module d\n"})
	for _, command := range []string{"go get example.com/a@latest", "go mod tidy", "go get -u ./..."} {
		walk, mod := New(host), match(t, "/example.com/a/@v/v1.0.0.mod")
		walk.Project(dir, strings.Fields(command))
		walk.Asked(mod)
		same(t, command, urls(walk.Answered(mod, []byte("module x\nrequire example.com/b v1.0.0\n"), 0)), "/example.com/b/@v/v1.0.0.mod")
	}
}

// TestWhatIsBroughtIntoAProjectIsReadOn has go get of a module, whose zip it asks for before it reads what is behind it: all of that,
// if it is of a go before 1.17.
func TestWhatIsBroughtIntoAProjectIsReadOn(t *testing.T) {
	const sum = "example.com/a v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	goMod := "module m\ngo 1.21\nrequire example.com/a v1.0.0\n"
	bodies := map[string]string{
		"/example.com/old/@v/v1.0.0.mod": "module x\nrequire example.com/b v1.0.0\n", "/example.com/b/@v/v1.0.0.mod": "module x\nrequire example.com/c v1.0.0\n",
		"/example.com/new/@v/v1.0.0.mod": "module x\ngo 1.21\nrequire example.com/b v1.0.0\n", "/example.com/c/@v/v1.0.0.mod": "module x\n",
	}
	for _, c := range []struct{ sum, name, want string }{
		{sum, "old", "/example.com/b/@v/v1.0.0.mod /example.com/c/@v/v1.0.0.mod"},
		{"", "old", "/example.com/b/@v/v1.0.0.mod /example.com/c/@v/v1.0.0.mod"},
		{sum, "new", ""},
	} {
		for _, early := range []bool{false, true} { // its go.mod comes before it is known that it is brought
			walk := New(host)
			walk.Project(goFiles(t, map[string]string{"go.mod": goMod, "go.sum": c.sum}), strings.Fields("go get example.com/"+c.name+"@latest"))
			walk.Answered(match(t, "/example.com/a/@v/v1.0.0.mod"), []byte("module x\ngo 1.21\n"), 1)
			mod, zip := "/example.com/"+c.name+"/@v/v1.0.0.mod", match(t, "/example.com/"+c.name+"/@v/v1.0.0.zip")
			todo := []project.Want{{URL: host + mod}}
			if early {
				same(t, "before", urls(walk.Answered(match(t, mod), []byte(bodies[mod]), 1)), "")
				todo = walk.Asked(zip)
			} else {
				walk.Asked(zip)
			}
			var got []string
			for ; len(todo) > 0; todo = todo[1:] {
				path := strings.TrimPrefix(todo[0].URL, host)
				if path != mod && strings.HasSuffix(path, ".mod") {
					got = append(got, path)
				}
				if body := bodies[path]; body != "" {
					todo = append(todo, walk.Answered(match(t, path), []byte(body), 1)...)
				}
			}
			same(t, fmt.Sprintf("%s, early %v, go.sum %q", c.name, early, c.sum), strings.Join(got, " "), c.want)
		}
	}
}

// TestGoGetListsNoGraph has go get of one version, which asks for the .info of that and of what its list of versions comes to, and
// for none of what is in the graph.
func TestGoGetListsNoGraph(t *testing.T) {
	goMod, sum := "module m\ngo 1.21\nrequire example.com/a v1.0.0\n", "example.com/a v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	for command, want := range map[string]bool{"go get example.com/x@v1.0.0": false, "go list -m example.com/x@v1.0.0": false, "go list -m all": true} {
		walk := New(host)
		todo := walk.Project(goFiles(t, map[string]string{"go.mod": goMod, "go.sum": sum}), strings.Fields(command))
		todo = append(todo, walk.Asked(match(t, "/example.com/a/@v/v1.0.0.mod"))...)
		todo = append(todo, walk.Answered(match(t, "/example.com/a/@v/v1.0.0.mod"), []byte("module x\ngo 1.21\n"), 1)...)
		for _, path := range []string{"x", "y", "z"} {
			todo = append(todo, walk.Asked(match(t, "/example.com/"+path+"/@v/v1.0.0.info"))...)
		}
		same(t, command+" lists the graph", strings.Contains(urls(todo), "/example.com/a/@v/v1.0.0.info"), want)
	}
}

// TestALargeGoModIsNotRead has one as the go command would still take, which is read with a hundred times its bytes.
func TestALargeGoModIsNotRead(t *testing.T) {
	body := []byte("module x\n" + strings.Repeat("require a.b/c v1.0.0\n", 16<<20/21))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	walk := New(host)
	got := urls(walk.Answered(match(t, "/example.com/a/@v/v1.0.0.mod"), body, 0))
	runtime.ReadMemStats(&after)
	same(t, "wanted", got, "")
	atMost(t, "bytes", int(after.TotalAlloc-before.TotalAlloc), 64<<20)
}

// A directory vendor stands for what is fetched, unless the command says otherwise.
func TestAVendoredProjectIsLeftAlone(t *testing.T) {
	roots := required("m", 20)
	at := inProject(t, roots, roots)
	for name, text := range map[string]string{"vendor/modules.txt": "# example.com/m000 v1.0.0\n", "other.mod": "module m\ngo 1.21\nrequire example.com/o v1.0.0\n"} {
		file := filepath.Join(at.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for command, want := range map[string]int{
		"go build ./...": 0, "go test ./...": 0, "go list -m all": 0, "go build -mod=mod ./...": 20, "go build -mod readonly": 20,
		"go mod download": 60, "go mod vendor": 20, "go get example.com/m000@v1.1.0": 21, "go mod graph": 20, "go mod why -m example.com/m000": 40,
		"go mod verify": 20, "go tool stringer": 0, "go tool -mod=mod stringer -mod=vendor": 20,
		"go build -modfile=other.mod -mod=mod": 1, "go -modfile other.mod mod download": 3,
	} {
		same(t, command, len(New(host).Project(at.dir, strings.Fields(command))), want)
	}
}
