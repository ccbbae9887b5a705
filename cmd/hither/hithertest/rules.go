package hithertest

import (
	"testing"
	"testing/fstest"

	"hither/rules"
)

// Rule is a rule file for one host.
func Rule(name, host string) []byte {
	return []byte("name = \"" + name + "\"\n[[host]]\nname = \"" + host + "\"\n[[path]]\nmatch = \"/{rest...}\"\nkeep = \"1m\"\n")
}

// Rules makes a rule of each host.
func Rules(t testing.TB, hosts ...string) *rules.Set {
	t.Helper()
	files := fstest.MapFS{}
	for i, host := range hosts {
		name := string(rune('a' + i))
		files[name+".toml"] = &fstest.MapFile{Data: Rule(name, host)}
	}
	set, err := rules.Load(files)
	Must(t, err)
	return set
}
