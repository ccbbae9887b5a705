package lines

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// TOML is a TOML file that is only ever added to, in whole lines, so that comments and order stay the user's.
type TOML struct {
	Text []byte
	Tree map[string]any
}

// ParseTOML reads a file; an empty one has no keys.
func ParseTOML(text []byte) (*TOML, error) {
	tree := map[string]any{}
	if err := toml.Unmarshal(text, &tree); err != nil {
		var where *toml.DecodeError
		if errors.As(err, &where) {
			line, _ := where.Position()
			return nil, fmt.Errorf("is not TOML as it should be (line %d: %w): put it right", line, err)
		}
		return nil, fmt.Errorf("is not TOML as it should be (%w): put it right", err)
	}
	return &TOML{Text: text, Tree: tree}, nil
}

// Table returns the table of that path; nil if there is none.
func (f *TOML) Table(path ...string) map[string]any {
	t := f.Tree
	for _, key := range path {
		next, ok := t[key].(map[string]any)
		if !ok {
			return nil
		}
		t = next
	}
	return t
}

// String returns a string of a table; empty if it is none.
func String(table map[string]any, key string) string {
	s, _ := table[key].(string)
	return s
}

// Insert puts whole lines before line i (from 0) and proves that want is all that changed: TOML knows many ways to write
// a table, and some forbid to open it again.
func (f *TOML) Insert(i int, added string, want func(tree map[string]any)) ([]byte, error) {
	lines := slices.Collect(strings.Lines(string(f.Text)))
	ending := Ending(f.Text)
	if n := len(lines); n > 0 && !strings.HasSuffix(lines[n-1], "\n") && i >= n {
		lines[n-1] += ending
	}
	added = strings.ReplaceAll(added, "\n", ending)
	lines = slices.Insert(lines, min(i, len(lines)), added)
	out := []byte(strings.Join(lines, ""))
	after := map[string]any{}
	if err := toml.Unmarshal(out, &after); err != nil {
		return nil, fmt.Errorf("is written in a way that cannot be added to (%w): add these lines by hand: %s", err, strings.TrimSpace(added))
	}
	expected := cloneTree(f.Tree)
	want(expected)
	if !reflect.DeepEqual(expected, after) {
		return nil, fmt.Errorf("is written in a way that cannot be added to: add these lines by hand: %s", strings.TrimSpace(added))
	}
	return out, nil
}

// End is the number of lines.
func (f *TOML) End() int {
	return len(slices.Collect(strings.Lines(string(f.Text))))
}

// Header returns the first line that opens a table whose written name begins so; -1: there is none.
func (f *TOML) Header(prefix string) int {
	i := 0
	for line := range bytes.Lines(f.Text) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte(prefix)) {
			return i
		}
		i++
	}
	return -1
}

// Sub returns the table below, which it makes if it is missing.
func Sub(tree map[string]any, path ...string) map[string]any {
	for _, key := range path {
		next, ok := tree[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[key] = next
		}
		tree = next
	}
	return tree
}

// cloneTree copies the tables; what they hold besides is never changed.
func cloneTree(tree map[string]any) map[string]any {
	out := maps.Clone(tree)
	for key, value := range out {
		if t, ok := value.(map[string]any); ok {
			out[key] = cloneTree(t)
		}
	}
	return out
}
