package e2e_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// In a workspace, with modules in it and beside it and directories that stand for others, is asked for just what the go command
// asks for by itself, whether there are sums or not.
func TestAWorkspaceIsFetchedAheadAsGoReadsIt(t *testing.T) {
	w := newWorld(t)
	o := w.goWorld()
	w.goRule(o)
	at := func(name string, sums ...string) string {
		for file, text := range map[string]string{
			"ws/go.work":    "go 1.22\nuse ./a\nuse ../b\n",
			"ws/a/go.mod":   "module example.com/a\ngo 1.22\nrequire world.test/m040 v1.2.3\nrequire world.test/m001 v1.2.3\nreplace world.test/m001 => ../../stands\n",
			"b/go.mod":      "module example.com/b\ngo 1.16\nrequire world.test/m052 v1.2.3\nrequire world.test/m060 v1.2.3\nexclude world.test/m121 v1.2.3\n",
			"stands/go.mod": "module world.test/m001\ngo 1.16\nrequire world.test/m030 v1.2.3\n",
		} {
			w.write(filepath.Join(name, file), []byte(text))
		}
		for _, sum := range sums {
			w.write(filepath.Join(name, "ws", "go.work.sum"), []byte(sum))
		}
		return filepath.Join(w.dir, name)
	}
	asked := func() (names []string) {
		o.Asked(func(a asked) bool {
			names = append(names, a.Path)
			return true
		})
		return names
	}
	did := func(run func()) string {
		before := len(asked())
		run()
		names := slices.DeleteFunc(asked()[before:], func(name string) bool { return !strings.Contains(name, "/@v/") })
		slices.Sort(names)
		return strings.Join(slices.Compact(names), " ")
	}
	for _, c := range []struct {
		name, dir, command string
		sums               bool
	}{
		{"workspace", "ws/a", "go list -m all", false},
		{"workspace with sums", "ws", "go list -m all", true},
		{"zips of a workspace", "ws", "go mod download", true},
		{"module alone", "ws/a", "go mod download", false},
	} {
		by, env := at("direct "+c.name), []string{"GOWORK="}
		if c.name == "module alone" {
			env = []string{"GOWORK=off", "GOFLAGS=-modcacherw -mod=mod"}
		}
		words := strings.Fields(c.command)
		want := did(func() {
			w.shell(filepath.Join(by, c.dir), append(w.goDirect(o, "direct "+c.name), env...), words[0], words[1:]...)
		})
		var sums []string
		if c.sums {
			sums = append(sums, w.read(by, "ws", "go.work.sum"))
		}
		h, to := w.hither(), at("by "+c.name, sums...)
		got := did(func() {
			h.Run(filepath.Join(to, c.dir), append(w.clientEnv("by "+c.name, "GOSUMDB="+o.sumKey), env...), words...)
		})
		same(t, c.command+" for the "+c.name, got, want)
	}
}
