package notary

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"hither/cache"
	"hither/cache/mem"
	"hither/rules"
)

// archive is a ledger whose answers are kept where the inspector looks for them.
type archive struct {
	*ledger
	gosum *GoSum
	store *mem.Store
}

func newArchive(t testing.TB) *archive {
	a := &archive{ledger: newLedger(t), store: &mem.Store{}}
	a.gosum = a.notary(a.store)
	return a
}

func (a *archive) page(path string) rules.Match { return mustMatch(a.t, a.rules, "sum.example", path) }

// asks gets a page, says what is found in it, and keeps it.
func (a *archive) asks(path string) (Finding, error) {
	a.t.Helper()
	data, err := a.fetch(a.t.Context(), a.page(path), false)
	if err != nil {
		a.t.Fatal(err)
	}
	f, err := a.gosum.Inspect(a.t.Context(), a.page(path), data)
	a.keep(path, data)
	return f, err
}

func (a *archive) keep(path string, data []byte) {
	a.t.Helper()
	w, err := a.store.Create(a.t.Context(), "")
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Commit()
	}
	if err == nil {
		err = a.store.Bind(a.t.Context(), cache.Name(a.page(path).Name), cache.Entry{Digest: w.Digest(), Size: int64(len(data))})
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// again looks at what was kept.
func (a *archive) again(path string) (Finding, error) {
	a.t.Helper()
	entry, err := a.store.Lookup(a.t.Context(), cache.Name(a.page(path).Name))
	if err != nil {
		a.t.Fatal(err)
	}
	blob, err := a.store.Open(a.t.Context(), entry.Digest)
	if err != nil {
		a.t.Fatal(err)
	}
	defer blob.Close()
	data, err := io.ReadAll(blob)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.gosum.Inspect(a.t.Context(), a.page(path), data)
}

// The tree of 600 records has two full tiles of the lowest level and one of 88; above them is one of two.
const (
	record = "/lookup/a.example/m@v1.0.0" // the 601st, so that it is proven by the edge
	early  = "/lookup/filler.example/m@v1.0.5"
	full   = "/tile/8/0/000"
	edge   = "/tile/8/0/002.p/89"
	above  = "/tile/8/1/000.p/2"
)

// What is proven by what came after it is proven when it is looked at again; and after a restart by the head that was kept.
func TestPagesAreProvenByThoseThatCameLater(t *testing.T) {
	a := newArchive(t)
	grow(a.server, 600)
	pages := []string{full, record, early, edge, above}
	for _, path := range pages {
		if f, err := a.asks(path); err != nil || f != Unproven && path != above {
			t.Errorf("%s, when it came\ngot  %v, %v\nwant nothing against it", path, f, err)
		}
	}
	for _, path := range pages {
		if f, err := a.again(path); f != Proven || err != nil {
			t.Errorf("%s, looked at again\ngot  %v, %v\nwant %v", path, f, err, Proven)
		}
	}
	mustAttest(t, a.gosum, a.ledger, zip("a.example/m"), hash("a.example/m")) // keeps the head
	a.gosum = a.notary(a.store)
	if f, err := a.again(full); f != Proven || err != nil {
		t.Errorf("after a restart\ngot  %v, %v\nwant %v", f, err, Proven)
	}
}

func TestAWrongTileIsFoundByThoseAboveIt(t *testing.T) {
	for _, c := range []struct {
		wrong         string
		refuted       bool // when it comes last, for it alone can be wrong
		full, ed, abv Finding
	}{
		{full, true, Unproven, Proven, Proven},
		{edge, false, Doubtful, Doubtful, Doubtful},
		{above, false, Doubtful, Doubtful, Doubtful},
	} {
		a := newArchive(t)
		grow(a.server, 600)
		for _, path := range []string{record, full, edge, above} {
			a.asks(path)
		}
		a.bend = flip(c.wrong, 100)
		if f, err := a.asks(c.wrong); (err != nil) != c.refuted {
			t.Errorf("%s\ngot  %v, %v\nwant an error: %v", c.wrong, f, err, c.refuted)
		}
		for path, want := range map[string]Finding{full: c.full, edge: c.ed, above: c.abv} {
			if f, err := a.again(path); f != want || (err != nil) != (path == c.wrong && c.refuted) {
				t.Errorf("%s beside a wrong %s\ngot  %v, %v\nwant %v", path, c.wrong, f, err, want)
			}
		}
		a.bend = nil
		a.asks(c.wrong)
		for _, path := range []string{full, edge, above} {
			if f, err := a.again(path); f != Proven || err != nil {
				t.Errorf("%s, when the right %s came\ngot  %v, %v\nwant %v", path, c.wrong, f, err, Proven)
			}
		}
	}
}

// A tile of a tree that nobody asked about any more is the beginning of the one that took its place.
func TestAPartOfATileIsHeldAgainstTheWhole(t *testing.T) {
	a := newArchive(t)
	grow(a.server, 600)
	a.asks(record)
	part := "/tile/8/0/002.p/40"
	for _, path := range []string{edge, above} {
		a.asks(path)
	}
	if f, err := a.asks(part); f != Proven || err != nil {
		t.Errorf("the right part\ngot  %v, %v\nwant %v", f, err, Proven)
	}
	a.bend = flip(part, 100)
	if f, err := a.asks(part); err == nil {
		t.Errorf("a wrong part\ngot  %v\nwant an error", f)
	}
}

func TestWhatIsNoPageOfTheDatabase(t *testing.T) {
	put := func(text string) func([]byte) []byte { return func([]byte) []byte { return []byte(text) } }
	other := newLedger(t)
	foreign, err := serve(other.server, record)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why, path string
		change    func([]byte) []byte
		want      string // of the error; empty: nothing is said against it
	}{
		{"a record as it is", record, nil, ""},
		{"a web page", record, put("<html>please log in</html>"), "malformed record"},
		{"nothing", record, put(""), "malformed record"},
		{"a record without a tree", record, func(b []byte) []byte { return b[:bytes.Index(b, []byte("\n\n"))+2] }, "no tree that sum.example signed"},
		{"a record whose tree was changed", record, func(b []byte) []byte { return bytes.Replace(b, []byte("tree\n601\n"), []byte("tree\n602\n"), 1) }, "no tree that sum.example signed"},
		{"a record outside its tree", record, func(b []byte) []byte { return append([]byte("9"), b...) }, "its tree has 601"},
		{"of another module", record, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("a.example/m"), []byte("b.example/m")) }, "does not speak of a.example/m v1.0.0"},
		{"without the hash of go.mod", record, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("/go.mod"), nil) }, "does not speak of a.example/m v1.0.0/go.mod"},
		{"one byte too much", full, func(b []byte) []byte { return append(b, 0) }, "8192 bytes"},
		{"a page instead of a tile", edge, put("<html>"), "2848 bytes"},
		{"the narrow for the wide", full, func(b []byte) []byte { return b[:32*40] }, "8192 bytes"},
		{"a key that we do not know", record, func([]byte) []byte { return foreign }, ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			a := newArchive(t)
			grow(a.server, 600)
			serve(a.server, record)
			if c.change != nil {
				a.bend = func(_ string, data []byte) []byte { return c.change(bytes.Clone(data)) }
			}
			f, err := a.asks(c.path)
			if got := fmt.Sprint(err); (err != nil) != (c.want != "") || !strings.Contains(got, c.want) {
				t.Errorf("got  %v, %v\nwant %q", f, err, c.want)
			}
			if c.why == "a key that we do not know" && f != Doubtful {
				t.Errorf("got  %v\nwant %v", f, Doubtful)
			}
		})
	}
}

func TestAWrongRecordIsFoundByItsTile(t *testing.T) {
	a := newArchive(t)
	grow(a.server, 600)
	for _, path := range []string{record, edge, above} {
		a.asks(path)
	}
	a.bend = func(_ string, data []byte) []byte { return bytes.Replace(data, []byte("h1:"), []byte("h1:A"), 1) }
	if f, err := a.asks(record); err == nil {
		t.Errorf("got  %v\nwant an error", f)
	}
}

func TestWhatAProxySaysOfAVersion(t *testing.T) {
	for _, c := range []struct {
		path, document string
		ok             bool
	}{
		{"/a.example/m/@v/v1.0.0.info", `{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}`, true},
		{"/a.example/m/@v/v1.0.0.info", `{"Version":"v1.0.0","Origin":{"VCS":"git"}}`, true},
		{"/a.example/m/@v/v1.0.0.info", `{"Version":"v1.0.1","Time":"2024-01-02T03:04:05Z"}`, false},
		{"/a.example/m/@v/v1.0.0.info", `{"Version":"v1.0.0","Time":"yesterday"}`, false},
		{"/a.example/m/@v/v1.0.0.info", `{"error":"too many requests"}`, false},
		{"/a.example/m/@v/v1.0.0.info", `[]`, false},
		{"/a.example/m/@v/v1.0.0.info", ``, false},
		{"/a.example/m/@v/main.info", `{"Version":"v0.0.0-20240102030405-0123456789ab","Time":"2024-01-02T03:04:05Z"}`, true},
		{"/a.example/m/@v/main.info", `{"Version":"main"}`, false},
		{"/a.example/m/@v/v2.0.0.info", `{"Version":"v2.0.0+incompatible"}`, true},
	} {
		l := newLedger(t)
		g := l.notary(nil)
		m := l.match(c.path)
		if ok, provable := g.Inspects(m); !ok || provable {
			t.Fatalf("%s is not looked at", c.path)
		}
		if f, err := g.Inspect(t.Context(), m, []byte(c.document)); (err == nil) != c.ok || f != Unproven {
			t.Errorf("%s: %s\ngot  %v, %v\nwant it taken: %v", c.path, c.document, f, err, c.ok)
		}
	}
}
