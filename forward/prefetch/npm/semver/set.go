package semver

import (
	"strconv"
	"strings"
)

// wild is a part of a version that may be anything: "x", "*", or left out.
const wild = -1

// partial is a version in a range, parts of which may be left open: "1.2", "1.x".
type partial struct {
	major, minor, patch int64 // wild: open
	pre                 string
}

func (p partial) version() Version {
	return Version{uint64(max(p.major, 0)), uint64(max(p.minor, 0)), uint64(max(p.patch, 0)), p.pre}
}

// disordered says that a part behind an open one is given, which only ~ and ^ understand: "1.x.3".
func (p partial) disordered() bool {
	return p.major == wild && p.minor != wild || p.minor == wild && p.patch != wild
}

// bound is a comparator from the parts of a partial; open ones are 0.
func bound(op string, major, minor, patch int64, pre string) comparator {
	return comparator{op, partial{major, minor, patch, pre}.version()}
}

// readPartial reads one from the front and returns what follows.
func readPartial(s string, loose bool) (p partial, rest string, ok bool) {
	p = partial{major: wild, minor: wild, patch: wild}
	parts := [...]*int64{&p.major, &p.minor, &p.patch}
	n := 0
	for ; n < len(parts); n++ {
		from := s
		if n > 0 {
			if from, ok = strings.CutPrefix(s, "."); !ok {
				break
			}
		}
		value, after, ok := readPart(from, loose)
		if !ok {
			break
		}
		*parts[n], s = value, after
	}
	if n == 0 {
		return p, s, false
	}
	if n == len(parts) {
		p.pre, s = readPre(s, loose)
	}
	return p, s, true
}

// readPart reads a number, or x.
func readPart(s string, loose bool) (value int64, rest string, ok bool) {
	if s == "" {
		return 0, s, false
	}
	if s[0] == 'x' || s[0] == 'X' || s[0] == '*' {
		return wild, s[1:], true
	}
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	if n > 1 && s[0] == '0' && !loose {
		n = 1
	}
	if n == 0 {
		return 0, s, false
	}
	value, err := strconv.ParseInt(s[:n], 10, 64)
	if err != nil {
		value = maxSafe + 1
	}
	return value, s[n:], true
}

// readPre reads a prerelease: behind a hyphen, or loose right behind the number.
func readPre(s string, loose bool) (pre, rest string) {
	if tail, ok := strings.CutPrefix(s, "-"); ok {
		if n := identifiersIn(tail); n > 0 {
			return strictPre(tail[:n], tail[n:], s, loose)
		}
	}
	if n := identifiersIn(s); loose && n > 0 {
		return s[:n], s[n:]
	}
	return "", s
}

// strictPre refuses, unless loose, numbers that begin with a zero.
func strictPre(pre, rest, all string, loose bool) (string, string) {
	if !loose {
		for word := range strings.SplitSeq(pre, ".") {
			if len(word) > 1 && word[0] == '0' && isDigits(word) {
				return "", all
			}
		}
	}
	return pre, rest
}

// readSet reads what stands between two ||. Not found: nothing in it could be read, which loose is no error.
func readSet(s string, loose bool) (set comparators, found, ok bool) {
	if set, ok := readHyphen(s, loose); ok {
		return set, true, true
	}
	found = s == ""
	for s = joinOperators(s); s != ""; {
		var more comparators
		var read bool
		more, s, read = readComparator(s, loose)
		if !read && !loose {
			return nil, false, false
		}
		found = found || read
		set = append(set, more...)
	}
	return set, found, true
}

// joinOperators takes out the blanks between an operator and its version: "> 1.2" is ">1.2".
func joinOperators(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] == ' ' && i > 0 && strings.IndexByte("<>=~^", s[i-1]) >= 0 && strings.IndexByte("0123456789xX*v=", s[i+1]) >= 0 {
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// readHyphen reads "1.2 - 3.4.5": from the lowest 1.2 to 3.4.5.
func readHyphen(s string, loose bool) (set comparators, ok bool) {
	low, rest, ok := readPartial(strings.TrimLeft(s, "v= "), loose)
	rest, dash := strings.CutPrefix(rest, " - ")
	if !ok || !dash {
		return nil, false
	}
	high, rest, ok := readPartial(strings.TrimLeft(rest, "v= "), loose)
	if !ok || rest != "" {
		return nil, false
	}
	if low.major != wild {
		set = append(set, lowest(low))
	}
	switch {
	case high.major == wild:
	case high.minor == wild:
		set = append(set, bound("<", high.major+1, 0, 0, "0"))
	case high.patch == wild:
		set = append(set, bound("<", high.major, high.minor+1, 0, "0"))
	default:
		set = append(set, bound("<=", high.major, high.minor, high.patch, high.pre))
	}
	return dropFloor(set), true
}

// lowest is the first version that a partial means.
func lowest(p partial) comparator {
	if p.minor == wild {
		return bound(">=", p.major, 0, 0, "")
	}
	if p.patch == wild {
		return bound(">=", p.major, p.minor, 0, "")
	}
	return bound(">=", p.major, p.minor, p.patch, p.pre)
}

// dropFloor removes >=0.0.0, which says nothing: node-semver takes it for a *.
func dropFloor(set comparators) comparators {
	kept := set[:0]
	for _, c := range set {
		if c.op != ">=" || c.Version != (Version{}) {
			kept = append(kept, c)
		}
	}
	return kept
}

// readComparator reads one from the front: "^1.2", ">= 1.2.3", "*". Not read: the word is something else, and passed over.
func readComparator(s string, loose bool) (set comparators, rest string, read bool) {
	op, from := readOperator(s)
	p, after, found := readPartial(strings.TrimLeft(from, "v= "), loose)
	if !found || after != "" && after[0] != ' ' || (p.disordered() && op != "~" && op != "^") {
		_, rest, _ = strings.Cut(s, " ")
		return nil, rest, false
	}
	return dropFloor(desugar(op, p)), strings.TrimPrefix(after, " "), true
}

// readOperator reads "~>", "^", ">=" and so on; the first of "=" is none.
func readOperator(s string) (op, rest string) {
	switch {
	case strings.HasPrefix(s, "~>"):
		return "~", s[2:]
	case strings.HasPrefix(s, "~"), strings.HasPrefix(s, "^"), strings.HasPrefix(s, "="):
		return s[:1], s[1:]
	case strings.HasPrefix(s, "<="), strings.HasPrefix(s, ">="):
		return s[:2], s[2:]
	case strings.HasPrefix(s, "<"), strings.HasPrefix(s, ">"):
		return s[:1], s[1:]
	}
	return "=", s
}

// desugar says an operator and a partial in plain comparators. None: anything will do.
func desugar(op string, p partial) comparators {
	switch op {
	case "~":
		return between(p, p.major != wild && p.minor != wild, false)
	case "^":
		return between(p, p.major == 0 && p.minor != wild, p.major == 0 && p.minor == 0 && p.patch != wild)
	case "=":
		if p.patch != wild {
			return comparators{bound("=", p.major, p.minor, p.patch, p.pre)}
		}
		return between(p, p.major != wild && p.minor != wild, false)
	}
	return compareTo(op, p)
}

// between is from the first version of p to the end of its major version, or of its minor one, or of its patch.
func between(p partial, minor, patch bool) comparators {
	switch {
	case p.major == wild:
		return nil
	case patch:
		return comparators{lowest(p), bound("<", p.major, p.minor, p.patch+1, "0")}
	case minor:
		return comparators{lowest(p), bound("<", p.major, p.minor+1, 0, "0")}
	}
	return comparators{lowest(p), bound("<", p.major+1, 0, 0, "0")}
}

// compareTo is <, <=, > or >= of a partial: ">1.2" is past all of 1.2.
func compareTo(op string, p partial) comparators {
	switch {
	case p.patch != wild:
		return comparators{bound(op, p.major, p.minor, p.patch, p.pre)}
	case p.major == wild && (op == "<" || op == ">"):
		return comparators{bound("<", 0, 0, 0, "0")} // nothing is
	case p.major == wild:
		return nil
	}
	if op == ">" || op == "<=" {
		if p.minor == wild {
			p.major++
		} else {
			p.minor++
		}
		op = map[string]string{">": ">=", "<=": "<"}[op]
	}
	pre := ""
	if op == "<" {
		pre = "0"
	}
	return comparators{bound(op, p.major, p.minor, 0, pre)}
}
