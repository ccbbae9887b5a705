package lines

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// TakeOutOf is TakeOut for a file whose lines mean something only together: below a header, between braces. Where taking
// out a header of ours would leave lines of others without it, the header stays; where even that would change what
// others wrote, all stays as it is.
func TakeOutOf(file string, former, ours, now []byte) []byte {
	text := TakeOut(former, ours, now)
	if keepsOthers(file, ours, now, text) {
		return text
	}
	withHeaders := strings.Builder{}
	for line := range strings.Lines(string(ours)) {
		if _, ok := iniHeader(line); ok && !strings.Contains(string(former), line) {
			withHeaders.WriteString(line)
		}
	}
	if text = TakeOut([]byte(string(former)+withHeaders.String()), ours, now); keepsOthers(file, ours, now, text) {
		return text
	}
	return now
}

// keepsOthers tells whether everything in now that is not ours means the same in text. A file of another kind, and one
// that is already broken, is only lines.
func keepsOthers(file string, ours, now, text []byte) bool {
	read := reader(file)
	if read == nil {
		return true
	}
	before, ok := read(now)
	if !ok {
		return true
	}
	after, ok := read(text)
	if !ok {
		return false
	}
	mine, _ := read(ours)
	for key, value := range before {
		if mine[key] != value && after[key] != value {
			return false
		}
	}
	return true
}

// reader returns what flattens a file of that name to names and values; false from it: it is broken. nil: it is only lines.
func reader(file string) func([]byte) (map[string]string, bool) {
	switch base := path.Base(strings.ReplaceAll(file, `\`, "/")); {
	case path.Ext(base) == ".json":
		return flatJSON
	case path.Ext(base) == ".toml":
		return flatTOML
	case base == "pip.conf" || base == "pip.ini":
		return func(text []byte) (map[string]string, bool) { return flatINI(text, PipStyle()) }
	case base == "kioslaverc":
		return func(text []byte) (map[string]string, bool) { return flatINI(text, KDEStyle()) }
	}
	return nil
}

func flatJSON(text []byte) (map[string]string, bool) {
	tree := map[string]any{}
	if len(strings.TrimSpace(string(text))) > 0 {
		if err := json.Unmarshal([]byte(strings.TrimPrefix(string(text), "\ufeff")), &tree); err != nil {
			return nil, false
		}
	}
	return flatten(tree), true
}

func flatTOML(text []byte) (map[string]string, bool) {
	tree := map[string]any{}
	if err := toml.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &tree); err != nil {
		return nil, false
	}
	return flatten(tree), true
}

func flatten(tree map[string]any) map[string]string {
	flat := map[string]string{}
	var walk func(prefix string, tree map[string]any)
	walk = func(prefix string, tree map[string]any) {
		for key, value := range tree {
			if t, ok := value.(map[string]any); ok && len(t) > 0 {
				walk(prefix+key+"\x00", t)
			} else if list, ok := value.([]any); ok {
				for _, item := range list { // of a list that both wrote to, each item counts by itself
					flat[prefix+key+"\x00"+fmt.Sprint(item)] = ""
				}
			} else {
				flat[prefix+key] = fmt.Sprint(value)
			}
		}
	}
	walk("", tree)
	return flat
}

func flatINI(text []byte, style INIStyle) (map[string]string, bool) {
	f, err := ParseINI(text, style)
	if err != nil {
		return nil, false
	}
	flat := map[string]string{}
	_, all := f.read()
	for _, e := range all {
		flat[e.section+"\x00"+f.folded(e.name)] = e.Value
	}
	return flat, true
}
