package prefetch

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hither/forward/fetch"
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
		got := urls(NewGo(host).Project(t.TempDir(), strings.Fields(line)))
		same(t, line, got, want)
	}
}

// TestOnlyWhatMayBeAPackageIsLookedForAbove has go list -m, which names modules.
func TestOnlyWhatMayBeAPackageIsLookedForAbove(t *testing.T) {
	for line, want := range map[string]bool{
		"go get example.com/x/a@latest": true, "go install example.com/x/a@latest": true,
		"go list -m example.com/x/a@latest": false, "go list -m -versions example.com/x/a": false,
	} {
		walk := NewGo(host)
		walk.Project(t.TempDir(), strings.Fields(line))
		got := urls(walk.Answered(match(t, "/example.com/x/a/@v/list"), []byte("v1.0.0\n"), 1))
		same(t, line, strings.Contains(got, "/example.com/x/@v/list"), want)
	}
}

// TestNoToolchainIsTheNewest has go get toolchain@latest, which reads the list and nothing of what it names.
func TestNoToolchainIsTheNewest(t *testing.T) {
	walk := NewGo(host)
	list := match(t, "/golang.org/toolchain/@v/list")
	walk.Asked(list)
	same(t, "wants", urls(walk.Answered(list, []byte("v0.0.1-go1.9.2.linux-amd64\nv0.0.1-go1.26.0.aix-ppc64\n"), 0)), "")
}

// TestAPatchIsNotTheNewest has go get -u=patch, which stays with the version that is required, but for its last number.
func TestAPatchIsNotTheNewest(t *testing.T) {
	roots, _ := outdated(4)
	w := world{Prefetcher: &Prefetcher{}}
	inProject(t, roots, roots, "go", "get", "-u=patch", "./...")(&w)
	at, _ := w.Project(fetch.Client{})
	walk := NewGo(host)
	same(t, "the lists of what is required", strings.Count(urls(walk.Project(at.Dir, at.Args)), "/@v/list"), 4)
	walk.Answered(match(t, "/example.com/a002/@v/list"), []byte("v1.0.0\nv1.1.0\n"), 1)
	got := urls(walk.Asked(match(t, "/example.com/a002/@v/v1.0.0.zip")))
	same(t, "a newest zip", strings.Contains(got, "v1.1.0.zip"), false)
}

// TestARefusedGuessIsNoFailureOfTheRegistry has one that refuses all that may be above packages, or fails at it.
func TestARefusedGuessIsNoFailureOfTheRegistry(t *testing.T) {
	for _, c := range []struct {
		status int
		rests  bool
	}{{http.StatusForbidden, false}, {http.StatusUnauthorized, false}, {http.StatusBadGateway, true}, {http.StatusTooManyRequests, true}} {
		roots, all := outdated(2)
		inWorld(t, inProject(t, roots, roots), func(w *world) {
			w.publish(1000, all)
			w.denied = func(url string) int {
				if strings.Contains(url, "corp.example") {
					return c.status
				}
				return 0
			}
			at, _ := w.Project(fetch.Client{})
			at.PID, at.Has, at.Args = 7, hasNone, strings.Fields("go get")
			for i := range 6 * maxFailures { // the few that come meanwhile are no help
				at.Args = append(at.Args, fmt.Sprintf("corp.example/a%d@latest", i))
			}
			w.Begin("proxy.golang.org", at)
			time.Sleep(5 * time.Second)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.Prefetcher.mu.Lock()
			defer w.Prefetcher.mu.Unlock()
			same(t, fmt.Sprint("the registry rests after ", c.status), w.now().Before(w.laneOf("go").rest), c.rests)
		})
	}
}
