package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// npmSetting is one key at one level of npm's configuration.
type npmSetting struct {
	Name   string
	Values []string // one, or each of a list; as they are written but for quotes and escapes
}

// None says that the key is given as having no value, which for some is not the same as not being given.
func (s npmSetting) None() bool {
	return len(s.Values) == 1 && (s.Values[0] == "null" || s.Values[0] == "false")
}

// Text has the values of a list on lines of their own.
func (s npmSetting) Text() string { return strings.Join(s.Values, "\n") }

// npmSettings are those of npm's keys that Hither looks at, in the order in which they first came: that counts where two of
// them set one thing. A project's file may have millions of others.
type npmSettings []npmSetting

func npmKeys() []string {
	return []string{"ca", "cafile", "proxy", "https-proxy", "userconfig", "globalconfig", "prefix"}
}

// find returns nil if there is no such key.
func (s npmSettings) find(name string) *npmSetting {
	if i := slices.IndexFunc(s, func(one npmSetting) bool { return one.Name == name }); i >= 0 {
		return &s[i]
	}
	return nil
}

// value is empty if there is none.
func (s npmSettings) value(name string) string {
	if one := s.find(name); one != nil && !one.None() {
		return one.Text()
	}
	return ""
}

// set gives a key a value. With list, or if it is a list already, the value is one more of it.
func (s npmSettings) set(name, value string, list bool) npmSettings {
	old := s.find(name)
	switch {
	case !slices.Contains(npmKeys(), name):
	case old == nil:
		return append(s, npmSetting{name, []string{value}})
	case list || len(old.Values) > 1:
		old.Values = append(old.Values, value)
	default:
		old.Values = []string{value}
	}
	return s
}

// parseNpmrc reads an npmrc as npm's package ini does. Sections end what npm itself looks at, for a key in one is another
// key. Whatever else is not understood is passed over, as there.
func parseNpmrc(text string) npmSettings {
	var out npmSettings
	lists := map[string]bool{} // keys that were written with [] once: from then on no line replaces their values
	for line := range strings.FieldsFuncSeq(strings.TrimPrefix(text, "\ufeff"), func(r rune) bool { return r == '\r' || r == '\n' }) {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == ';' || trimmed[0] == '#' {
			continue
		}
		if line[0] == '[' && strings.IndexByte(trimmed, ']') == len(trimmed)-1 {
			break
		}
		key, value, given := strings.Cut(line, "=")
		if key == "" {
			continue
		}
		if value = unquoteINI(value); !given {
			value = "true"
		}
		name, list := unquoteINI(key), false
		if len(name) > len("[]") {
			name, list = strings.CutSuffix(name, "[]")
		}
		if list {
			lists[name] = true
		}
		out = out.set(name, value, lists[name])
	}
	return out
}

// unquoteINI takes quotes, escapes and a comment at the end off, as npm's ini does: double quotes hold JSON, and single ones
// may. Without quotes only \, ; and # are escaped, so that \n stays two letters.
func unquoteINI(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > 1 && text[0] == text[len(text)-1] && (text[0] == '"' || text[0] == '\'') {
		if text[0] == '\'' {
			text = text[1 : len(text)-1]
		}
		var value any
		if json.Unmarshal([]byte(text), &value) == nil {
			if s, ok := value.(string); ok {
				return s
			}
		}
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == ';' || c == '#':
			return strings.TrimSpace(out.String())
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`\;#`, text[i+1]) >= 0:
			i++
			out.WriteByte(text[i])
		default:
			out.WriteByte(c)
		}
	}
	return strings.TrimSpace(out.String())
}

// expandNpm replaces ${NAME} by what lookup knows. An unknown one stays, but for ${NAME?}; a backslash before it escapes
// it (npm's @npmcli/config, env-replace).
func expandNpm(text string, lookup func(string) (string, bool)) string {
	variable := regexp.MustCompile(`(\\*)\$\{([^${}?]+)(\??)\}`)
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		m := variable.FindStringSubmatch(found)
		escapes, name, optional := m[1], m[2], m[3] != ""
		if len(escapes)%2 == 1 {
			return found[(len(escapes)+1)/2:]
		}
		value, known := lookup(name)
		if !known && !optional {
			value = "${" + name + "}"
		}
		return escapes[len(escapes)/2:] + value
	})
}
