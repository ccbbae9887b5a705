package rules

import (
	"reflect"
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	type vars = map[string]string
	for _, row := range []struct {
		pattern, path string
		want          vars // nil: no match
	}{
		{"/", "/", vars{}},
		{"/", "/x", nil},
		{"/v2/", "/v2/", vars{}},
		{"/v2/", "/v2/x/v2/", nil},
		{"/{x}", "/", nil},
		{"/{x}", "/a", vars{"x": "a"}},
		{"/{x}", "/a/b", nil},
		{"/{x}", "/a/", nil},
		{"/{x...}", "/a/", vars{"x": "a/"}},
		{"/{x...}", "/", nil},
		{"/{x}-{y}", "/a-b-c", vars{"x": "a-b", "y": "c"}},
		{"/{x...}/{y}", "/a/b/c", vars{"x": "a/b", "y": "c"}},
		{"/{x...}/-/{y...}", "/a/-/b/-/c", vars{"x": "a/-/b", "y": "c"}},
		{"/{x}.p/{y}", "/001.p/7", vars{"x": "001", "y": "7"}},
		{"/{x:semver}.zip", "/v1.2.3.zip", vars{"x": "v1.2.3"}},
		{"/{x:semver}.zip", "/v1.2.3-rc.1.zip", vars{"x": "v1.2.3-rc.1"}},
		{"/{x:semver}.zip", "/v1.2.3-!r!c1.zip", vars{"x": "v1.2.3-!r!c1"}},
		{"/{x:semver}.zip", "/v2.0.0+incompatible.zip", vars{"x": "v2.0.0+incompatible"}},
		{"/{x:semver}.zip", "/v2.0.0+meta.zip", nil},
		{"/{x:semver}.zip", "/v1.2.3-RC1.zip", nil},
		{"/{x:semver}.zip", "/v1.2.zip", nil},
		{"/{x:semver}.zip", "/1.2.3.zip", nil},
		{"/{x:semver}.zip", "/v01.2.3.zip", nil},
		{"/{x:semver}.zip", "/latest.zip", nil},
		{"/{x:digest}", "/sha256:" + strings.Repeat("ab", 32), vars{"x": "sha256:" + strings.Repeat("ab", 32)}},
		{"/{x:digest}", "/sha512:" + strings.Repeat("ab", 64), vars{"x": "sha512:" + strings.Repeat("ab", 64)}},
		{"/{x:digest}", "/sha256:" + strings.Repeat("AB", 32), nil},
		{"/{x:digest}", "/sha256:" + strings.Repeat("ab", 31), nil},
		{"/{x:digest}", "/sha1:" + strings.Repeat("ab", 20), nil},
		{"/{x:digest}", "/latest", nil},
	} {
		p, err := parsePattern(row.pattern)
		if err != nil {
			t.Errorf("%s: %v", row.pattern, err)
			continue
		}
		got, ok := p.match(row.path)
		if ok != (row.want != nil) || ok && !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s against %s\ngot:  %v\nwant: %v", row.path, row.pattern, got, row.want)
		}
	}
}

// A hostile path must cost a pass for each part of the pattern, not one for each way to split it: with backtracking this
// test would not end.
func TestALongPathCostsLittle(t *testing.T) {
	p, err := parsePattern("/{a...}a{b...}a{c...}a{d...}a{e...}a{f...}a{g...}a{h...}ab")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := p.match("/" + strings.Repeat("a", maxName-2) + "b/"); ok {
		t.Error("got:  a match\nwant: none")
	}
	if _, ok := p.match("/" + strings.Repeat("a", maxName-2) + "b"); !ok {
		t.Error("got:  no match\nwant: one")
	}
}

// FuzzMatch checks that a match is a true split of the path, for any pattern and path.
func FuzzMatch(f *testing.F) {
	f.Add("/{module...}/@v/{version:semver}.zip", "/golang.org/x/mod/@v/v0.42.0.zip")
	f.Add("/v2/{repo...}/blobs/{digest:digest}", "/v2/a/blobs/blobs/blobs/sha256:00")
	f.Add("/{a}-{b...}.{c}", "/--.-.-/..")
	f.Fuzz(func(t *testing.T, text, path string) {
		p, err := parsePattern(text)
		if err != nil || len(path) > maxName {
			return
		}
		vars, ok := p.match(path)
		if !ok {
			return
		}
		var b strings.Builder
		for _, token := range p {
			value := vars[token.name]
			if token.kind == literal {
				value = token.text
			} else if value == "" || token.kind != rest && strings.Contains(value, "/") {
				t.Fatalf("%q against %q: {%s} is %q", path, text, token.name, value)
			}
			b.WriteString(value)
		}
		if b.String() != path {
			t.Fatalf("%q against %q\ngot:  %q\nwant: the path", path, text, b.String())
		}
	})
}

// FuzzClean checks that there is one spelling: cleaning and escaping again change nothing, and no segment is a dot.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{"/@s%2fn", "/a//b/", "/a/%2e%2e/b", "/%252e", "/a%00", "/%C3%A4?x", "//", "/!a+b%20"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		path, ok := clean(escaped)
		if !ok {
			return
		}
		if again, ok := clean(escape(path)); !ok || again != path {
			t.Fatalf("%q is %q, and escaped again %q is %q, %v", escaped, path, escape(path), again, ok)
		}
		if strings.Contains(path, "//") || strings.Contains(path+"/", "/../") || strings.Contains(path+"/", "/./") || path[0] != '/' {
			t.Fatalf("%q is %q", escaped, path)
		}
		if strings.Trim(escape(path), "/-._~!$&'()*+,;=:@%abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			t.Fatalf("%q is sent as %q", escaped, escape(path))
		}
	})
}

// FuzzAccept checks that the choice is one of the variants, and does not depend on how the list is cut into lines.
func FuzzAccept(f *testing.F) {
	f.Add("application/vnd.npm.install-v1+json; q=1.0", "application/json; q=0.8, */*")
	f.Add(`text/x;a="\",`, "*/*;q=0")
	f.Fuzz(func(t *testing.T, a, b string) {
		variants := []string{"application/json", "application/vnd.npm.install-v1+json"}
		got := prefer(variants, []string{a, b})
		if got != variants[0] && got != variants[1] {
			t.Fatalf("got:  %q\nwant: one of %q", got, variants)
		}
		if other := prefer(variants, []string{b, a}); len(parseAccept([]string{a, b})) < maxRanges && other != got {
			t.Fatalf("%q, %q\ngot:  %q\nwant: %q as in the other order", b, a, other, got)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	p, err := parsePattern("/{module...}/@v/{version:semver}.zip")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p.match("/github.com/!burnt!sushi/toml/@v/v1.6.0.zip")
	}
}
