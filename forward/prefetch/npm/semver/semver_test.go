package semver

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// testdata/semver.tsv is what node-semver said of random versions and ranges; generate.js of the npm walk wrote it, by testdata/semver.js.
func TestVersionsAndRangesAreReadAsNodeReadsThem(t *testing.T) {
	data, err := os.ReadFile("testdata/semver.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(rows) < 1000 {
		t.Fatalf("only %d rows", len(rows))
	}
	for _, row := range rows {
		f := strings.Split(row, "\t")
		loose := f[2] == "true"
		v, isVersion := ParseVersion(f[0], loose)
		r, isRange := ParseRange(f[1], loose)
		got := strings.Join([]string{
			strconv.FormatBool(isVersion), strconv.FormatBool(isRange), strconv.FormatBool(isVersion && isRange && r.Holds(v)),
		}, " ")
		if want := strings.Join(f[3:], " "); got != want {
			t.Errorf("version %q, range %q, loose %v: version, range, satisfied\n got %s\nwant %s", f[0], f[1], loose, got, want)
		}
	}
}

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		name, ranged, version string
		want                  bool
	}{
		{"a caret ends at the next major", "^1.2.3", "2.0.0", false},
		{"and leaves its prereleases out", "^1.2.3", "2.0.0-rc.1", false},
		{"of 0.x it ends at the next minor", "^0.2.3", "0.3.0", false},
		{"of 0.0.x at the next patch", "^0.0.3", "0.0.4", false},
		{"a tilde ends at the next minor", "~1.2", "1.2.99", true},
		{"a prerelease is in if the range names one of the same patch", "^1.2.3-beta.2", "1.2.3-beta.10", true},
		{"and out if of another", "^1.2.3-beta.2", "1.2.4-beta.10", false},
		{"a star holds for no prerelease", "*", "1.2.3-beta.1", false},
		{"also beside a range that would", "* || 1.2.3-beta.1", "1.2.3-beta.1", false},
		{"a hyphen's end may be partial", "1.2 - 2.3", "2.3.9", true},
		{"blanks may follow an operator", ">= 1.2 < 2", "1.9.0", true},
		{"a comma ends what can be read", ">=1.0.0, <2.0.0", "0.1.0", true},
		{"numbers order as numbers", ">1.0.0-rc.9", "1.0.0-rc.10", true},
		{"nothing is less than anything", "<*", "0.0.0", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, okV := ParseVersion(c.version, true)
			r, okR := ParseRange(c.ranged, true)
			if got := r.Holds(v); got != c.want || !okV || !okR {
				t.Errorf("%q in %q\n got %v, %v, %v\nwant %v", c.version, c.ranged, got, okV, okR, c.want)
			}
		})
	}
}

// What is printed is read again as the same, and whatever is read, is read in bounded time without a panic.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{"^1.2.3", "1.2 - 3", ">=1 <2 || ~3.4.5-rc.1+b", "x.1.*", "*", "v= 1", "1.2.3-", "+", "9007199254740993", "^^1", "|| ||"} {
		f.Add("1.2.3-beta.1", seed)
	}
	f.Fuzz(func(t *testing.T, version, ranged string) {
		for _, loose := range []bool{false, true} {
			v, ok := ParseVersion(version, loose)
			if r, isRange := ParseRange(ranged, loose); isRange {
				r.Holds(v)
			}
			if !ok {
				continue
			}
			again, ok := ParseVersion(v.String(), true)
			if !ok || again.Compare(v) != 0 {
				t.Errorf("%q is read as %q, and that as\n got %q, %v", version, v, again, ok)
			}
		}
	})
}
