package golang

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAQueryGoesOn has the walk follow lists of several kinds.
func TestAQueryGoesOn(t *testing.T) {
	for _, c := range []struct{ why, list, want string }{
		{"a release", "v1.0.0\nv1.1.0\n", "v1.1.0.info v1.1.0.mod"},
		{"the latest commit in any case", "v1.0.0\nv0.0.0-20200102030405-abcdefabcdef\n", "v0.0.0-20200102030405-abcdefabcdef.info v1.0.0.info v1.0.0.mod"},
		{"nothing tagged", "", "@latest"},
		{"what may be incompatible", "v1.0.0\nv2.0.0+incompatible\n", "v1.0.0.mod"},
		{"incompatible ones alone", "v2.0.0+incompatible\n", "v2.0.0+incompatible.info v2.0.0+incompatible.mod"},
	} {
		walk := New(host)
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
		walk := New(host)
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
		walk := New(host)
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
	roots := required("a", 4)
	at := inProject(t, roots, roots, "go", "get", "-u", "./...")
	walk := New(host)
	first := urls(walk.Project(at.dir, at.args))
	same(t, "the lists of what is required", strings.Count(first, "/@v/list"), 4)
	for i := range 4 {
		walk.Answered(match(t, fmt.Sprintf("/example.com/a%03d/@v/list", i)), []byte("v1.0.0\nv1.1.0\n"), 1)
	}
	got := urls(walk.Asked(match(t, "/example.com/a002/@v/v1.0.0.zip")))
	same(t, "with the zip of one the newest of it", strings.Contains(got, "/example.com/a002/@v/v1.1.0.zip"), true)
	same(t, "and no other", strings.Count(got, "v1.1.0.zip"), 1)
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
		walk := New(host)
		for _, path := range c.asked {
			walk.Asked(match(t, path))
		}
		walk.Answered(match(t, c.asked[0]), []byte("v1.0.0\n"), 0)
		got := urls(walk.Asked(match(t, "/example.com/x/tool/@v/v1.0.0.mod")))
		same(t, c.why, strings.Contains(got, ".zip"), c.want)
	}
}

// TestWhatWasBroughtIsLookedAtForRetractions has go get, which asks for the newest go.mod of each module that it brought in an older
// version, and beside which it looked for others.
func TestWhatWasBroughtIsLookedAtForRetractions(t *testing.T) {
	walk := New(host)
	for _, path := range []string{"/example.com/x/tool/@v/list", "/example.com/x/@v/list", "/example.com/x/brought/@v/v1.0.0.zip", "/example.com/x/brought/@v/list"} {
		walk.Asked(match(t, path))
	}
	walk.Answered(match(t, "/example.com/x/brought/@v/list"), []byte("v1.0.0\nv1.1.0\n"), 0)
	same(t, "wants", urls(walk.Asked(match(t, "/example.com/x/brought/@v/v1.1.0.mod"))), "")
}

// TestWhatMayHoldAPackageBringsNoZip has go get of a package in one version: the zip of the module that is there is asked for while
// the paths above and below it have not been answered.
func TestWhatMayHoldAPackageBringsNoZip(t *testing.T) {
	walk := New(host)
	for _, path := range []string{"/example.com", "/example.com/x", "/example.com/x/tool", "/example.com/x/tool/cmd", "/example.com/xyz"} {
		walk.Asked(match(t, path+"/@v/v1.0.0.info"))
	}
	got := urls(walk.Asked(match(t, "/example.com/x/tool/@v/v1.0.0.zip")))
	same(t, "wants", got, "/example.com/x/tool/@v/v1.0.0.zip /example.com/xyz/@v/v1.0.0.zip /example.com/x/tool/@v/v1.0.0.mod /example.com/x/tool/@v/v1.0.0.info")
}

// TestAToolIsLookedForOutsideOfAnyProject has no go.mod at all.
func TestAToolIsLookedForOutsideOfAnyProject(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := urls(New(host).Project(dir, strings.Fields("go install example.com/tool@latest")))
	same(t, "wants", got, "/example.com/tool/@v/list")
}

// TestArgumentsSayMoreThanLists has a client that looks for three modules of its project: of others only if nothing says that these
// are all.
func TestArgumentsSayMoreThanLists(t *testing.T) {
	roots := required("a", 5)
	for _, c := range []struct {
		line string
		want int
	}{
		{"go get example.com/a000 example.com/a001 example.com/a002", 0},
		{"", 5},
	} {
		walk := New(host)
		if c.line != "" {
			at := inProject(t, roots, roots, strings.Fields(c.line)...)
			walk.Project(at.dir, at.args)
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
