package forward

import (
	"slices"
	"strconv"
	"strings"
)

// mediaRange is one element of an Accept header (RFC 9110, 12.5.1).
type mediaRange struct {
	kind string  // "application", or "*"
	name string  // "json", or "*"
	q    float64 // 0: not acceptable
}

// acceptance tells which media types a client can read. It is nil, which means all, without an Accept header.
func acceptance(lines []string) func(mediaType string) bool {
	var ranges []mediaRange
	for part := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if r, ok := parseMediaRange(part); ok {
			ranges = append(ranges, r)
		}
	}
	if len(ranges) == 0 {
		return nil
	}
	return func(mediaType string) bool { return accepts(ranges, mediaType) }
}

// readsMore says that a client reads other kinds than those that we ask for, of which there are some.
func readsMore(lines, asked []string) bool {
	if len(asked) == 0 {
		return false
	}
	kinds := strings.Split(strings.Join(lines, ","), ",")
	return slices.ContainsFunc(kinds, func(part string) bool {
		r, ok := parseMediaRange(part)
		return !ok || r.q > 0 && !slices.Contains(asked, r.kind+"/"+r.name)
	})
}

// parseMediaRange reads TYPE/NAME;PARAMETERS. Of the parameters only q matters here.
func parseMediaRange(s string) (mediaRange, bool) {
	essence, parameters, _ := strings.Cut(s, ";")
	kind, name, ok := strings.Cut(strings.ToLower(strings.TrimSpace(essence)), "/")
	if !ok || kind == "" || name == "" {
		return mediaRange{}, false
	}
	r := mediaRange{kind: kind, name: name, q: 1}
	for p := range strings.SplitSeq(parameters, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && strings.EqualFold(key, "q") {
			r.q = q
		}
	}
	return r, true
}

// accepts asks the most specific range that speaks of the type.
func accepts(ranges []mediaRange, mediaType string) bool {
	asked, ok := parseMediaRange(mediaType)
	if !ok {
		return true // a type that says nothing excludes nobody
	}
	best, q := -1, 0.0
	for _, r := range ranges {
		if n := r.specificity(asked); n > best || n == best && r.q > q {
			best, q = n, r.q
		}
	}
	return best >= 0 && q > 0
}

// specificity is -1 if the range does not speak of the type, else higher the narrower it is.
func (r mediaRange) specificity(asked mediaRange) int {
	switch {
	case r.kind == asked.kind && r.name == asked.name:
		return 2
	case r.kind == asked.kind && r.name == "*":
		return 1
	case r.kind == "*" && r.name == "*":
		return 0
	}
	return -1
}
