package npm

import (
	"encoding/json"
	"os"
	"testing"

	"hither/forward/prefetch/npm/semver"
	"hither/forward/project"
)

// testdata/picks.json is what npm-pick-manifest chose; testdata/generate.js wrote it.
func TestPicksAreNpms(t *testing.T) {
	data, err := os.ReadFile("testdata/picks.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Doc   json.RawMessage
		Cases [][4]string // Node's version, the tag latest, what is asked for, what npm chose
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) < 400 {
		t.Fatalf("only %d cases", len(golden.Cases))
	}
	doc, ok := readPackument("p", golden.Doc)
	if !ok {
		t.Fatal("the packument cannot be read")
	}
	for _, c := range golden.Cases {
		var m machine
		m.node, _ = semver.ParseVersion(c[0], false)
		doc.tags["latest"] = c[1]
		got := ""
		if _, want, ok := parseRequest("p", c[2]); ok {
			if r := doc.pick(want, m); r != nil {
				got = r.id
			}
		}
		if got != c[3] {
			t.Errorf("%q with Node %q and latest %s\n got %q\nwant %q", c[2], c[0], c[1], got, c[3])
		}
	}
}

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		why, name, spec, want string
		kind                  kind
	}{
		{"a range", "a", "^1.2", "a ^1.2", byRange},
		{"blanks around it", "a", " 1.x ", "a 1.x", byRange},
		{"no range is any", "a", "", "a *", byRange},
		{"a version", "a", "=v1.2.3+build", "a 1.2.3", byVersion},
		{"a tag", "a", "next", "a next", byTag},
		{"a scope", "@s/a", "1", "@s/a 1", byRange},
		{"an alias", "a", "npm:b@^2", "b ^2", byRange},
		{"an alias of a scope", "a", "npm:@s/b@next", "@s/b next", byTag},
		{"an alias without a range", "a", "NPM:@s/b", "@s/b *", byRange},
		{"a directory", "a", "file:../a", "", 0},
		{"a path", "a", "../a", "", 0},
		{"a file", "a", "a-1.0.0.tgz", "", 0},
		{"a repository", "a", "user/repo#semver:^1", "", 0},
		{"a repository's URL", "a", "git+https://example.org/a.git", "", 0},
		{"a tarball elsewhere", "a", "https://example.org/a.tgz", "", 0},
		{"a workspace", "a", "workspace:*", "", 0},
		{"a name that leads out", "../a", "1", "", 0},
		{"a name with two slashes", "@s/a/b", "1", "", 0},
		{"a name with a question", "a?b", "1", "", 0},
		{"a name of the registry's own", "-/a", "1", "", 0},
		{"a tag that no URL holds", "a", "a b%", "", 0},
	} {
		t.Run(c.why, func(t *testing.T) {
			name, want, ok := parseRequest(c.name, c.spec)
			got := ""
			if ok {
				got = name + " " + want.text
			}
			if got != c.want || ok && want.kind != c.kind {
				t.Errorf("%s@%s\n got %q, kind %d\nwant %q, kind %d", c.name, c.spec, got, want.kind, c.want, c.kind)
			}
		})
	}
}

func TestMachines(t *testing.T) {
	m := machine{Platform: project.Platform{OS: "linux", CPU: "x64", Libc: "glibc"}}
	for _, c := range []struct {
		sheet string
		want  bool
	}{
		{`{}`, true},
		{`{"os":["darwin"]}`, false},
		{`{"os":["!win32"],"cpu":["x64","arm64"]}`, true},
		{`{"os":"linux","cpu":["!x64"]}`, false},
		{`{"os":["any"],"libc":["glibc"]}`, true},
		{`{"libc":["musl"]}`, false},
	} {
		var sheet factSheet
		if err := json.Unmarshal([]byte(c.sheet), &sheet); err != nil {
			t.Fatal(err)
		}
		if got := m.runs(&sheet); got != c.want {
			t.Errorf("%s\n got %v\nwant %v", c.sheet, got, c.want)
		}
	}
}

// TestSheetsAreReadOnlyIfTheyMatter keeps the choice of a version cheap while nobody knows which Node it is for.
func TestSheetsAreReadOnlyIfTheyMatter(t *testing.T) {
	doc, ok := readPackument("x", []byte(`{"dist-tags":{"latest":"3.0.0"},"versions":{
		"1.0.0":{"engines":{"node":">=1"}},"1.1.0":{"engines":{"node":">=2"}},"3.0.0":{"engines":{"node":">=3"}}}}`))
	_, want, _ := parseRequest("x", "^1.0.0")
	same(t, "read", ok, true)
	same(t, "chosen", doc.pick(want, machine{}).id, "1.1.0")
	for _, f := range doc.facts {
		same(t, f.raw, f.read == nil, true)
	}
}
