package prefetch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/semver"

	"hither/forward/fetch"
)

// outdated is a project of some modules, each of which has a newer version of another kind: one that before go 1.17 requires much.
func outdated(n int) (roots []string, all map[string]mod) {
	all = make(map[string]mod)
	for i := range n {
		id := fmt.Sprintf("example.com/a%03d@v1.0.0", i)
		roots, all[id] = append(roots, id), mod{}
		newest := mod{old: true}
		for j := range 5 {
			deep := fmt.Sprintf("example.com/deep%03d@v1.%d.0", i, j)
			newest.requires, all[deep] = append(newest.requires, deep), mod{old: true}
		}
		all[fmt.Sprintf("example.com/a%03d@v1.1.0", i)] = newest
	}
	return roots, all
}

// list has the registry tell which versions there are.
func (w *world) list(path string, versions ...string) {
	w.bodies[host+"/"+path+"/@v/list"] = []byte(strings.Join(versions, "\n") + "\n")
}

func (w *world) listAll(roots []string) {
	for _, r := range roots {
		path, _, _ := strings.Cut(r, "@")
		w.list(path, "v1.0.0", "v1.1.0")
	}
}

// updates is `go list -m -u all`: n modules at a time, of each one thing after another.
func (g *gopher) updates(n int, roots []string) {
	list := g.graph(n, roots)
	var todo []string
	for path, version := range list {
		todo = append(todo, path+"@"+version)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, n)
	for _, id := range sorted(todo) {
		path, version, _ := strings.Cut(id, "@")
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			g.get("/" + path + "/@v/" + version + ".info")
			g.newest(path)
		})
	}
	wg.Wait()
}

// newest is modload.Query for the latest version, and the go.mod that tells of retractions.
func (g *gopher) newest(path string) (best string) {
	for line := range strings.Lines(string(g.get("/" + path + "/@v/list"))) {
		if v := strings.TrimSpace(line); semver.Compare(v, best) > 0 {
			best = v
		}
	}
	if best != "" {
		g.get("/" + path + "/@v/" + best + ".info")
		g.get("/" + path + "/@v/" + best + ".mod")
	}
	return best
}

// TestUpdatesComeAhead has go list -m -u all, which takes four round trips for every eight modules by itself.
func TestUpdatesComeAhead(t *testing.T) {
	const n = 80
	for _, c := range []struct {
		why    string
		args   []string
		rounds float64
	}{
		{"where nothing is known of the client", nil, 22},
		{"where its arguments tell", []string{"go", "list", "-m", "-u", "all"}, 6},
	} {
		t.Run(c.why, func(t *testing.T) {
			roots, all := outdated(n)
			inWorld(t, func(w *world) {
				if c.args != nil {
					inProject(t, roots, roots, c.args...)(w)
				}
			}, func(w *world) {
				w.publish(1000, all)
				w.listAll(roots)
				atMost(t, "rounds", took(func() { w.client(1).updates(8, roots) }), c.rounds)
				time.Sleep(2 * delay)
				same(t, "lists", w.asked("/list"), n)
				same(t, "go.mod files, none that only a newest version requires", w.asked(".mod"), 2*n)
				same(t, ".info", w.asked(".info"), 2*n)
				same(t, "zips", w.asked(".zip"), 0)
				same(t, "wasted", w.balance().Wasted, 0)
			})
		})
	}
}

// TestAFewListsSayNothingOfOthers has clients that look for two modules only.
func TestAFewListsSayNothingOfOthers(t *testing.T) {
	roots, all := outdated(20)
	inWorld(t, nil, func(w *world) {
		w.publish(1000, all)
		w.listAll(roots)
		g := w.client(1)
		g.graph(8, roots)
		g.newest("example.com/a003")
		g.newest("example.com/a007")
		time.Sleep(2 * delay)
		same(t, "lists", w.asked("/list"), 2)
	})
}

// TestAQueryGoesOn has the walk follow lists of several kinds.
func TestAQueryGoesOn(t *testing.T) {
	for _, c := range []struct{ why, list, want string }{
		{"a release", "v1.0.0\nv1.1.0\n", "v1.1.0.info v1.1.0.mod"},
		{"the latest commit in any case", "v1.0.0\nv0.0.0-20200102030405-abcdefabcdef\n", "v0.0.0-20200102030405-abcdefabcdef.info v1.0.0.info v1.0.0.mod"},
		{"nothing tagged", "", "@latest"},
		{"what may be incompatible", "v1.0.0\nv2.0.0+incompatible\n", "v1.0.0.mod"},
		{"incompatible ones alone", "v2.0.0+incompatible\n", "v2.0.0+incompatible.info v2.0.0+incompatible.mod"},
	} {
		walk := NewGo(host)
		list := match(t, "/example.com/a/@v/list")
		same(t, c.why+": asked", urls(walk.Asked(list)), "")
		same(t, c.why+": it is read", walk.Reads(list), true)
		got := urls(walk.Answered(list, []byte(c.list), 0))
		got = strings.ReplaceAll(strings.ReplaceAll(got, "/example.com/a/@v/", ""), "/example.com/a/", "")
		same(t, c.why, got, c.want)
		same(t, c.why+": again", walk.Reads(list), false)
	}
}

// TestAGoModDecidesWhichVersionsCount has a module with versions that are +incompatible: they count if the last other one has no
// go.mod, so that the proxy makes one up.
func TestAGoModDecidesWhichVersionsCount(t *testing.T) {
	for body, want := range map[string]string{
		"module example.com/a\n":            "v2.0.0+incompatible",
		"module example.com/a\n\ngo 1.21\n": "v1.0.0",
	} {
		walk := NewGo(host)
		list := match(t, "/example.com/a/@v/list")
		walk.Asked(list)
		walk.Answered(list, []byte("v1.0.0\nv2.0.0+incompatible\n"), 0)
		got := urls(walk.Answered(match(t, "/example.com/a/@v/v1.0.0.mod"), []byte(body), 1))
		same(t, body, got, "/example.com/a/@v/"+want+".info /example.com/a/@v/"+want+".mod")
	}
}

// TestAModuleWithoutVersionsIsKnownByItsLatestCommit follows @latest, which a registry need not have.
func TestAModuleWithoutVersionsIsKnownByItsLatestCommit(t *testing.T) {
	const listed, told = "v0.0.0-20200102030405-abcdefabcdef", "v0.0.0-20210102030405-abcdefabcdef"
	for body, want := range map[string]string{"": listed, `{"Version":"` + told + `"}`: told} {
		walk := NewGo(host)
		list, latest := match(t, "/example.com/a/@v/list"), match(t, "/example.com/a/@latest")
		walk.Asked(list)
		same(t, "of the list", urls(walk.Answered(list, []byte(listed+"\n"), 0)), "/example.com/a/@v/"+listed+".info /example.com/a/@latest")
		var got []byte
		if body != "" {
			got = []byte(body)
		}
		same(t, "of the latest "+body, urls(walk.Answered(latest, got, 1)), "/example.com/a/@v/"+want+".info /example.com/a/@v/"+want+".mod")
	}
}

// TestAnUpgradeBringsTheZipsThatAreNeeded has go get -u: the newest zip of a module follows that which is required, and no other does.
func TestAnUpgradeBringsTheZipsThatAreNeeded(t *testing.T) {
	roots, _ := outdated(4)
	w := world{Prefetcher: &Prefetcher{}}
	inProject(t, roots, roots, "go", "get", "-u", "./...")(&w)
	at, _ := w.Project(fetch.Client{})
	walk := NewGo(host)
	first := urls(walk.Project(at.Dir, at.Args))
	same(t, "the lists of what is required", strings.Count(first, "/@v/list"), 4)
	for i := range 4 {
		walk.Answered(match(t, fmt.Sprintf("/example.com/a%03d/@v/list", i)), []byte("v1.0.0\nv1.1.0\n"), 1)
	}
	got := urls(walk.Asked(match(t, "/example.com/a002/@v/v1.0.0.zip")))
	same(t, "with the zip of one the newest of it", strings.Contains(got, "/example.com/a002/@v/v1.1.0.zip"), true)
	same(t, "and no other", strings.Count(got, "v1.1.0.zip"), 1)
}

// TestAPackageIsLookedForAbove has go get of a package: what is above it is asked for only after it, so that what is private, and
// never gets an answer, has nothing above it told.
func TestAPackageIsLookedForAbove(t *testing.T) {
	for _, c := range []struct {
		private []string
		want    string
	}{
		{nil, "/corp.example /corp.example/team /corp.example/team/tool /corp.example/team/tool/cmd"},
		{[]string{"corp.example/team/tool/*"}, ""},
	} {
		roots, all := outdated(2)
		inWorld(t, inProject(t, roots, roots), func(w *world) {
			w.publish(1000, all)
			at, _ := w.Project(fetch.Client{})
			at.PID, at.Args, at.Has, at.Private = 7, []string{"go", "get", "corp.example/team/tool/cmd@latest"}, hasNone, c.private
			w.Begin("proxy.golang.org", at)
			time.Sleep(5 * time.Second)
			var got []string
			for _, url := range w.sent() {
				if path, ok := strings.CutSuffix(strings.TrimPrefix(url, host), "/@v/list"); ok {
					got = append(got, path)
				}
			}
			same(t, fmt.Sprint("lists, private ", c.private), strings.Join(sorted(got), " "), c.want)
		})
	}
}

// TestAFoundPackageBringsItsZip has a client that asks for a path above a module too, and so looks for packages.
func TestAFoundPackageBringsItsZip(t *testing.T) {
	for _, c := range []struct {
		why   string
		asked []string
		want  bool
	}{
		{"go list -m -versions", []string{"/example.com/x/tool/@v/list"}, false},
		{"go get", []string{"/example.com/x/tool/@v/list", "/example.com/x/@v/list"}, true},
	} {
		walk := NewGo(host)
		for _, path := range c.asked {
			walk.Asked(match(t, path))
		}
		walk.Answered(match(t, c.asked[0]), []byte("v1.0.0\n"), 0)
		got := urls(walk.Asked(match(t, "/example.com/x/tool/@v/v1.0.0.mod")))
		same(t, c.why, strings.Contains(got, ".zip"), c.want)
	}
}

// TestWhatMayHoldAPackageBringsNoZip has go get of a package in one version: the zip of the module that is there is asked for while
// the paths above and below it have not been answered.
func TestWhatMayHoldAPackageBringsNoZip(t *testing.T) {
	walk := NewGo(host)
	for _, path := range []string{"/example.com", "/example.com/x", "/example.com/x/tool", "/example.com/x/tool/cmd", "/example.com/xyz"} {
		walk.Asked(match(t, path+"/@v/v1.0.0.info"))
	}
	got := urls(walk.Asked(match(t, "/example.com/x/tool/@v/v1.0.0.zip")))
	same(t, "wants", got, "/example.com/x/tool/@v/v1.0.0.zip /example.com/xyz/@v/v1.0.0.zip /example.com/x/tool/@v/v1.0.0.mod /example.com/x/tool/@v/v1.0.0.info")
}

func TestWhatIsQueried(t *testing.T) {
	for line, want := range map[string]string{
		"go list -m -u all": "updates", "go list -u -m all": "updates", "go list -m all": "", "go list -u ./...": "",
		"go list -m -versions golang.org/x/text": "golang.org/x/text", "go list -m golang.org/x/text": "",
		"go list -m golang.org/x/text@latest": "golang.org/x/text", "go list -m -u golang.org/x/text": "golang.org/x/text",
		"go get -u ./...": "upgrades", "go get -u": "upgrades", "go get -t -u=patch all": "upgrades", "go get ./...": "",
		"go get example.com/a@latest example.com/b@none": "example.com/a", "go get -u example.com/a": "example.com/a",
		"go install example.com/a/cmd/x@latest": "example.com/a/cmd/x", "go install ./cmd/x": "",
		"go run example.com/a@v1 example.com/b@v1": "example.com/a", "go test ./... -run a@b": "", "go mod tidy": "", "npm ci": "",
	} {
		c := readGoCommand(strings.Fields(line))
		got := slices.Clone(c.queries)
		if c.updates {
			got = append(got, "updates")
		}
		if c.upgrades {
			got = append(got, "upgrades")
		}
		same(t, line, strings.Join(got, " "), want)
	}
}

// TestAToolIsLookedForOutsideOfAnyProject has no go.mod at all.
func TestAToolIsLookedForOutsideOfAnyProject(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := urls(NewGo(host).Project(dir, strings.Fields("go install example.com/tool@latest")))
	same(t, "wants", got, "/example.com/tool/@v/list")
}

// TestArgumentsSayMoreThanLists has a client that looks for three modules of its project: of others only if nothing says that these
// are all.
func TestArgumentsSayMoreThanLists(t *testing.T) {
	roots, _ := outdated(5)
	for _, c := range []struct {
		line string
		want int
	}{
		{"go get example.com/a000 example.com/a001 example.com/a002", 0},
		{"", 5},
	} {
		w := world{Prefetcher: &Prefetcher{}}
		inProject(t, roots, roots, strings.Fields(c.line)...)(&w)
		walk := NewGo(host)
		if c.line != "" {
			at, _ := w.Project(fetch.Client{})
			walk.Project(at.Dir, at.Args)
		}
		for i := range roots {
			walk.Asked(match(t, fmt.Sprintf("/example.com/a%03d/@v/v1.0.0.mod", i)))
		}
		got := ""
		for i := range fewLists {
			got += urls(walk.Asked(match(t, fmt.Sprintf("/example.com/a%03d/@v/list", i))))
		}
		same(t, "lists with "+c.line, strings.Count(got, "/@v/list"), c.want)
	}
}
