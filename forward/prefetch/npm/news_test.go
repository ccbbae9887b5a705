package npm

import (
	"bytes"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"hither/forward/prefetch/npm/semver"
	"hither/rules"
)

// TestWhatANewerPackumentNamesIsLacked: what others keep of it, and of what it needs, is as old as they are.
func TestWhatANewerPackumentNamesIsLacked(t *testing.T) {
	const npm, yarn = "registry.npmjs.org", "registry.yarnpkg.com"
	w, news := newWorld(t), new(News)
	came := time.Now()
	before, after := came.Add(-time.Second), came.Add(time.Second)
	news.Came(w.at(npm, "app", full), packumentOf("app", `{"part": "^1.1.0", "other": "latest", "alias": "npm:real@2.0.0"}`, "1.0.0", "1.1.0"), came)
	versions := func(name string, versions ...string) []byte { return packumentOf(name, "{}", versions...) }
	for _, row := range []struct {
		what, host, name string
		kept             []byte
		checked          time.Time
		fresh            bool
		want             bool
	}{
		{"the other form of it", npm, "app", versions("app", "1.0.0"), before, true, true},
		{"it by the registry's other name", yarn, "app", versions("app", "1.0.0"), before, true, true},
		{"a copy that has it", npm, "app", versions("app", "1.0.0", "1.1.0"), before, false, false},
		{"a copy that was confirmed since", npm, "app", versions("app", "1.0.0"), after, false, false},
		{"what it needs", npm, "part", versions("part", "1.0.0"), before, true, true},
		{"what it needs, as it should be", npm, "part", versions("part", "1.0.0", "1.2.0"), before, false, false},
		{"what it needs under another name", npm, "real", versions("real", "1.0.0"), before, false, true},
		{"what it needs whatever it is", npm, "other", versions("other", "1.0.0"), before, false, false},
		{"what it does not need", npm, "alias", versions("alias", "1.0.0"), before, false, false},
		{"a copy that is no packument", npm, "app", []byte("<html>"), before, false, false},
	} {
		if got := news.Lacks(w.at(row.host, row.name, short), kept{bytes.NewReader(row.kept)}, row.checked, row.fresh); got != row.want {
			t.Errorf("%s lacks something\ngot  %v\nwant %v", row.what, got, row.want)
		}
	}
}

// packumentOf is one with some versions, of which the last is the latest, and all need the same.
func packumentOf(name, needs string, versions ...string) []byte {
	var list []string
	for _, v := range versions {
		list = append(list, fmt.Sprintf(`%q: {"name": %q, "version": %q, "dependencies": %s}`, v, name, v, needs))
	}
	return fmt.Appendf(nil, `{"name": %q, "dist-tags": {"latest": %q}, "versions": {%s}}`, name, versions[len(versions)-1], strings.Join(list, ","))
}

func (w *world) at(host, name, accept string) rules.Match {
	m, ok := w.rules.Match(host, rules.Query{URL: &url.URL{Scheme: "https", Host: host, Path: "/" + name}, Accept: []string{accept}})
	if !ok {
		w.t.Fatalf("no rule for %s at %s", name, host)
	}
	return m
}

// kept is a cache.Blob.
type kept struct{ *bytes.Reader }

func (kept) Close() error { return nil }

// TestTheLatestVersionCounts among many that have a tag.
func TestTheLatestVersionCounts(t *testing.T) {
	w, news := newWorld(t), new(News)
	var tags, versions []string
	for i := range 2 * maxWishes {
		tags = append(tags, fmt.Sprintf(`"a%d": "1.0.%d"`, i, i))
		versions = append(versions, fmt.Sprintf(`"1.0.%d": {"dependencies": {"part": "2.0.%d"}}`, i, i))
	}
	tags, versions = append(tags, `"latest": "3.0.0"`), append(versions, `"3.0.0": {"dependencies": {"part": "4.0.0"}}`)
	m, now := w.at("registry.npmjs.org", "app", full), time.Now()
	news.Came(m, fmt.Appendf(nil, `{"dist-tags": {%s}, "versions": {%s}}`, strings.Join(tags, ","), strings.Join(versions, ",")), now)
	for name, latest := range map[string]string{"app": "3.0.0", "part": "4.0.0"} {
		wishes := news.after(wishKey(m.Rule, name), now.Add(-1))
		if len(wishes) != maxWishes || wishes[len(wishes)-1].text != latest {
			t.Errorf("wishes of %s\ngot  %v\nwant %d, the last of %s", name, wishes, maxWishes, latest)
		}
	}
}

// TestWishesAreBounded: a registry may name as many packages as it likes.
func TestWishesAreBounded(t *testing.T) {
	var s News
	now := time.Now()
	for i := range 2 * maxWished {
		s.add(fmt.Sprint("k", i), request{kind: byVersion, text: "1.0.0"}, now)
	}
	for i := range 2 * maxWishes {
		s.add("k", request{kind: byVersion, text: fmt.Sprint("1.0.", i)}, now)
	}
	if got := len(s.of); got > maxWished {
		t.Errorf("packages\ngot  %d\nwant %d at most", got, maxWished)
	}
	if got := s.after("k", now.Add(-1)); len(got) != maxWishes || got[maxWishes-1].text != fmt.Sprint("1.0.", 2*maxWishes-1) {
		t.Errorf("versions of one\ngot  %v\nwant the last %d", got, maxWishes)
	}
}

// TestAWishIsSmall, whatever a registry names: what a range of 1 KB is read as has some 50 KB, and there may be 32 000.
func TestAWishIsSmall(t *testing.T) {
	w, news := newWorld(t), new(News)
	m, now := w.at("registry.npmjs.org", "app", full), time.Now()
	needs := fmt.Sprintf(`{"part": "%s2", "other": "%s2"}`, strings.Repeat("1||", maxWish/4), strings.Repeat("1||", maxWish))
	news.Came(m, packumentOf("app", needs, "1.0.0-"+strings.Repeat("x", 1<<20)), now)
	if len(news.of) != 1 {
		t.Errorf("packages\ngot  %d: %.200v\nwant part alone", len(news.of), news.of)
	}
	for _, all := range news.of {
		for _, wish := range all {
			if len(wish.text) > maxWish || !reflect.DeepEqual(wish.ranged, semver.Range{}) {
				t.Errorf("a wish\ngot  %.200v\nwant its text alone", wish)
			}
		}
	}
	if !news.Lacks(w.at("registry.npmjs.org", "part", short), kept{bytes.NewReader(packumentOf("part", "{}", "3.0.0"))}, now.Add(-1), true) {
		t.Error("a copy without what is wanted will do")
	}
}
