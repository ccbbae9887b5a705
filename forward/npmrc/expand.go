package npmrc

import (
	"path/filepath"
	"regexp"
	"strings"
)

// variable is ${NAME} or ${NAME?}, and the backslashes before it.
var variable = [...]*regexp.Regexp{regexp.MustCompile(`(\\*)\$\{([^${}?]+)(\??)\}`)}

// Expand replaces ${NAME} by what lookup knows. An unknown one stays, but for ${NAME?}; a backslash before it escapes it
// (npm's @npmcli/config, env-replace). known is false if there was an unknown one of either kind.
func Expand(text string, lookup func(string) (string, bool)) (expanded string, known bool) {
	if !strings.Contains(text, "${") {
		return text, true
	}
	known = true
	return variable[0].ReplaceAllStringFunc(text, func(found string) string {
		m := variable[0].FindStringSubmatch(found)
		escapes, name, optional := m[1], m[2], m[3] != ""
		if len(escapes)%2 == 1 {
			return found[(len(escapes)+1)/2:]
		}
		value, ok := lookup(name)
		if known = known && ok; !ok && !optional {
			value = "${" + name + "}"
		}
		return escapes[len(escapes)/2:] + value
	}), known
}

// absolute is a path as npm takes it: from the working directory on, whatever file it stands in; ~/ is the home directory.
// Empty: none.
func (r Reader) absolute(value string) string {
	value, _ = Expand(value, r.lookup)
	if value = r.fromHome(value); value == "" || filepath.IsAbs(value) {
		return value
	}
	return filepath.Join(r.Dir, value)
}

// fromHome is absolute for what begins in the home directory or at the root of the disk. All else stays as it is.
func (r Reader) fromHome(value string) string {
	value = trim(value)
	if rest, ok := strings.CutPrefix(filepath.ToSlash(value), "~/"); ok && r.Home != "" {
		return filepath.Join(r.Home, rest)
	}
	if filepath.IsAbs(value) {
		return filepath.Clean(value)
	}
	return value
}
