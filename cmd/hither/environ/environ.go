// Package environ is the variables of a process: what they were before Hither changed them, and how they are changed so that
// this can be undone in the same shell.
//
//	now := was.With(was.Saving(changes))
//	before, undo, err := now.Original()
package environ

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// savedName is the variable in which a changed environment carries what it was before, so that it can be undone in the
// same shell, and so that Hither never takes its own settings for the user's.
const savedName = "HITHER_ENV"

// List is what os.Environ gives: NAME=VALUE, the last of equal names counts. It is never changed in place.
type List []string

// Lookup returns the value of a variable. Names fold case where the system folds it.
func (e List) Lookup(name string) (string, bool) {
	for i := len(e) - 1; i >= 0; i-- {
		if n, value, ok := strings.Cut(e[i], "="); ok && same(n, name) {
			return value, true
		}
	}
	return "", false
}

// Get is Lookup for those who do not care whether the variable is unset or empty.
func (e List) Get(names ...string) string {
	for _, name := range names {
		if value, _ := e.Lookup(name); value != "" {
			return value
		}
	}
	return ""
}

// With returns the environment with the variables set; a nil value unsets.
func (e List) With(values map[string]*string) List {
	out := make(List, 0, len(e)+len(values))
	for _, line := range e {
		if name, _, ok := strings.Cut(line, "="); !ok || !Has(values, name) {
			out = append(out, line)
		}
	}
	for _, name := range Names(values) {
		if values[name] != nil {
			out = append(out, name+"="+*values[name])
		}
	}
	return out
}

// Original is the environment as it was before Hither changed it, and the values that bring it back; nil if Hither did
// not change it.
func (e List) Original() (List, map[string]*string, error) {
	text, ok := e.Lookup(savedName)
	if !ok {
		return e, nil, nil
	}
	saved, err := parseSaved(text)
	if err != nil {
		return nil, nil, err
	}
	saved[savedName] = nil
	return e.With(saved), saved, nil
}

// Saving returns the changes with one more, which remembers what they replace in e.
func (e List) Saving(changes map[string]*string) map[string]*string {
	saved := make(map[string]*string, len(changes))
	out := make(map[string]*string, len(changes)+1)
	for name, value := range changes {
		out[name] = value
		saved[name] = nil
		if old, ok := e.Lookup(name); ok {
			saved[name] = &old
		}
	}
	text := formatSaved(saved)
	out[savedName] = &text
	return out
}

// formatSaved uses an alphabet that needs quotes in no shell.
func formatSaved(values map[string]*string) string {
	data, err := json.Marshal(values)
	if err != nil {
		panic(err) // strings always marshal
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func parseSaved(text string) (map[string]*string, error) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	values := map[string]*string{}
	if err == nil {
		err = json.Unmarshal(data, &values)
	}
	if err != nil {
		return nil, fmt.Errorf("the variable %s was damaged (%w): unset it, or open a new shell", savedName, err)
	}
	for name := range values {
		if name == "" || strings.ContainsAny(name, "=\x00 \t\r\n'\"`$;&|<>(){}%\\") {
			return nil, fmt.Errorf("the variable %s was damaged (it names a variable %q): unset it, or open a new shell", savedName, name)
		}
	}
	if values == nil {
		values = map[string]*string{}
	}
	return values, nil
}

// Has says whether a variable is among the values, by any name that is the same to the system.
func Has(values map[string]*string, name string) bool {
	for n := range values {
		if same(n, name) {
			return true
		}
	}
	return false
}

// Names are the variables' names, sorted.
func Names(values map[string]*string) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// SplitList takes lists as they are written in flags and variables: with commas, with blanks around them, repeated.
func SplitList(values []string) []string {
	var out []string
	for _, value := range values {
		for _, item := range strings.Split(value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				out = append(out, item)
			}
		}
	}
	return out
}
