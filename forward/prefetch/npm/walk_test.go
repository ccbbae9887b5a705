package npm

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hither/forward/project"
	"hither/rules"
	rulesd "hither/rules.d"
)

const registry = "https://registry.npmjs.org"

// world is a registry, and what npm asked of it.
type world struct {
	t        *testing.T
	rules    *rules.Set
	registry map[string]json.RawMessage
	golden   struct {
		Machine              struct{ OS, CPU string }
		Project              json.RawMessage
		Packuments, Tarballs []string // in the order of npm 11
	}
	walk  *Walk
	ahead []string // paths that were wanted, in order
}

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	var err error
	if w.rules, err = rules.Load(rulesd.Files); err != nil {
		t.Fatal(err)
	}
	for name, into := range map[string]any{"registry.json": &w.registry, "asked.json": &w.golden} {
		data, err := os.ReadFile("testdata/" + name)
		if err == nil {
			err = json.Unmarshal(data, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.walk = New(registry)
	w.walk.machine = machine{Platform: project.Platform{OS: w.golden.Machine.OS, CPU: w.golden.Machine.CPU, Libc: "glibc"}}
	return w
}

func (w *world) match(path, accept string) rules.Match {
	u, err := url.Parse(registry + path)
	if err != nil {
		w.t.Fatal(err)
	}
	m, ok := w.rules.Match(u.Host, rules.Query{URL: u, Accept: []string{accept}})
	if !ok {
		w.t.Fatalf("no rule for %s", u)
	}
	return m
}

// fetch brings what is wanted, at once, and what is wanted because of that.
func (w *world) fetch(wants []project.Want, depth int) {
	for _, want := range wants {
		path, ok := strings.CutPrefix(want.URL, registry)
		if !ok || want.Why == "" {
			w.t.Errorf("a want of %+v", want)
		}
		if slices.Contains(w.ahead, path) {
			continue
		}
		w.ahead = append(w.ahead, path)
		if !want.Bulk {
			w.bring(path, want.Accept[0], depth)
		}
	}
}

func (w *world) bring(path, accept string, depth int) {
	m := w.match(path, accept)
	if w.walk.Reads(m) { // of what is not there, too
		w.fetch(w.walk.Answered(m, w.registry[path], depth), depth+1)
	}
}

// ask is a request of the client. False: it was not wanted before.
func (w *world) ask(path, accept string) bool {
	known := slices.Contains(w.ahead, path)
	w.fetch(w.walk.Asked(w.match(path, accept)), 1)
	if !strings.HasSuffix(path, ".tgz") {
		w.bring(path, accept, 0)
	}
	return known
}

// install asks for all that npm asked, and counts what it had to wait for.
func (w *world) install() (packuments, tarballs int) {
	for _, path := range w.golden.Packuments {
		if !w.ask(path, full) {
			packuments++
		}
	}
	for _, path := range w.golden.Tarballs {
		if !w.ask(path, "*/*") {
			tarballs++
		}
	}
	return packuments, tarballs
}

// extra are what was wanted, and never asked for.
func (w *world) extra() (packuments, tarballs []string) {
	for _, path := range w.ahead {
		switch bulk := strings.HasSuffix(path, ".tgz"); {
		case bulk && !slices.Contains(w.golden.Tarballs, path):
			tarballs = append(tarballs, path)
		case !bulk && !slices.Contains(w.golden.Packuments, path):
			packuments = append(packuments, path)
		}
	}
	return packuments, tarballs
}

func (w *world) project() string {
	dir := w.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "package.json"), w.golden.Project, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

func TestNPMWithAProjectWantsWhatNPMAsks(t *testing.T) {
	w := newWorld(t)
	w.fetch(w.walk.Project(w.project(), []string{"npm install", "", ""}), 1)
	packuments, tarballs := w.install()
	if packuments > 0 || tarballs > 1 { // with the first it says that its tree is done
		t.Errorf("npm waited for %d packuments and %d tarballs", packuments, tarballs)
	}
	morePackuments, moreTarballs := w.extra()
	if len(morePackuments)*20 > len(w.golden.Packuments) || len(moreTarballs)*20 > len(w.golden.Tarballs) {
		t.Errorf("for nothing: packuments %v, tarballs %v", morePackuments, moreTarballs)
	}
}

// The golden file has npm's own order, as the registry saw it.
func TestNPMsTarballsAreWantedInItsOrder(t *testing.T) {
	w := newWorld(t)
	w.fetch(w.walk.Project(w.project(), []string{"npm install", "", ""}), 1)
	for _, path := range w.golden.Packuments {
		w.ask(path, full)
	}
	w.ahead = nil
	w.ask(w.golden.Tarballs[0], "*/*")
	const near = 8 // tarballs: who asks for so many behind one has passed it by
	early, late := 0, 0
	for i, path := range w.golden.Tarballs {
		switch at := slices.Index(w.ahead, path); {
		case at < 0:
			t.Logf("%s was not wanted", path)
		case at < i-near:
			early++
		case at > i+2*near:
			late++
		}
	}
	t.Logf("of %d tarballs %d were wanted much earlier than npm asked for them, and %d much later", len(w.golden.Tarballs), early, late)
	if (early+late)*5 > len(w.golden.Tarballs) {
		t.Errorf("of %d tarballs %d were wanted much earlier than npm asked for them, and %d much later", len(w.golden.Tarballs), early, late)
	}
}

func TestNPMWithoutAProjectGuesses(t *testing.T) {
	w := newWorld(t)
	packuments, tarballs := w.install()
	t.Logf("npm waited for %d of %d packuments, and %d of %d tarballs", packuments, len(w.golden.Packuments), tarballs, len(w.golden.Tarballs))
	if packuments*3 > len(w.golden.Packuments) {
		t.Errorf("npm waited for %d of %d packuments", packuments, len(w.golden.Packuments))
	}
	more, moreTarballs := w.extra()
	t.Logf("for nothing: %d packuments, %d tarballs", len(more), len(moreTarballs))
	if len(more) > len(w.golden.Packuments) {
		t.Errorf("for nothing: %v", more)
	}
}

func TestNPMWantsNoTarballBeforeOneIsAskedFor(t *testing.T) {
	w := newWorld(t)
	for _, path := range w.golden.Packuments {
		w.ask(path, full)
	}
	if slices.ContainsFunc(w.ahead, func(path string) bool { return strings.HasSuffix(path, ".tgz") }) {
		t.Errorf("wanted %v", w.ahead)
	}
}

func TestNPMWantsTheVariantAndTheDigestsOfTheClient(t *testing.T) {
	for _, c := range []struct {
		why, accept string
		args        []string
		claims      bool
	}{
		{"npm 11", full, nil, true},
		{"pnpm", short, []string{"node", "/usr/bin/pnpm.cjs", "install"}, false},
		{"somebody who asks as pnpm does", short, nil, false},
		{"npm 10, which asks as pnpm does", short, []string{"npm install"}, true},
	} {
		t.Run(c.why, func(t *testing.T) {
			w := newWorld(t)
			if c.args != nil {
				w.walk.Project("", c.args)
			}
			m := w.match("/chalk", c.accept)
			w.walk.Asked(m)
			wants := w.walk.Answered(m, w.registry["/chalk"], 0)
			wants = append(wants, w.walk.Asked(w.match("/nothing/-/nothing-1.0.0.tgz", "*/*"))...)
			var tarballs int
			for _, want := range wants {
				switch {
				case !want.Bulk && !slices.Equal(want.Accept, []string{c.accept}):
					t.Errorf("%s with %q", want.URL, want.Accept)
				case want.Bulk:
					tarballs++
					if (want.Digest != "") != c.claims {
						t.Errorf("%s with the digest %q", want.URL, want.Digest)
					}
				}
			}
			if tarballs == 0 {
				t.Error("no tarball was wanted")
			}
		})
	}
}

func TestNPMWithALockFile(t *testing.T) {
	const lock = `{"lockfileVersion":3,"packages":{"":{},"node_modules/chalk":{"version":"4.1.2","resolved":"https://registry.npmjs.org/chalk/-/chalk-4.1.2.tgz"},
		"node_modules/react":{"version":"17.0.2"}}}`
	tgz := []string{"/react/-/react-17.0.2.tgz", "/chalk/-/chalk-4.1.2.tgz"} // npm asks from the last to the first
	for _, c := range []struct {
		why, command string
		installed    bool
		want         []string
	}{
		{"npm ci wants the tarballs, and where a package is whose address is left out", "npm ci", true, append([]string{"/react"}, tgz...)},
		{"so does npm install", "npm install", false, append([]string{"/react"}, tgz...)},
		{"but not where something is installed", "npm install", true, nil},
		{"bun knows the address", "bun install", false, tgz},
		{"npm update asks what is new", "npm update", false, []string{"/chalk"}},
		{"a package that is added", "npm install left-pad@1", true, []string{"/left-pad"}},
		{"what installs nothing wants nothing", "npm view chalk", false, nil},
		{"elsewhere than here", "npx cowsay@1 hello", false, []string{"/cowsay"}},
		{"some other program", "curl install", false, nil},
	} {
		t.Run(c.why, func(t *testing.T) {
			w := newWorld(t)
			dir := t.TempDir()
			for name, text := range map[string]string{"package.json": `{"dependencies":{"chalk":"^4"}}`, "package-lock.json": lock} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, made := range append([]string{"", ".cache"}, map[bool][]string{true: {"chalk"}}[c.installed]...) { // bun's come first
				if err := os.Mkdir(filepath.Join(dir, "node_modules", made), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, want := range w.walk.Project(dir, []string{c.command}) {
				got = append(got, strings.TrimPrefix(want.URL, registry))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s\n got %q\nwant %q", c.command, got, c.want)
			}
		})
	}
}

func TestNPMThatInstallsNothingIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.walk.Project("", []string{"npm view chalk"})
	w.ask("/chalk", full)
	if len(w.ahead) > 0 {
		t.Errorf("wanted %v", w.ahead)
	}
}

func TestNPMTarballsElsewhere(t *testing.T) {
	w := New("https://npm.example.org")
	for _, c := range []struct{ why, at, want string }{
		{"npm's own registry is the one in use", "http://registry.npmjs.org/a/-/a-1.tgz", "https://npm.example.org/a/-/a-1.tgz"},
		{"the registry itself", "https://npm.example.org/a/-/a-1.tgz", "https://npm.example.org/a/-/a-1.tgz"},
		{"another host stays", "https://cdn.example.org/a%20b.tgz#x", "https://cdn.example.org/a%20b.tgz"},
		{"but not without TLS", "http://cdn.example.org/a.tgz", ""},
		{"nor with a password", "https://u:p@cdn.example.org/a.tgz", ""},
		{"nor with a question", "https://cdn.example.org/a.tgz?token=1", ""},
		{"no URL", "a.tgz", ""},
		{"no host", "file:///etc/passwd", ""},
	} {
		if got, ok := w.tarballURL(c.at); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s: %s\n got %q, %v\nwant %q", c.why, c.at, got, ok, c.want)
		}
	}
}

// A registry that names packages without end, and ranges without end, costs bounded memory and time.
func TestNPMIsBounded(t *testing.T) {
	w := newWorld(t)
	var many strings.Builder
	for i := range maxPackages + 100 {
		fmt.Fprintf(&many, `,"p%d":"^1"`, i)
	}
	m := w.match("/big", full)
	w.walk.Asked(m)
	wants := w.walk.Answered(m, []byte(`{"dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"dependencies":{"x":"1"`+many.String()+`}}}}`), 0)
	if len(wants) >= maxPackages || len(w.walk.packages) > maxPackages {
		t.Errorf("%d wants, %d packages", len(wants), len(w.walk.packages))
	}
	w.walk.Most = w.walk.releases
	if w.walk.Reads(w.match("/p1", full)) {
		t.Error("it goes on although it keeps as much as it may")
	}
	w.walk.Most, w.walk.work = 0, maxWork
	if w.walk.Reads(w.match("/p1", full)) {
		t.Error("it goes on although its work is done")
	}
}

// What the project asks for first, one after another, says nothing about versions; what follows does.
func TestNPMLearnsWhichVersionTheProjectWants(t *testing.T) {
	w := newWorld(t)
	version := func(needs string) string {
		return `{"dependencies":{` + needs + `},"dist":{"tarball":"https://registry.npmjs.org/x/-/x.tgz"}}`
	}
	w.registry["/tool"] = json.RawMessage(`{"dist-tags":{"latest":"3.0.0"},"versions":{
		"1.0.0":` + version(`"other":"1","oldest":"1"`) + `,"2.0.0":` + version(`"old":"1","older":"1"`) + `,"3.0.0":` + version(`"new":"1"`) + `}}`)
	for _, step := range []struct{ why, ask, want string }{
		{"latest is assumed", "/tool", "/new"},
		{"another of the project's packages", "/other", ""},
		{"the assumption seems right", "/new", ""},
		{"and is not", "/old", "/older"},
		{"one correction is enough", "/oldest", ""},
	} {
		w.ahead = nil
		w.ask(step.ask, full)
		if got := strings.Join(w.ahead, " "); got != step.want {
			t.Errorf("%s: %s\n got %q\nwant %q", step.why, step.ask, got, step.want)
		}
	}
}

// npm asks for npm, and pnpm for pnpm, to tell of a newer one. Nobody installs that because of it: npm's tarball has 3 MB.
func TestNPMsQuestionForItselfLeadsNowhere(t *testing.T) {
	for _, name := range []string{"npm", "pnpm"} {
		doc := []byte(`{"dist-tags":{"latest":"2.0.0"},"versions":{"2.0.0":{"dependencies":{"a":"^1.0.0"},"dist":{"tarball":"https://registry.npmjs.org/` + name + `/-/` + name + `-2.0.0.tgz"}}}}`)
		w := newWorld(t)
		m := w.match("/"+name, full)
		wants := w.walk.Project("", []string{name, "install"})
		wants = append(wants, w.walk.Asked(m)...)
		same(t, name+": is read", w.walk.Reads(m), false)
		wants = append(wants, w.walk.Answered(m, doc, 0)...)
		same(t, name+": wanted", len(wants), 0)
		w = newWorld(t)
		same(t, name+": wanted by name", len(w.walk.Project("", []string{"npm", "install", "-g", name})), 1)
		same(t, name+": wanted by name, then", len(w.walk.Answered(m, doc, 1)), 1) // what it needs
	}
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func atMost(t *testing.T, what string, got, want int) {
	t.Helper()
	if got > want {
		t.Errorf("%s:\n got %v\nwant at most %v", what, got, want)
	}
}
