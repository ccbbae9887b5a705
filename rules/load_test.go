package rules_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"hither/rules"
	rulesd "hither/rules.d"
)

// dir is a directory of rule files, named by name, content, name, content.
func dir(files ...string) fs.FS {
	d := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		d[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return d
}

func load(t *testing.T, dirs ...fs.FS) *rules.Set {
	t.Helper()
	set, err := rules.Load(dirs...)
	if err != nil {
		t.Fatalf("rules.Load: %v", err)
	}
	return set
}

// small is the shortest good rule file.
const small = `name = "small"
[[host]]
name = "small.test"
[[path]]
match = "/{rest...}"
`

func TestEveryShippedFileLoads(t *testing.T) {
	var names []string
	for _, rule := range load(t, rulesd.Files).Rules() {
		names = append(names, rule.Name+" of "+rule.File)
	}
	if got, want := strings.Join(names, ", "), "docker of docker.toml, go of go.toml, npm of npm.toml, yarn of yarn.toml"; got != want {
		t.Errorf("rules\ngot:  %s\nwant: %s", got, want)
	}
}

// A person who reads the files must find a reason beside each mirror that is off, and beside each trust without a notary.
func TestEveryTrustInTheShippedFilesHasItsReason(t *testing.T) {
	for _, rule := range load(t, rulesd.Files).Rules() {
		on := 0
		for _, mirror := range rule.Mirrors {
			if mirror.Off == "" {
				on++
			}
			if !strings.HasPrefix(mirror.URL, "https://") {
				t.Errorf("%s: the mirror %s is not https", rule.File, mirror.URL)
			}
		}
		if on < 2 {
			t.Errorf("%s: %d mirrors are on, want two or more", rule.File, on)
		}
		for _, path := range rule.Paths {
			if path.From == rules.FromAny && path.Notary == "" && path.Why == "" {
				t.Errorf("%s:%d: %s from any without a notary or a why", rule.File, path.Line, path.Pattern)
			}
			if path.Keep == rules.Forever && path.From != rules.FromOrigin && path.Notary == "" {
				t.Errorf("%s:%d: %s is kept forever on nobody's word", rule.File, path.Line, path.Pattern)
			}
		}
	}
}

func TestALaterDirectoryReplacesAFileOfTheSameName(t *testing.T) {
	user := dir("npm.toml", `name = "npm"
[[host]]
name = "npm.corp.test"
[[path]]
match = "/{name}"
`, "corp.toml", small, "README.md", "# not a rule", ".#npm.toml", "an editor's lock", "old.toml~", "x")
	set := load(t, rulesd.Files, user, fstest.MapFS{})
	for host, want := range map[string]bool{"npm.corp.test": true, "registry.npmjs.org": false, "proxy.golang.org": true, "small.test": true} {
		if _, got := set.Host(host); got != want {
			t.Errorf("Host(%q)\ngot:  %v\nwant: %v", host, got, want)
		}
	}
}

func TestADirectoryThatDoesNotExistHasNoFiles(t *testing.T) {
	missing, err := fs.Sub(fstest.MapFS{}, "nowhere")
	if err != nil {
		t.Fatal(err)
	}
	if set := load(t, missing); len(set.Rules()) != 0 {
		t.Errorf("rules\ngot:  %v\nwant: none", set.Rules())
	}
}

// Notepad and PowerShell 5 write a byte order mark.
func TestAFileMayBeginWithAByteOrderMark(t *testing.T) {
	if _, ok := load(t, dir("a.toml", "\ufeff"+small)).Host("small.test"); !ok {
		t.Error("got:  no rule for small.test\nwant: the file's")
	}
	tell(t, []mistake{
		{"a mark that is not at the beginning", "\ufeff" + small + "\ufeff", "6", "this is not TOML"},
		{"UTF-16", "\xff\xfen\x00a\x00", "1", "save it as UTF-8"},
		{"UTF-16, the other way round", "\xfe\xff\x00n\x00a", "1", "save it as UTF-8"},
	})
}

func TestAllThatIsWrongInAllFilesIsTold(t *testing.T) {
	_, err := rules.Load(dir("a.toml", small+"keep = \"x\"\nfrom = \"y\"\n", "b.toml", "?"))
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"a.toml:6: keep", "a.toml:7: from", "b.toml:1: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got:  %v\nwant: %s…", err, want)
		}
	}
}

func TestTheErrorOfAHopelessFileIsShort(t *testing.T) {
	_, err := rules.Load(dir("a.toml", strings.Repeat("x = 1\n", 100_000)))
	if err == nil || strings.Count(err.Error(), "\n") > 30 || !strings.Contains(err.Error(), "more; mend these first") {
		t.Errorf("got:  %.300s\nwant: some lines, and how many more there are", err)
	}
}

func TestAFileLargerThanOneMiBIsRefused(t *testing.T) {
	big := small + "#" + strings.Repeat("x", 1<<20)
	_, err := rules.Load(dir("big.toml", big))
	if err == nil || !strings.HasPrefix(err.Error(), "big.toml:1: ") || !strings.Contains(err.Error(), "1 MiB") {
		t.Errorf("got:  %v\nwant: big.toml:1: … larger than 1 MiB …", err)
	}
	load(t, dir("fits.toml", big[:1<<20]))
}

func TestTwoRulesCannotClaimTheSame(t *testing.T) {
	other := strings.NewReplacer("small.test", "other.test", `"small"`, `"other"`).Replace(small)
	for _, row := range []struct{ what, second, says string }{
		{"name", strings.Replace(other, `"other"`, `"small"`, 1), `b.toml:1: the name "small" is taken by a.toml:1`},
		{"host", strings.Replace(other, "other.test", "Small.test.:80", 1), "b.toml:3: the host small.test belongs to a.toml already"},
		{"ns", "gateway = \"/v2\"\nns = [\"docker.io\"]\n" + other, `ns = "docker.io" at the gateway /v2 is taken by a.toml`},
		{"ns as another's host", "gateway = \"/v2\"\nns = [\"small.test\"]\n" + other, `b.toml:3: ns = "small.test" at the gateway /v2 is taken by a.toml`},
		{"host as another's ns", "gateway = \"/v2\"\n" + strings.Replace(other, "other.test", "docker.io", 1), `a.toml:3: ns = "docker.io" at the gateway /v2 is a host of b.toml`},
	} {
		first := small
		if row.what != "name" && row.what != "host" {
			first = "gateway = \"/v2\"\nns = [\"docker.io\"]\n" + small
		}
		_, err := rules.Load(dir("a.toml", first, "b.toml", row.second))
		if err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("the same %s\ngot:  %v\nwant: %s", row.what, err, row.says)
		}
	}
}

func TestRulesAreSortedByNameAndHostsAreWithoutPorts(t *testing.T) {
	file := func(name, hosts string) string {
		return "name = \"" + name + "\"\n" + hosts + "[[path]]\nmatch = \"/x\"\n"
	}
	set := load(t, dir(
		"a.toml", file("zebra", "[[host]]\nname = \"b.test:5000\"\n[[host]]\nname = \"[2001:DB8::1]:8443\"\n"),
		"b.toml", file("ape", "[[host]]\nname = \"b.test\"\n[[host]]\nname = \"127.0.0.1:5000\"\n[[host]]\nname = \"::1\"\n"),
	))
	if got, want := strings.Join(set.Hosts(), " "), "127.0.0.1 2001:db8::1 ::1 b.test"; got != want {
		t.Errorf("Hosts\ngot:  %s\nwant: %s", got, want)
	}
	all := set.Rules()
	if len(all) != 2 || all[0].Name != "ape" || all[1].Name != "zebra" {
		t.Errorf("Rules\ngot:  %v\nwant: ape, zebra", all)
	}
	all[0] = nil
	if set.Rules()[0] == nil {
		t.Error("a caller who changes the slice changed the set")
	}
}

func FuzzLoad(f *testing.F) {
	for _, name := range []string{"go.toml", "docker.toml", "npm.toml", "yarn.toml"} {
		data, err := rulesd.Files.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(small + "[probe]\npath = \"/%2f\"\n")
	f.Add("a = [[{b=[\"\"\"\n\"\"\"]}]]\r\n[[path]]\nmatch=\"/{x...}{\"")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := rules.Load(dir("f.toml", text))
		if (set == nil) == (err == nil) {
			t.Fatalf("got a set %v and the error %v, want one of them", set, err)
		}
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "f.toml:") {
					t.Fatalf("got:  %q\nwant: lines that begin with f.toml:", line)
				}
			}
			return
		}
		for _, host := range set.Hosts() {
			if host == "" || strings.ContainsAny(host, "/ []") {
				t.Fatalf("Hosts: %q", host)
			}
		}
	})
}
