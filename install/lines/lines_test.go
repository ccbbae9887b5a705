package lines

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"hither/install/stage"
)

// TestWhatIsOursIsTakenOut has rows of former, ours, now, want; a slash ends a line.
func TestWhatIsOursIsTakenOut(t *testing.T) {
	for _, row := range []struct{ name, former, ours, now, want string }{
		{"nobody else wrote", "a/b/", "a/b/our line/", "a/b/our line/", "a/b/"},
		{"somebody wrote before and after", "a/", "a/our line/", "x/a/our line/y/", "x/a/y/"},
		{"somebody wrote into our block", "a/", "a/our one/our two/", "a/our one/x/our two/", "a/x/"},
		{"our block was moved", "a/b/", "a/b/our one/}/", "our one/}/a/b/", "a/b/"},
		{"our line was moved", "a/b/", "a/b/our one/our two/", "our two/a/b/our one/", "a/b/"},
		{"a line that we replaced", "dns 1/z/", "dns ours/z/", "x/dns ours/z/", "x/dns 1/z/"},
		{"a line of ours that somebody replaced", "dns 1/z/", "dns ours/z/", "dns 2/z/", "dns 2/z/"},
		{"a line that we left out", "a/old/z/", "a/z/", "a/z/x/", "a/old/z/x/"},
		{"a line that we left out and somebody put back", "a/old/z/", "a/z/", "a/old/z/x/", "a/old/z/x/"},
		{"a file that somebody wrote anew", "a/old/z/", "our line/a/z/", "quite/another/", "quite/another/"},
		{"a brace of somebody's", "{/}/", "{/our key/}/}/", "{/}/", "{/}/"},
		{"a missing end of line", "a", "a/our line/", "a/our line/x", "a/x"},
		{"a certificate behind another", "a/", "a/-----BEGIN/MIIours/-----END/", "a/-----BEGIN/MIItheirs/-----END/-----BEGIN/MIIours/-----END/", "a/-----BEGIN/MIItheirs/-----END/"},
	} {
		text := func(s string) []byte { return []byte(strings.ReplaceAll(s, "/", "\n")) }
		got := strings.ReplaceAll(string(TakeOut(text(row.former), text(row.ours), text(row.now))), "\n", "/")
		stage.Same(t, row.name, got, row.want)
	}
}

func TestJSONStaysJSON(t *testing.T) {
	former := []byte("{\n  \"a\": 1\n}\n")
	ours := []byte("{\n  \"a\": 1,\n  \"registry-mirrors\": [\n    \"http://127.0.0.1:7890\"\n  ]\n}\n")
	now := "{\n  \"a\": 1,\n  \"registry-mirrors\": [\n    \"http://127.0.0.1:7890\"\n  ],\n  \"b\": \"}, {\"\n}\n"
	got := Without("/etc/docker/daemon.json", former, ours, []byte(now))
	var value map[string]any
	if err := json.Unmarshal(got, &value); err != nil || len(value) != 2 || value["b"] != "}, {" {
		t.Errorf("%v: got %s", err, got)
	}
}

func FuzzTakeOut(f *testing.F) {
	f.Add("a\nb\n", "a\nb\nour line\n", "x\na\nour line")
	f.Add("", "our line\n}\n", "}\nour line\n")
	f.Fuzz(func(t *testing.T, former, ours, now string) {
		got := TakeOut([]byte(former), []byte(ours), []byte(now))
		known := map[string]bool{}
		for _, l := range keys(Split([]byte(ours)), Ends) {
			known[l] = true
		}
		there := map[string]bool{}
		for _, l := range keys(Split(got), Ends) {
			there[l] = true
		}
		for _, l := range keys(Split([]byte(now)), Ends) {
			if !known[l] && !there[l] {
				t.Errorf("the line %q of somebody else is lost in %q", l, got)
			}
		}
		a, b := keys(Split([]byte(ours)), Ends), keys(Split([]byte(now)), Ends)
		last := -1
		for i, j := range match(a, b) {
			if j >= 0 && (j <= last || a[i] != b[j]) {
				t.Errorf("line %d is matched with %d after %d", i, j, last)
			}
			last = max(last, j)
		}
	})
}

func FuzzMendCommas(f *testing.F) {
	f.Add([]byte(`{"a": 1 "b": [1 2,], , "c": "\"", }`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := mendCommas(slices.Clone(text))
		if json.Valid(text) && !bytes.Equal(got, text) {
			t.Errorf("got %s\nwant %s", got, text)
		}
	})
}

// As Python's configparser has it, which was asked: see TestRealClientsSeeTheChange of install/tools.
func TestALineBelongsToOneThatIsIndentedLess(t *testing.T) {
	f, err := ParseINI([]byte("[global]\n  a = 1\n  b = 2\n\n    3\n# x\n    4\n  [c]\na = \"5\"\n"), PipStyle())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ section, name, want string }{{"global", "a", "1"}, {"global", "b", "2\n3\n4"}, {"c", "a", `"5"`}} {
		got, _ := f.Get(row.section, row.name)
		stage.Same(t, row.section+"."+row.name, got.Value, row.want)
	}
	f.Set("global", "b", "6")
	f.Set("global", "d", "7")
	f.Set("c", "e", "8")
	stage.Same(t, "after changes", string(f.Bytes()), "[global]\n  d = 7\n  a = 1\n  b = 6\n  [c]\ne = 8\na = \"5\"\n")
}

// Each of these was asked of Python's configparser, and pip.
func TestPipsSectionsAreFound(t *testing.T) {
	for _, row := range []struct{ name, text, value, after string }{
		{"a comment behind the bracket", "[global] # mine\na = 1\n", "1", "[global] # mine\na = 2\n"},
		{"brackets that begin a name", "[global]=b\na = 1\n", "1", "[global]=b\na = 2\n"},
		{"an indented section below an empty one", "[global]\n  [c]\n  b = 1\n", "", "[global]\n  a = 2\n  [c]\n  b = 1\n"},
		{"what looks like a section goes on with a value", "[c]\nb = 1\n  [global]\n", "", "[c]\nb = 1\n  [global]\n[global]\na = 2\n"},
		{"blank space of other kinds", "[global]\n\u00a0b = 1\n", "", "[global]\n\u00a0a = 2\n\u00a0b = 1\n"},
		{"a name as on the command line", "[global]\nA = 3\n--a = 1\n", "1", "[global]\nA = 3\n--a = 2\n"},
		{"what all sections have", "[DEFAULT]\na = 1\n[global]\n", "1", "[DEFAULT]\na = 1\n[global]\na = 2\n"},
		{"a section that is not there has nothing", "[DEFAULT]\na = 1\n[c]\n", "", "[DEFAULT]\na = 1\n[c]\n[global]\na = 2\n"},
	} {
		f, err := ParseINI([]byte(row.text), PipStyle())
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		got, _ := f.Get("global", "a")
		stage.Same(t, row.name, got.Value, row.value)
		f.Set("global", "a", "2")
		stage.Same(t, row.name+", set", string(f.Bytes()), row.after)
	}
}
