package golang

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"hither/rules"
	rulesd "hither/rules.d"
)

const (
	sumdb  = "/sumdb/sum.golang.org"
	record = "%d\nexample.com/a v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nexample.com/a v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n" +
		"go.sum database tree\n%d\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— sum.golang.org Az3grgIHxiDLRpsKUElIX5vJMlFS79SqfQDSgHQmON922lNdJ5zxF8SSPPcah3jhIkpG8LSKNaWXiy7IldOSDCt4Pwk=\n"
)

// TestRecordsAndTiles follows a client without go.sum: once it looks up one module it looks up all, and proves each.
func TestRecordsAndTiles(t *testing.T) {
	w := New(host)
	m := func(path string) rules.Match { return match(t, path) }
	same(t, "before any look-up", urls(w.Asked(m("/example.com/a/@v/v1.0.0.mod"))), "")
	lookup := m(sumdb + "/lookup/example.com/a@v1.0.0")
	same(t, "the first look-up", urls(w.Asked(lookup)), "/lookup/example.com/a@v1.0.0")
	same(t, "after it", urls(w.Asked(m("/example.com/!b/@v/v1.0.0.mod"))), "/lookup/example.com/!b@v1.0.0")
	same(t, "reads records", w.Reads(lookup), true)
	same(t, "tiles", urls(w.Answered(lookup, fmt.Appendf(nil, record, 70_000, 100_000), 0)),
		"/tile/8/2/000.p/1 /tile/8/1/001.p/134 /tile/8/0/390.p/160 /tile/8/0/273")
}

// TestTilesAreThoseThatTlogReads compares with what a client of the database reads for a proof, for many records.
func TestTilesAreThoseThatTlogReads(t *testing.T) {
	w := New(host)
	lookup := match(t, sumdb+"/lookup/example.com/a@v1.0.0")
	const size = 300_000
	for id := int64(0); id < size; id += 9_999 {
		got := strings.Fields(urls(w.Answered(lookup, fmt.Appendf(nil, record, id, size), 0)))
		leaf := tlog.TileForIndex(8, tlog.StoredHashIndex(0, id))
		if full := int64(size)>>8 > leaf.N; full {
			leaf.W = 256
		} else {
			leaf.W = size & 255
		}
		if !slices.Contains(got, "/"+leaf.Path()) {
			t.Errorf("tiles of record %d:\n got %v\nwant %v among them", id, got, leaf.Path())
		}
	}
}

func FuzzAnswered(f *testing.F) {
	f.Add("/example.com/a/@v/v1.0.0.mod", []byte("module example.com/a\nrequire example.com/b v1.0.0\n"), 0)
	f.Add("/example.com/a/@v/v1.0.0.mod", []byte("module example.com/a\ngo 1.21\nrequire (\n\t../x v0\n\texample.com/B v1.2.3 // indirect\n)\n"), 1)
	f.Add(sumdb+"/lookup/example.com/a@v1.0.0", fmt.Appendf(nil, record, 70_000, 100_000), 0)
	f.Add(sumdb+"/lookup/example.com/a@v1.0.0", fmt.Appendf(nil, record, 1<<62, int64(1)<<62), 0)
	f.Add(sumdb+"/lookup/example.com/a@v1.0.0", fmt.Appendf(nil, record, -1, 7), 0)
	set, err := rules.Load(rulesd.Files)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string, body []byte, depth int) {
		m, ok := set.Match("proxy.golang.org", rules.Query{URL: &url.URL{Path: path}})
		if !ok {
			return
		}
		w := New(host)
		wants := w.Asked(m)
		w.Reads(m)
		wants = append(wants, w.Answered(m, body, depth)...)
		wants = append(wants, w.Answered(m, nil, depth)...)
		for _, want := range wants {
			u, err := url.Parse(want.URL)
			if err != nil {
				t.Fatalf("%s: %v", want.URL, err)
			}
			if u.Host != "proxy.golang.org" && u.Host != "sum.golang.org" {
				t.Errorf("a want leads elsewhere: %s", want.URL)
			}
		}
	})
}
