package rules

import (
	"mime"
	"strconv"
	"strings"
)

// maxRanges bounds what is read of an Accept header. Docker names eight types; more than this is no client of ours.
const maxRanges = 64

// mediaRange is one element of an Accept header.
type mediaRange struct {
	kind, sub string // "*" for any
	params    map[string]string
	q         float64 // 0 to 1; 0: not wanted
}

// prefer picks the variant that the Accept lines prefer (RFC 9110 section 12.5.1): the highest q, then the one that is
// named most exactly, then the first of the rule. The first also if the client did not say, or wants none of them: the
// origin would answer so too. Several lines are one list, in whatever order they come.
func prefer(variants, accept []string) string {
	if len(variants) == 0 {
		return ""
	}
	ranges := parseAccept(accept)
	best, bestQ, bestExact := variants[0], 0.0, 0
	for _, variant := range variants {
		q, exact := quality(variant, ranges)
		if q > bestQ || q == bestQ && q > 0 && exact > bestExact {
			best, bestQ, bestExact = variant, q, exact
		}
	}
	return best
}

func parseAccept(lines []string) []mediaRange {
	var ranges []mediaRange
	for _, line := range lines {
		for _, element := range splitQuoted(line) {
			if r, ok := parseRange(element); ok && len(ranges) < maxRanges {
				ranges = append(ranges, r)
			}
		}
	}
	return ranges
}

// splitQuoted splits at commas outside of quoted strings.
func splitQuoted(line string) []string {
	var all []string
	quoted, from := false, 0
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '"':
			quoted = !quoted
		case line[i] == '\\' && quoted:
			i++
		case line[i] == ',' && !quoted:
			all = append(all, line[from:i])
			from = i + 1
		}
	}
	return append(all, line[from:])
}

// parseRange reads one element; what cannot be read counts as not there.
func parseRange(element string) (mediaRange, bool) {
	name, params, err := mime.ParseMediaType(element)
	kind, sub, ok := strings.Cut(name, "/")
	if err != nil || !ok || kind == "*" && sub != "*" {
		return mediaRange{}, false
	}
	r := mediaRange{kind: kind, sub: sub, params: params, q: 1}
	if text, ok := params["q"]; ok {
		q, err := strconv.ParseFloat(text, 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return mediaRange{}, false
		}
		r.q = q
		delete(params, "q")
	}
	return r, true
}

// isPlainType reports a media type as it is compared with a Content-Type: in lower case, whole, without parameters.
func isPlainType(s string) bool {
	r, ok := parseRange(s)
	return ok && r.kind+"/"+r.sub == s && !strings.Contains(s, "*")
}

// quality is the q of the most exact range that speaks of the variant, and how exact that is; 0, 0 if none does.
func quality(variant string, ranges []mediaRange) (q float64, exact int) {
	kind, sub, _ := strings.Cut(variant, "/")
	for _, r := range ranges {
		if e := r.exact(kind, sub); e > exact || e > 0 && e == exact && r.q > q {
			q, exact = r.q, e
		}
	}
	return q, exact
}

// exact grades a range against a type without parameters: 3 for itself, 2 for type/*, 1 for */*, 0 for another. A range
// with parameters asks for a representation that has them.
func (r mediaRange) exact(kind, sub string) int {
	switch {
	case len(r.params) > 0:
		return 0
	case r.kind == kind && r.sub == sub:
		return 3
	case r.kind == kind && r.sub == "*":
		return 2
	case r.kind == "*":
		return 1
	}
	return 0
}
