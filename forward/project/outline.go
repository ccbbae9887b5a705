package project

import (
	"bytes"
	"strings"
)

// outline goes through the part of YAML that pnpm and yarn write: one "key: value" a line, deeper lines further in, and
// short lists and maps in brackets. A YAML library would build a tree of a hundred times the size, and follow aliases that
// a hostile file may have billions of; what is written otherwise is passed over here. Yarn 1's own format, which has
// neither colons behind keys of one value nor quotes it needs, is close enough to be read too.
//
// line is told of each line with the keys it stands below, outermost first, its own last; value is empty where deeper
// lines follow, and for "- ITEM" the key is "-". It must not keep keys.
func outline(data []byte, line func(keys []string, value string) error) error {
	var keys []string
	var indents []int
	for len(data) > 0 {
		var raw []byte
		raw, data, _ = bytes.Cut(data, []byte("\n"))
		text := strings.TrimRight(string(raw), " \t\r")
		body := strings.TrimLeft(text, " ")
		if body == "" || body[0] == '#' || body == "---" {
			continue
		}
		indent := len(text) - len(body)
		for len(indents) > 0 && indents[len(indents)-1] >= indent {
			indents, keys = indents[:len(indents)-1], keys[:len(keys)-1]
		}
		if len(indents) == maxDepth {
			return errTooDeep
		}
		key, value := cutKey(body)
		indents, keys = append(indents, indent), append(keys, key)
		if err := line(keys, value); err != nil {
			return err
		}
	}
	return nil
}

// cutKey splits a line into its key and its value, without their quotes.
func cutKey(line string) (key, value string) {
	if item, ok := strings.CutPrefix(line, "- "); ok {
		return "-", unquote(strings.TrimSpace(item))
	}
	if before, ok := strings.CutSuffix(line, ":"); ok { // yarn 1 has several keys in one: "a@^1", "a@^2":
		return unquote(strings.TrimRight(before, " \t")), ""
	}
	end := 0
	if q := line[0]; q == '\'' || q == '"' {
		end = 1 + strings.IndexByte(line[1:], q)
	}
	i := strings.Index(line[end:], ": ")
	if i < 0 {
		i = strings.Index(line[end:], ":\t")
	}
	if i >= 0 {
		return unquote(strings.TrimRight(line[:end+i], " \t")), unquote(strings.TrimSpace(line[end+i+2:]))
	}
	key, value, _ = strings.Cut(line, " ") // yarn 1
	return unquote(key), unquote(strings.TrimSpace(value))
}

// unquote takes the quotes off, if it is all in one pair of them.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '\'' && s[0] != '"' || strings.IndexByte(s[1:len(s)-1], s[0]) >= 0 {
		return s
	}
	return s[1 : len(s)-1]
}

// flowMap reads {a: 1, b: 2}; ok is false for anything else. Values must have no commas.
func flowMap(s string) (map[string]string, bool) {
	inner, ok := brackets(s, '{', '}')
	if !ok {
		return nil, false
	}
	out := map[string]string{}
	for _, item := range strings.Split(inner, ",") {
		if key, value, ok := strings.Cut(item, ":"); ok {
			out[unquote(strings.TrimSpace(key))] = unquote(strings.TrimSpace(value))
		}
	}
	return out, true
}

// flowList reads [a, b]; anything else is empty.
func flowList(s string) []string {
	inner, ok := brackets(s, '[', ']')
	if !ok {
		return nil
	}
	var out []string
	for _, item := range strings.Split(inner, ",") {
		if item = unquote(strings.TrimSpace(item)); item != "" {
			out = append(out, item)
		}
	}
	return out
}

func brackets(s string, open, shut byte) (string, bool) {
	if len(s) < 2 || s[0] != open || s[len(s)-1] != shut {
		return "", false
	}
	return s[1 : len(s)-1], true
}
