package rules

import (
	"path"
	"strings"
)

// Private reports that the subject is one of those the user keeps to himself, so that its name must not reach a mirror.
// Patterns are as in GOPRIVATE: globs of path.Match, element by element, for a leading part of the name; several may
// share a string, with commas between. "@acme" and "@acme/*" are npm scopes, "acme/*" images, which may also be
// written with their registry before them, by any of its names.
//
// What is doubtful is private: case and the "!" of Go's escaping make no difference, and a pattern that cannot be read
// matches everything. A match without a subject has no name to hide and is not private.
func (m Match) Private(patterns []string) bool {
	if m.Subject == "" {
		return false
	}
	names := []string{fold(m.Subject), fold(m.Host.Name + "/" + m.Subject)}
	for _, other := range m.Rule.Hosts {
		names = append(names, fold(other.Name+"/"+m.Subject))
	}
	for _, ns := range m.Rule.NS {
		names = append(names, fold(ns+"/"+m.Subject))
	}
	for _, line := range patterns {
		for glob := range strings.SplitSeq(line, ",") {
			if anyMatches(fold(strings.TrimSpace(glob)), names) {
				return true
			}
		}
	}
	return false
}

func fold(s string) string { return strings.ToLower(strings.ReplaceAll(s, "!", "")) }

func anyMatches(glob string, names []string) bool {
	glob = strings.Trim(glob, "/")
	if glob == "" {
		return false
	}
	for _, name := range names {
		if ok, err := path.Match(glob, lead(name, 1+strings.Count(glob, "/"))); ok || err != nil {
			return true
		}
	}
	return false
}

// lead is the first n elements of a name; all of it if it has fewer, which a glob of n elements then does not match.
func lead(name string, n int) string {
	for i := range len(name) {
		if name[i] == '/' {
			if n--; n == 0 {
				return name[:i]
			}
		}
	}
	return name
}
