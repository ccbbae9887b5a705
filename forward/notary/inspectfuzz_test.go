package notary

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/tlog"

	"hither/rules"
)

// FuzzInspect has pages of a database that anybody may have written: what is proven says what the database says, and of what
// the database says nothing is refused.
func FuzzInspect(f *testing.F) {
	a := newArchive(f)
	grow(a.server, 600)
	paths := []string{full, record, early, edge, above}
	var pages []rules.Match
	var right [][]byte
	for i, path := range paths {
		a.asks(path)
		data, err := serve(a.server, path)
		if err != nil {
			f.Fatal(err)
		}
		pages, right = append(pages, a.page(path)), append(right, data)
		f.Add(i, data)
		f.Add(i, flip(path, 100)(path, data))
		f.Add(i+1, data)
	}
	f.Fuzz(func(t *testing.T, page int, document []byte) {
		i := int(uint(page) % uint(len(pages)))
		finding, err := a.gosum.Inspect(t.Context(), pages[i], document)
		if bytes.Equal(document, right[i]) && (finding != Proven || err != nil) {
			t.Errorf("%s as it is\ngot  %v, %v\nwant %v", paths[i], finding, err, Proven)
		}
		if finding == Proven && !saysTheSame(document, right[i]) {
			t.Errorf("%s is proven, and another\ngot  %q\nwant %q", paths[i], document, right[i])
		}
	})
}

// saysTheSame holds what a tree is made of against each other: any tree that is signed may stand behind a record.
func saysTheSame(document, right []byte) bool {
	id, text, _, err := tlog.ParseRecord(right)
	if err != nil {
		return bytes.Equal(document, right)
	}
	gotID, got, _, err := tlog.ParseRecord(document)
	return err == nil && gotID == id && bytes.Equal(got, text)
}

// FuzzInfo holds what is taken of a proxy's word on a version against what the go command takes.
func FuzzInfo(f *testing.F) {
	l := newLedger(f)
	g := l.notary(nil)
	asked := []string{"v1.0.0", "main", "v2.0.0", "v0.0.0-20240102030405-0123456789ab"}
	var matches []rules.Match
	for i, version := range asked {
		matches = append(matches, l.match("/a.example/m/@v/"+version+".info"))
		f.Add(i, []byte(`{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z","Origin":{"VCS":"git","URL":"https://a.example/m"}}`))
		f.Add(i, []byte(`{"version":"v0.0.0-20240102030405-0123456789ab","Time":null}`))
		f.Add(i, []byte(`{"Version":"v1.0.0","Origin":"git"}`))
	}
	f.Fuzz(func(t *testing.T, i int, document []byte) {
		i = int(uint(i) % uint(len(asked)))
		_, err := g.Inspect(t.Context(), matches[i], document)
		if want := goTakes("a.example/m", asked[i], document); (err == nil) != want {
			t.Errorf("%s.info: %q\ngot  %v\nwant it taken: %v", asked[i], document, err, want)
		}
	})
}

// goTakes is modfetch's proxyRepo.Stat of go 1.26, and that what it finds has to be a version.
func goTakes(path, rev string, data []byte) bool {
	var info struct {
		Version string
		Time    time.Time
		Origin  *struct{ VCS, URL, Subdir, Hash, TagPrefix, TagSum, Ref, RepoSum string }
	}
	if json.Unmarshal(data, &info) != nil || !semver.IsValid(info.Version) {
		return false
	}
	return info.Version == rev || rev != module.CanonicalVersion(rev) || module.Check(path, rev) != nil
}
