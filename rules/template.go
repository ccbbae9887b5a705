package rules

import (
	"fmt"
	"slices"
	"strings"
)

// template is text with {names} of a pattern's variables in it. The zero value expands to nothing.
type template []part

type part struct {
	text string // literal, or the variable's name
	name bool
}

func parseTemplate(text string, names []string) (template, error) {
	var t template
	for text != "" {
		literal, rest, found := strings.Cut(text, "{")
		if strings.Contains(literal, "}") {
			return nil, fmt.Errorf("a } without a { before it; write variables as {name}")
		}
		if literal != "" {
			t = append(t, part{text: literal})
		}
		if !found {
			return t, nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("a { that is not closed; write variables as {name}")
		}
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("there is no {%s} in the pattern, which has %s", name, listNames(names))
		}
		t = append(t, part{text: name, name: true})
		text = after
	}
	return t, nil
}

func listNames(names []string) string {
	if len(names) == 0 {
		return "no variables"
	}
	return "{" + strings.Join(names, "} {") + "}"
}

// expand puts the values in, each through how; literals stay as they are.
func (t template) expand(vars map[string]string, how func(string) string) string {
	var b strings.Builder
	for _, part := range t {
		if part.name {
			b.WriteString(how(vars[part.text]))
		} else {
			b.WriteString(part.text)
		}
	}
	return b.String()
}

// plain is the way to expand what is no URL.
func plain(s string) string { return s }
