package notary

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"hither/cache/digest"
	"hither/rules"
)

const npmRule = `
name = "npm"
[[host]]
name = "npm.example"
[[path]]
match  = "/@{scope}/{name}/-/{file}.tgz"
keep   = "forever"
from   = "any"
notary = "npm"
[[path]]
match  = "/{name}/-/{file}.tgz"
keep   = "forever"
from   = "any"
notary = "npm"
[[path]]
match    = "/@{scope}/{name}"
keep     = "5m"
variants = ["application/json", "application/vnd.npm.install-v1+json"]
[[path]]
match    = "/{name}"
keep     = "5m"
variants = ["application/json", "application/vnd.npm.install-v1+json"]
`

const (
	sha512A = "sha512-7iaw3Ur350mqGo7jwQrpkj9hiYB3Lkc/iBml1JQODbJ6wYX4oOHV+E+IvIh/1nsUNzLDBMxfqa2Ob1f1ACio/w==" // of "test"
	sha512B = "sha512-m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==" // of "hello"
	sha1A   = "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"
)

// registry is an npm registry that can be changed, and counts.
type registry struct {
	mu    sync.Mutex
	docs  map[string]string // packuments, by path
	stale map[string]string // what a question that allows copies gets instead
	err   error
	asked []string // "fresh" or "kept", path and variant
}

func (r *registry) fetch(_ context.Context, m rules.Match, fresh bool) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := "kept"
	if fresh {
		kind = "fresh"
	}
	r.asked = append(r.asked, kind+" "+m.Clean+" "+m.Variant)
	if r.err != nil {
		return nil, r.err
	}
	doc, ok := r.stale[m.Clean]
	if fresh || !ok {
		doc, ok = r.docs[m.Clean]
	}
	if !ok {
		return nil, fmt.Errorf("%w: status 404", ErrGone)
	}
	return []byte(doc), nil
}

// packumentOf writes a packument of versions, each a tarball URL and what else is in dist.
func packumentOf(versions ...string) string {
	var b strings.Builder
	b.WriteString(`{"name":"x","dist-tags":{"latest":"1.0.0"},"versions":{`)
	for i, v := range versions {
		url, rest, _ := strings.Cut(v, " ")
		fmt.Fprintf(&b, `%s"1.0.%d":{"name":"x","dependencies":{"dist":"1"},"dist":{"tarball":%q%s},"z":[{"dist":{}}]}`,
			strings.Repeat(",", min(i, 1)), i, url, rest)
	}
	b.WriteString(`},"readme":"{\"versions\":1}"}`)
	return b.String()
}

func sri(s string) string { return ` ,"integrity":"` + s + `"` }

func TestNPMFindsTheDigest(t *testing.T) {
	strong, _ := digest.ParseSRI(sha512A)
	weak := digest.Digest("sha1:" + sha1A)
	for _, c := range []struct {
		name, tarball string
		docs          map[string]string
		want          digest.Digest
		err           error
	}{
		{"by the path of the URL", "/x/-/x-1.0.0.tgz",
			map[string]string{"/x": packumentOf("https://npm.example/x/-/x-1.0.0.tgz" + sri(sha512A))}, strong, nil},
		{"whatever host and query the URL has", "/x/-/x-1.0.0.tgz",
			map[string]string{"/x": packumentOf("http://other.example:81/x/-/x-1.0.0.tgz?y" + sri(sha512A))}, strong, nil},
		{"below the path a registry lives at", "/x/-/x-1.0.0.tgz",
			map[string]string{"/x": packumentOf("https://npm.example/npm/public/x/-/x-1.0.0.tgz" + sri(sha512A))}, strong, nil},
		{"of a scoped package, however its slash is written", "/@s/x/-/x-1.0.0.tgz",
			map[string]string{"/@s/x": packumentOf("https://npm.example/@s%2fx/-/x-1.0.0.tgz" + sri(sha512A))}, strong, nil},
		{"although the file name does not look like the version", "/x/-/odd-name-7-beta.tgz",
			map[string]string{"/x": packumentOf("https://npm.example/x/-/x-1.0.0.tgz"+sri(sha512B), "https://npm.example/x/-/odd-name-7-beta.tgz"+sri(sha512A))}, strong, nil},
		{"the strongest if there are several", "/x/-/x-1.0.0.tgz",
			map[string]string{"/x": packumentOf("https://npm.example/x/-/x-1.0.0.tgz" + sri("sha1-qUqP5cyxm6YcTAhz05Hph5gvu9M= sha999-x "+sha512A))}, strong, nil},
		{"the weak one if there is no other", "/x/-/x-1.0.0.tgz",
			map[string]string{"/x": packumentOf(`https://npm.example/x/-/x-1.0.0.tgz ,"shasum":"` + sha1A + `"`)}, weak, nil},
		{"the weak one if the strong one is damaged", "/x/-/x-1.0.0.tgz",
			map[string]string{"/x": packumentOf(`https://npm.example/x/-/x-1.0.0.tgz ,"integrity":"sha512-AAAA","shasum":"` + sha1A + `"`)}, weak, nil},
		{"not if the registry gives none", "/x/-/x-1.0.0.tgz",
			map[string]string{"/x": packumentOf("https://npm.example/x/-/x-1.0.0.tgz")}, "", ErrUnknown},
		{"not of a tarball of the same file name elsewhere", "/x/-/x-1.0.0.tgz",
			map[string]string{"/x": packumentOf("https://npm.example/y/-/x-1.0.0.tgz" + sri(sha512A))}, "", ErrUnknown},
		{"not if the path only ends alike", "/x/-/x-1.0.0.tgz",
			map[string]string{"/x": packumentOf("https://npm.example/xx/-/x-1.0.0.tgz" + sri(sha512A))}, "", ErrUnknown},
		{"not if two versions claim one tarball", "/x/-/x-1.0.0.tgz",
			map[string]string{"/x": packumentOf("https://npm.example/x/-/x-1.0.0.tgz"+sri(sha512A), "https://npm.example/x/-/x-1.0.0.tgz"+sri(sha512B))}, "", ErrUnknown},
		{"not if the package is gone", "/x/-/x-1.0.0.tgz", nil, "", ErrUnknown},
		{"not from a page", "/x/-/x-1.0.0.tgz", map[string]string{"/x": "<html>"}, "", ErrUnknown},
		{"not from half a packument", "/x/-/x-1.0.0.tgz",
			map[string]string{"/x": strings.TrimSuffix(packumentOf("https://npm.example/x/-/x-1.0.0.tgz"+sri(sha512A)), "}")}, "", ErrUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &registry{docs: c.docs}
			n := &NPM{Fetch: r.fetch}
			got, err := n.Attest(t.Context(), mustMatch(t, mustLoad(t, npmRule), "npm.example", c.tarball))
			if got.Digest != c.want || !errors.Is(err, c.err) || errors.Is(err, ErrGone) {
				t.Errorf("digest\ngot  %q, %v\nwant %q, %v", got.Digest, err, c.want, c.err)
			}
		})
	}
}

// The publisher writes package.json, the registry writes dist. encoding/json would mix up their keys.
func TestAPublishersDistIsNotTheRegistrys(t *testing.T) {
	doc := `{"versions":{"1.0.0":{"dist":{"tarball":"https://npm.example/x/-/x-1.0.0.tgz","integrity":"` + sha512A + `","INTEGRITY":"` + sha512B + `"},
		"Dist":{"tarball":"https://npm.example/x/-/x-1.0.0.tgz","integrity":"` + sha512B + `"}}},"Versions":{"1.0.0":{}}}`
	r := &registry{docs: map[string]string{"/x": doc}}
	got, err := (&NPM{Fetch: r.fetch}).Attest(t.Context(), mustMatch(t, mustLoad(t, npmRule), "npm.example", "/x/-/x-1.0.0.tgz"))
	if want, _ := digest.ParseSRI(sha512A); got.Digest != want {
		t.Errorf("digest\ngot  %q, %v\nwant %q", got.Digest, err, want)
	}
}

// versionRule is npmRule, with documents of single versions.
const versionRule = npmRule + `
[[path]]
match   = "/@{scope}/{name}/{version}"
keep    = "5m"
subject = "@{scope}/{name}"
[[path]]
match   = "/{name}/{version}"
keep    = "5m"
subject = "{name}"
`

// Clients that say which bytes they expect ask for no packument, and those that do not say it had it before, or have a lock file.
func TestNPMReadsNoMoreThanItNeeds(t *testing.T) {
	one := func(tarball, sri string) string {
		return `{"name":"x","version":"1.0.0","dist":{"tarball":"https://npm.example` + tarball + `","integrity":"` + sri + `"}}`
	}
	all := packumentOf("https://npm.example/x/-/x-1.0.0.tgz" + sri(sha512A))
	scoped := packumentOf("https://npm.example/@s/x/-/x-1.0.0.tgz" + sri(sha512A))
	for _, c := range []struct {
		name, tarball string
		kept, docs    map[string]string
		want          string
	}{
		{"the version's own document", "/x/-/x-1.0.0.tgz", nil,
			map[string]string{"/x/1.0.0": one("/x/-/x-1.0.0.tgz", sha512A), "/x": all}, "[kept /x/1.0.0 ]"},
		{"of a scoped package, too", "/@s/x/-/x-1.0.0.tgz", nil,
			map[string]string{"/@s/x/1.0.0": one("/@s/x/-/x-1.0.0.tgz", sha512A), "/@s/x": scoped}, "[kept /@s/x/1.0.0 ]"},
		{"the packument that a client has asked for", "/x/-/x-1.0.0.tgz", map[string]string{"/x " + abbreviated: all}, nil, "[]"},
		{"also if it asked for the full one", "/x/-/x-1.0.0.tgz", map[string]string{"/x application/json": all}, nil, "[]"},
		{"not one that was kept before the version was there", "/x/-/x-1.0.0.tgz", map[string]string{"/x " + abbreviated: packumentOf()},
			map[string]string{"/x/1.0.0": one("/x/-/x-1.0.0.tgz", sha512A)}, "[kept /x/1.0.0 ]"},
		{"the packument, if the registry knows no versions", "/x/-/x-1.0.0.tgz", nil,
			map[string]string{"/x": all}, "[kept /x/1.0.0  kept /x " + abbreviated + "]"},
		{"the packument, if the version has another tarball", "/x/-/x-1.0.0.tgz", nil,
			map[string]string{"/x/1.0.0": one("/x/-/y-1.0.0.tgz", sha512B), "/x": all}, "[kept /x/1.0.0  kept /x " + abbreviated + "]"},
		{"the packument, if the version is a page", "/x/-/x-1.0.0.tgz", nil,
			map[string]string{"/x/1.0.0": "<html>", "/x": all}, "[kept /x/1.0.0  kept /x " + abbreviated + "]"},
		{"the packument, if half the version came", "/x/-/x-1.0.0.tgz", nil,
			map[string]string{"/x/1.0.0": strings.TrimSuffix(one("/x/-/x-1.0.0.tgz", sha512B), "}"), "/x": all}, "[kept /x/1.0.0  kept /x " + abbreviated + "]"},
		{"the packument, if the file is named otherwise", "/x/-/y-1.0.0.tgz", nil,
			map[string]string{"/x": packumentOf("https://npm.example/x/-/y-1.0.0.tgz" + sri(sha512A))}, "[kept /x " + abbreviated + "]"},
		{"no dist-tag", "/x/-/x-latest.tgz", nil,
			map[string]string{"/x": packumentOf("https://npm.example/x/-/x-latest.tgz" + sri(sha512A))}, "[kept /x " + abbreviated + "]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &registry{docs: c.docs}
			n := &NPM{Fetch: r.fetch, Kept: func(_ context.Context, m rules.Match) ([]byte, error) {
				if doc, ok := c.kept[m.Clean+" "+m.Variant]; ok {
					return []byte(doc), nil
				}
				return nil, errors.New("the cache has no such thing")
			}}
			got, err := n.Attest(t.Context(), mustMatch(t, mustLoad(t, versionRule), "npm.example", c.tarball))
			if want, _ := digest.ParseSRI(sha512A); got.Digest != want || fmt.Sprint(r.asked) != c.want {
				t.Errorf("digest and questions\ngot  %q after %v, %v\nwant %q after %v", got.Digest, r.asked, err, want, c.want)
			}
		})
	}
}

func TestAnOldPackumentIsNotBelievedWhereTarballsMayChange(t *testing.T) {
	old := packumentOf("https://npm.example/x/-/x-1.0.0.tgz" + sri(sha512B))
	new := packumentOf("https://npm.example/x/-/x-1.0.0.tgz" + sri(sha512A))
	r := &registry{docs: map[string]string{"/x": new}}
	n := &NPM{Fetch: r.fetch, Kept: func(context.Context, rules.Match) ([]byte, error) { return []byte(old), nil }}
	for keep, want := range map[string]string{"forever": sha512B, "5m": sha512A} {
		rule := strings.ReplaceAll(npmRule, `"forever"`, `"`+keep+`"`)
		got, err := n.Attest(t.Context(), mustMatch(t, mustLoad(t, rule), "npm.example", "/x/-/x-1.0.0.tgz"))
		if want, _ := digest.ParseSRI(want); got.Digest != want {
			t.Errorf("digest where tarballs are kept %s\ngot  %q, %v\nwant %q", keep, got.Digest, err, want)
		}
	}
}

func TestAVersionPublishedAMinuteAgoIsFound(t *testing.T) {
	old := packumentOf("https://npm.example/x/-/x-1.0.0.tgz" + sri(sha512B))
	new := packumentOf("https://npm.example/x/-/x-1.0.0.tgz"+sri(sha512B), "https://npm.example/x/-/x-1.0.1.tgz"+sri(sha512A))
	r := &registry{docs: map[string]string{"/x": new}, stale: map[string]string{"/x": old}}
	n := &NPM{Fetch: r.fetch}
	m := mustMatch(t, mustLoad(t, npmRule), "npm.example", "/x/-/x-1.0.1.tgz")
	got, err := n.Attest(t.Context(), m)
	if want, _ := digest.ParseSRI(sha512A); got.Digest != want {
		t.Errorf("digest\ngot  %q, %v\nwant %q", got.Digest, err, want)
	}
	want := "[kept /x " + abbreviated + " fresh /x " + abbreviated + "]"
	if got := fmt.Sprint(r.asked); got != want {
		t.Errorf("questions\ngot  %s\nwant %s", got, want)
	}
}

func TestARegistryThatIsDownIsNoAnswer(t *testing.T) {
	r := &registry{err: errors.New("no route to host")}
	_, err := (&NPM{Fetch: r.fetch}).Attest(t.Context(), mustMatch(t, mustLoad(t, npmRule), "npm.example", "/x/-/x-1.0.0.tgz"))
	if !errors.Is(err, r.err) || errors.Is(err, ErrUnknown) || len(r.asked) != 1 {
		t.Errorf("error\ngot  %v after %d questions\nwant %v after 1", err, len(r.asked), r.err)
	}
}

func TestAPackumentIsParsedOnce(t *testing.T) {
	set := mustLoad(t, npmRule)
	var versions []string
	for i := range 200 {
		versions = append(versions, fmt.Sprintf("https://npm.example/x/-/x-%d.tgz%s", i, sri(sha512A)))
	}
	r := &registry{docs: map[string]string{"/x": packumentOf(versions...)}}
	n := &NPM{Fetch: r.fetch}
	var wg sync.WaitGroup
	for i := range 200 {
		m := mustMatch(t, set, "npm.example", fmt.Sprintf("/x/-/x-%d.tgz", i))
		wg.Go(func() {
			if _, err := n.Attest(t.Context(), m); err != nil {
				t.Errorf("%s\ngot  %v\nwant a digest", m.Clean, err)
			}
		})
	}
	wg.Wait()
	if len(n.tables.items) != 1 || n.tables.weight != 201 {
		t.Errorf("kept\ngot  %d packuments of weight %d\nwant 1 of weight 201", len(n.tables.items), n.tables.weight)
	}
	r.docs["/x"] = packumentOf("https://npm.example/x/-/x-0.tgz" + sri(sha512B))
	got, err := n.Attest(t.Context(), mustMatch(t, set, "npm.example", "/x/-/x-0.tgz"))
	if want, _ := digest.ParseSRI(sha512B); got.Digest != want {
		t.Errorf("digest after the packument changed\ngot  %q, %v\nwant %q", got.Digest, err, want)
	}
}

// A full packument is mostly readme. What is not a digest must leave no trace in memory.
func TestALargePackumentNeedsLittleMemory(t *testing.T) {
	member := `"readme":"` + strings.Repeat("x", 32<<10) + `",` + `"tarball"`
	var versions []string
	for i := range 250 {
		versions = append(versions, fmt.Sprintf("https://npm.example/x/-/x-%d.tgz%s", i, sri(sha512A)))
	}
	doc := []byte(strings.ReplaceAll(packumentOf(versions...), `"tarball"`, member))
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			var list tarballs
			if list.read(doc); list.err != nil || len(list.rows) != 250 {
				b.Fatal(list.err, len(list.rows))
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > int64(len(doc))/4 {
		t.Errorf("allocated for a packument of %d bytes\ngot  %d\nwant at most a quarter", len(doc), got)
	}
	t.Logf("a packument of %d bytes: %s %s", len(doc), result, result.MemString())
}

func TestRecentForgetsTheLongestUnused(t *testing.T) {
	var r recent[string, int]
	r.put("a", 1, 2, 5)
	r.put("b", 2, 2, 5)
	r.get("a")
	r.put("c", 3, 2, 5)
	r.put("huge", 4, 6, 5)
	var got []string
	for _, key := range []string{"a", "b", "c", "huge"} {
		if _, ok := r.get(key); ok {
			got = append(got, key)
		}
	}
	if fmt.Sprint(got) != "[a c]" || r.weight != 4 || r.order.Len() != 2 {
		t.Errorf("kept\ngot  %v of weight %d\nwant [a c] of weight 4", got, r.weight)
	}
}

// FuzzPackument feeds the decoder whatever comes. It may refuse; it may not crash, take what is no JSON, or name a digest
// that is none.
func FuzzPackument(f *testing.F) {
	f.Add([]byte(packumentOf("https://npm.example/x/-/x-1.0.0.tgz"+sri(sha512A), "https://npm.example/x/-/x-1.0.1.tgz")))
	for _, seed := range []string{``, `{}`, `null`, `[]`, `{"versions":null}`, `{"versions":[1]}`, `{"versions":{"1":3}}`,
		`{"versions":{"1":{"dist":7}}}`, `{"versions":{"1":{"dist":{"tarball":{},"integrity":[1],"shasum":null}}}}`,
		`{"versions":{"1":{"dist":{"tarball":"/a","shasum":"` + sha1A + `"}}},"versions":{}}`, `{"a":1e999}`, `{"versions":1e999}`,
		`{} {}`, `{"versions":{"1":{"dist":{"tarball":"%zz"`, "<html>", "\xff{\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var list tarballs
		list.read(data)
		if list.err == nil && !json.Valid(data) {
			t.Errorf("read without an error what is no JSON: %q", data)
		}
		if list.err != nil && list.rows != nil {
			t.Errorf("rows beside an error\ngot  %v, %v", list.rows, list.err)
		}
		for path, d := range list.rows {
			if again, err := digest.Parse(string(d)); d != "" && (err != nil || again != d) || path == "" {
				t.Errorf("row\ngot  %q %q", path, d)
			}
			list.find(path)
		}
		list.find("/-/x.tgz")
		var one tarballs
		one.readOne(data)
		if one.err == nil && !json.Valid(data) || one.err != nil && one.rows != nil || len(one.rows) > 1 {
			t.Errorf("the document of one version\ngot  %v, %v\nwant a row at most, and none of what is no JSON", one.rows, one.err)
		}
	})
}
