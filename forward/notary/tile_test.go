package notary

import (
	"os"
	"slices"
	"testing"

	"hither/rules"
)

func TestWiderTiles(t *testing.T) {
	set, err := rules.Load(os.DirFS("../../rules.d"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, path  string
		n           int
		first, last string
		size        int64
	}{
		{"sum.golang.org", "/tile/8/2/003.p/244", 12, "/tile/8/2/003", "/tile/8/2/003.p/245", 244 * 32},
		{"sum.golang.org", "/tile/8/0/x280/351.p/1", 255, "/tile/8/0/x280/351", "/tile/8/0/x280/351.p/2", 32},
		{"sum.golang.org", "/tile/8/0/x280/351", 0, "", "", 0},
		{"sum.golang.org", "/latest", 0, "", "", 0},
		{"sum.golang.org", "/tile/9999999999/0/1.p/2", 0, "", "", 0},
		{"proxy.golang.org", "/golang.org/x/mod/@v/list", 0, "", "", 0},
	} {
		rule, _ := set.Host(c.host)
		m, ok := rule.Match(c.host, c.path)
		if !ok {
			m = rules.Match{Rule: rule, Host: &rule.Hosts[0], Clean: c.path}
		}
		wider, size := WiderTiles(m)
		var paths []string
		for _, w := range wider {
			paths = append(paths, w.Clean)
		}
		var ends []string
		if len(paths) > 0 {
			ends = []string{paths[0], paths[len(paths)-1]}
		}
		var want []string
		if c.n > 0 {
			want = []string{c.first, c.last}
		}
		if len(paths) != c.n || size != c.size || !slices.Equal(ends, want) {
			t.Errorf("%s\ngot  %d tiles %v, %d bytes\nwant %d tiles %v, %d bytes", c.path, len(paths), ends, size, c.n, want, c.size)
		}
	}
}
