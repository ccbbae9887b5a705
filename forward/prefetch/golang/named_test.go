package golang

import (
	"strings"
	"testing"
)

// TestWhatIsNamedIsAskedForAsTheGoCommandDoes has arguments of which some ask for no list, and words that name nothing.
func TestWhatIsNamedIsAskedForAsTheGoCommandDoes(t *testing.T) {
	for line, want := range map[string]string{
		"go install example.com/a/cmd/x@v1.2.3":                  "/example.com/a/cmd/x/@v/v1.2.3.info",
		"go list -m example.com/a@v1.2.3":                        "/example.com/a/@v/v1.2.3.info",
		"go get example.com/a@v1.2.3-rc.1 example.com/b":         "/example.com/b/@v/list /example.com/a/@v/v1.2.3-rc.1.info",
		"go get example.com/a@v2.0.0+incompatible":               "/example.com/a/@v/v2.0.0+incompatible.info",
		"go get example.com/a@master example.com/b@0123abcd":     "",
		"go get example.com/a@v1.2":                              "/example.com/a/@v/list",
		"go get example.com/a@<v2":                               "/example.com/a/@v/list",
		"go get -overlay secret.json -tags corp.go1.21 ./...":    "",
		"go list -m -u -reuse secret.json example.com/a":         "/example.com/a/@v/list",
		"go get -debug-trace corp.trace -debug-actiongraph g.js": "",
		"go get -debug-runtime-trace corp.secret/x":              "",
		"go install -ldflags -X=a.b@c example.com/a@latest":      "/example.com/a/@v/list",
		"go run -exec corp.wrapper@x example.com/a@latest":       "/example.com/a/@v/list",
		"go test ./... -args somebody@corp.example admin.corp@x": "",
		"go generate -run corp.secret@x":                         "",
		"go run . corp.secret@latest":                            "",
	} {
		got := urls(New(host).Project(t.TempDir(), strings.Fields(line)))
		same(t, line, got, want)
	}
}

// TestOnlyWhatMayBeAPackageIsLookedForAbove has go list -m, which names modules.
func TestOnlyWhatMayBeAPackageIsLookedForAbove(t *testing.T) {
	for line, want := range map[string]bool{
		"go get example.com/x/a@latest": true, "go install example.com/x/a@latest": true,
		"go list -m example.com/x/a@latest": false, "go list -m -versions example.com/x/a": false,
	} {
		walk := New(host)
		walk.Project(t.TempDir(), strings.Fields(line))
		got := urls(walk.Answered(match(t, "/example.com/x/a/@v/list"), []byte("v1.0.0\n"), 1))
		same(t, line, strings.Contains(got, "/example.com/x/@v/list"), want)
	}
}

// TestNoToolchainIsTheNewest has go get toolchain@latest, which reads the list and nothing of what it names.
func TestNoToolchainIsTheNewest(t *testing.T) {
	walk := New(host)
	list := match(t, "/golang.org/toolchain/@v/list")
	walk.Asked(list)
	same(t, "wants", urls(walk.Answered(list, []byte("v0.0.1-go1.9.2.linux-amd64\nv0.0.1-go1.26.0.aix-ppc64\n"), 0)), "")
}

// TestAPatchIsNotTheNewest has go get -u=patch, which stays with the version that is required, but for its last number.
func TestAPatchIsNotTheNewest(t *testing.T) {
	roots := required("a", 4)
	at := inProject(t, roots, roots, "go", "get", "-u=patch", "./...")
	walk := New(host)
	same(t, "the lists of what is required", strings.Count(urls(walk.Project(at.dir, at.args)), "/@v/list"), 4)
	walk.Answered(match(t, "/example.com/a002/@v/list"), []byte("v1.0.0\nv1.1.0\n"), 1)
	got := urls(walk.Asked(match(t, "/example.com/a002/@v/v1.0.0.zip")))
	same(t, "a newest zip", strings.Contains(got, "v1.1.0.zip"), false)
}
