package mirrors

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/private"
	"hither/rules"
)

// chosenRules is a rule with an origin, two mirrors, and one that its file has off.
func chosenRules(t testing.TB) *rules.Set {
	t.Helper()
	dir := t.TempDir()
	hithertest.Write(t, filepath.Join(dir, "reg.toml"), []byte(strings.Replace(registry, "[[path]]", "[[mirror]]\nurl = \"https://shut.test/reg\"\noff = \"it says so\"\n[[path]]", 1)))
	set, err := rules.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// privateDir is a state directory.
func privateDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if err := private.MakeDir(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestChoices(t *testing.T) {
	set, state := chosenRules(t), privateDir(t)
	for _, row := range []struct {
		name   string
		change Change
		says   string // a part of what was done, or of the error
		fails  bool
		first  string // what is pinned then
		off    string // bases that are off then
	}{
		{"a host is enough", Change{Verb: "set", Rule: "reg", URL: "near.test"}, "https://near.test is asked first", false, "https://near.test", "https://shut.test/reg"},
		{"a part that only one has", Change{Verb: "set", Rule: "reg", URL: "far"}, "https://far.test is asked first", false, "https://far.test", "https://shut.test/reg"},
		{"an origin can be pinned", Change{Verb: "set", Rule: "reg", URL: "https://reg.test/"}, "https://reg.test is asked first", false, "https://reg.test", "https://shut.test/reg"},
		{"a part that many have", Change{Verb: "set", Rule: "reg", URL: ".test"}, "could be any of", true, "https://reg.test", "https://shut.test/reg"},
		{"another rule", Change{Verb: "set", Rule: "gem", URL: "near.test"}, "there is no rule \"gem\": name one of reg", true, "https://reg.test", "https://shut.test/reg"},
		{"another mirror", Change{Verb: "set", Rule: "reg", URL: "nowhere.test"}, "no source of reg is called \"nowhere.test\": name one of https://far.test, https://near.test", true, "https://reg.test", "https://shut.test/reg"},
		{"one that is off cannot be first", Change{Verb: "set", Rule: "reg", URL: "shut.test"}, "is off (it says so): switch it on first", true, "https://reg.test", "https://shut.test/reg"},
		{"an origin stays on", Change{Verb: "off", URL: "reg.test"}, "is an origin", true, "https://reg.test", "https://shut.test/reg"},
		{"back to measuring", Change{Verb: "set", Rule: "reg", URL: "auto"}, "fastest measured", false, "", "https://shut.test/reg"},
		{"pinned again", Change{Verb: "set", Rule: "reg", URL: "near.test"}, "asked first", false, "https://near.test", "https://shut.test/reg"},
		{"off takes the pin away", Change{Verb: "off", URL: "near.test", Reason: "slow"}, "It was set for reg", false, "", "https://near.test https://shut.test/reg"},
		{"on against the file", Change{Verb: "on", URL: "shut.test"}, "although the rule file says: it says so", false, "", "https://near.test"},
		{"on again", Change{Verb: "on", URL: "near.test"}, "is used again", false, "", ""},
	} {
		_, said, err := Decide(state, set, row.change)
		if err != nil {
			said = err.Error()
		}
		hithertest.Same(t, row.name+": fails", err != nil, row.fails)
		hithertest.Contains(t, said, row.says)
		c, err := ReadChoices(filepath.Join(state, ChoicesName))
		if err != nil {
			t.Fatal(err)
		}
		rule := set.With(c).Rules()[0]
		var off []string
		for _, m := range rule.Mirrors {
			if m.Off != "" {
				off = append(off, m.URL)
			}
		}
		hithertest.Same(t, row.name+": first", rule.Pin, row.first)
		hithertest.Same(t, row.name+": off", strings.Join(off, " "), row.off)
	}
}

func TestADamagedFileOfChoicesIsNoCrash(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no JSON": "{", "another schema": `{"schema":2}`, "another key": `{"schema":1,"x":1}`, "no base": `{"schema":1,"pin":{"reg":"near"}}`,
		"two documents": `{"schema":1} {}`, "another type": `{"schema":1,"off":[1]}`, "null": "null",
	} {
		t.Run(name, func(t *testing.T) {
			state := privateDir(t)
			path := filepath.Join(state, ChoicesName)
			hithertest.Write(t, path, []byte(text))
			c, err := ReadChoices(path)
			if err == nil || len(c.Off)+len(c.On)+len(c.Pin) > 0 {
				t.Fatalf("\n got %v, %v\nwant an error and no choices", c, err)
			}
			hithertest.Contains(t, err.Error(), path, "remove it")
			_, said, err := Decide(state, chosenRules(t), Change{Verb: "set", Rule: "reg", URL: "near.test"})
			hithertest.Same(t, "a new choice", err, nil)
			hithertest.Contains(t, said, path+".damaged")
			if c, err = ReadChoices(path); err != nil || c.Pin["reg"] != "https://near.test" {
				t.Errorf("\n got %v, %v\nwant the new choice", c, err)
			}
		})
	}
}

func FuzzParseChoices(f *testing.F) {
	f.Add([]byte(`{"schema":1,"off":{"https://a.test":"slow"},"on":{"https://b.test":true},"pin":{"go":"https://c.test"}}`))
	set := chosenRules(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseChoices(data)
		if err != nil {
			return
		}
		set.With(c)
		path := filepath.Join(t.TempDir(), ChoicesName)
		if err := writeChoices(path, c); err != nil {
			t.Fatal(err)
		}
		again, err := ReadChoices(path)
		if err != nil || !maps.Equal(again.Off, c.Off) || !maps.Equal(again.On, c.On) || !maps.Equal(again.Pin, c.Pin) {
			t.Errorf("written and read again\n got %v, %v\nwant %v", again, err, c)
		}
	})
}
