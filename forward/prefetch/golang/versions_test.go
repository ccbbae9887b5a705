package golang

import (
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

// TestWhatAListComesTo has lists as proxies send them, and what the go command makes of them.
func TestWhatAListComesTo(t *testing.T) {
	for _, c := range []struct{ why, list, best, all, last, dated string }{
		{"nothing", "", "", "", "", ""},
		{"in no order", "v1.2.0\nv1.10.0\nv1.9.0\n", "v1.10.0", "v1.10.0", "v1.10.0", ""},
		{"a release before a later prerelease", "v1.0.0\nv1.1.0-rc.1\n", "v1.0.0", "v1.0.0", "v1.1.0-rc.1", ""},
		{"prereleases alone", "v0.1.0-a\nv0.1.0-b", "v0.1.0-b", "v0.1.0-b", "v0.1.0-b", ""},
		{"incompatible ones apart", "v1.0.0\nv3.0.0+incompatible\n", "v1.0.0", "v3.0.0+incompatible", "v1.0.0", ""},
		{"the latest commit by time", "v1.0.0\nv0.0.0-20200102030405-abcdefabcdef\nv0.0.1-0.20190102030405-abcdefabcdef\n", "v1.0.0", "v1.0.0", "v1.0.0", "v0.0.0-20200102030405-abcdefabcdef"},
		{"times that the proxy tells", "v1.0.0 2021-01-01T00:00:00Z\nv1.1.0 2020-01-01T00:00:00Z\n", "v1.1.0", "v1.1.0", "v1.1.0", "v1.0.0"},
		{"no versions", "<html>\nmaster\n1.0.0\nv1.0.0.0\n", "", "", "", ""},
	} {
		v := readVersions([]byte(c.list))
		same(t, c.why+": the newest", v.compatible.best(), c.best)
		same(t, c.why+": of all", v.all.best(), c.all)
		same(t, c.why+": what decides", v.last, c.last)
		same(t, c.why+": by time", v.dated, c.dated)
		same(t, c.why+": is divided", v.divided(), c.best != c.all)
	}
	same(t, "too many lines", readVersions([]byte(strings.Repeat("v1.0.0\n", maxListed)+"v1.1.0\n")).all.best(), "v1.0.0")
	same(t, "the latest", readLatest([]byte(`{"Version":"v1.2.3","Time":"2020-01-01T00:00:00Z"}`)), "v1.2.3")
	same(t, "no latest", readLatest([]byte("404 page not found")), "")
	same(t, "a latest that is no version", readLatest([]byte(`{"Version":"master"}`)), "")
	same(t, "one that is longer than any", readLatest([]byte(`{"Version":"v1.2.3-`+strings.Repeat("a", maxVersion)+`"}`)), "")
	same(t, "too long a latest", readLatest([]byte(`{"Version":"v1.2.3"}`+strings.Repeat(" ", maxLatest))), "")
}

// FuzzVersions has lists of anybody: what they come to is a version that is in them, and no name grows with a line.
func FuzzVersions(f *testing.F) {
	f.Add([]byte("v1.0.0\nv2.0.0+incompatible\nv0.0.0-20200102030405-abcdefabcdef\n"))
	f.Add([]byte("v1.0.0 2020-01-01T00:00:00Z\r\n\x00v1"))
	f.Fuzz(func(t *testing.T, body []byte) {
		v := readVersions(body)
		if latest := readLatest(body); latest != "" && (!semver.IsValid(latest) || len(latest) > maxVersion) {
			t.Errorf("%q is no version", latest)
		}
		for _, version := range []string{v.dated, v.last, v.compatible.best(), v.all.best()} {
			if version != "" && (!semver.IsValid(version) || len(version) > maxVersion || !strings.Contains(string(body), version)) {
				t.Errorf("%q is no version of the list", version)
			}
		}
		if best := v.compatible.best(); best != "" && strings.HasSuffix(best, "+incompatible") {
			t.Errorf("%q is taken for compatible", best)
		}
	})
}
