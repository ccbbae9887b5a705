package npmrc

import (
	"encoding/json"
	"strings"
	"unicode"
)

// Setting is one key at one level of npm's configuration.
type Setting struct {
	Name   string
	Values []string // one, or each of a list; as they are written but for quotes and escapes
	From   string   // where it was said, in words: "cafile in /home/u/.npmrc", "npm_config_registry", "--registry"
}

// None says that the key is given as having no value, which for some is not the same as not being given.
func (s Setting) None() bool {
	return len(s.Values) == 1 && (s.Values[0] == "null" || s.Values[0] == "false")
}

// Text has the values of a list on lines of their own.
func (s Setting) Text() string { return strings.Join(s.Values, "\n") }

// Level is what one place says: a file, the environment or a command line. Its settings are in the order in which their
// keys first came: that counts where two of them set one thing. The zero value says nothing.
type Level struct {
	settings []Setting
	at       map[string]int // of settings, by name
	project  bool           // it is the project's file
}

// Find returns the setting of that name; false if the level says nothing of it.
func (l Level) Find(name string) (Setting, bool) {
	i, ok := l.at[name]
	if !ok {
		return Setting{}, false
	}
	return l.settings[i], true
}

// value is empty if there is none.
func (l Level) value(name string) string {
	if s, ok := l.Find(name); ok && !s.None() {
		return s.Text()
	}
	return ""
}

// All are the level's settings, in the order in which their keys first came. Nobody may change them.
func (l Level) All() []Setting { return l.settings }

// set gives a key a value. With list, or if it has several already, the value is one more of it. What Hither never asks for
// is passed over: a file may have a million such keys.
func (l *Level) set(name, value, from string, list bool) {
	if !isAskedFor(name) {
		return
	}
	i, ok := l.at[name]
	switch {
	case !ok && l.at == nil:
		l.at = map[string]int{}
		fallthrough
	case !ok:
		l.at[name] = len(l.settings)
		l.settings = append(l.settings, Setting{name, []string{value}, from})
	case list || len(l.settings[i].Values) > 1:
		l.settings[i].Values = append(l.settings[i].Values, value)
	default:
		l.settings[i].Values, l.settings[i].From = []string{value}, from
	}
}

// isAskedFor knows the keys that somebody in Hither has a question about. Keys of credentials are not among them: what
// nobody holds, nobody tells. A key with a variable in it may be any of them.
func isAskedFor(name string) bool {
	switch name {
	case "ca", "cafile", "proxy", "https-proxy", "noproxy", "strict-ssl", "userconfig", "globalconfig", "prefix", "registry", "cache", "offline",
		"global", "location", "scope", "legacy-peer-deps":
		return true
	}
	return isLess(name) || isOmission(name) || strings.HasSuffix(name, ":registry") || strings.Contains(name, "${") && !strings.HasPrefix(name, "//")
}

// isLess knows the keys that may have npm install other than all that a lock file names, whatever their values.
func isLess(name string) bool {
	switch name {
	case "workspace", "workspaces", "dry-run", "package-lock", "os", "cpu", "libc":
		return true
	}
	return false
}

// Parse reads an npmrc as npm's package ini does (ini 5, decode): the last of equal keys counts, and a key with [] behind it
// is one more of a list. Sections end what npm itself looks at, for a key in one is another key. Whatever else is not
// understood is passed over, as there. From is the name of the file.
func Parse(text, from string) Level {
	var out Level
	lists := map[string]bool{} // keys that were written with [] once: from then on no line replaces their values
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		trimmed := trim(line)
		if trimmed == "" || trimmed[0] == ';' || trimmed[0] == '#' {
			continue
		}
		if line[0] == '[' && strings.IndexByte(trimmed, ']') == len(trimmed)-1 {
			break
		}
		key, value, given := strings.Cut(line, "=")
		if key == "" || strings.ContainsAny(value, "\u2028\u2029") { // its regular expression ends there
			continue
		}
		if value = unquote(value); !given {
			value = "true"
		}
		name, list := unquote(key), false
		if len(name) > len("[]") {
			name, list = strings.CutSuffix(name, "[]")
		}
		if !isAskedFor(name) {
			continue
		}
		if list {
			lists[name] = true
		}
		out.set(name, value, name+" in "+from, lists[name])
	}
	return out
}

// unquote takes quotes, escapes and a comment at the end off, as npm's ini does: double quotes hold JSON, and single ones
// may. Without quotes only \, ; and # are escaped, so that \n stays two letters.
func unquote(text string) string {
	text = trim(text)
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
	if text == "'" {
		return "" // it begins with a quote, and ends with one
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == ';' || c == '#':
			return trim(out.String())
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`\;#`, text[i+1]) >= 0:
			i++
			out.WriteByte(text[i])
		default:
			out.WriteByte(c)
		}
	}
	return trim(out.String())
}

// trim takes off what JavaScript's trim does, which is a byte order mark, too, in any line, but no NEL.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return r == '\ufeff' || r != '\u0085' && unicode.IsSpace(r) })
}
