package rules

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"hither/cache/digest"
)

// maxTokens bounds a pattern: matching costs at most this many passes over a path.
const maxTokens = 32

// kind is what a token of a pattern may stand for.
type kind int

const (
	literal kind = iota // itself
	segment             // {x}: anything without a slash
	rest                // {x...}: anything
	semver              // {x:semver}: a segment that is a canonical Go version
	hash                // {x:digest}: a segment that is ALGORITHM:HEX
)

// token is one piece of a pattern. A variable stands for at least one byte.
type token struct {
	kind kind
	text string // of a literal
	name string // of a variable
}

// pattern is a path with variables, matched against plain paths.
type pattern []token

func parsePattern(text string) (pattern, error) {
	if !strings.HasPrefix(text, "/") {
		return nil, fmt.Errorf("a pattern begins with a slash")
	}
	var p pattern
	for text != "" {
		before, after, found := strings.Cut(text, "{")
		if err := checkLiteral(before); err != nil {
			return nil, err
		}
		if before != "" {
			p = append(p, token{text: before})
		}
		if !found {
			break
		}
		inside, remain, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("a { that is not closed; write variables as {name}")
		}
		t, err := parseVariable(inside)
		if err != nil {
			return nil, err
		}
		p, text = append(p, t), remain
	}
	return p, p.check()
}

func checkLiteral(text string) error {
	if strings.Contains(text, "}") {
		return fmt.Errorf("a } without a { before it; write variables as {name}")
	}
	if strings.ContainsAny(text, "%?#") {
		return fmt.Errorf("%q holds one of %% ? #; patterns are matched against decoded paths without a query, write the character itself", text)
	}
	return nil
}

func parseVariable(inside string) (token, error) {
	name, of, constrained := strings.Cut(inside, ":")
	t := token{kind: segment, name: name}
	if trimmed, ok := strings.CutSuffix(name, "..."); ok {
		t.kind, t.name = rest, trimmed
	}
	switch {
	case constrained && t.kind == rest:
		return t, fmt.Errorf("{%s} is both ... and :%s; choose one", inside, of)
	case constrained && of == "semver":
		t.kind = semver
	case constrained && of == "digest":
		t.kind = hash
	case constrained:
		return t, fmt.Errorf("{%s} is of an unknown kind; the kinds are {x} {x...} {x:semver} {x:digest}", inside)
	}
	if t.name == "" || strings.Trim(t.name, "abcdefghijklmnopqrstuvwxyz") != "" {
		return t, fmt.Errorf("{%s} has no name of lower-case letters; write {name}", inside)
	}
	return t, nil
}

func (p pattern) check() error {
	if len(p) > maxTokens {
		return fmt.Errorf("the pattern has more than %d parts; shorten it", maxTokens)
	}
	for i, t := range p {
		if t.kind == literal {
			continue
		}
		if i > 0 && p[i-1].kind != literal {
			return fmt.Errorf("{%s} follows {%s} without anything between them; nobody could say where one ends", t.name, p[i-1].name)
		}
		if slices.ContainsFunc(p[:i], func(o token) bool { return o.name == t.name }) {
			return fmt.Errorf("{%s} is there twice; give one another name", t.name)
		}
	}
	return p.checkReach()
}

// checkReach refuses what no normalised path has: doubled slashes, dots, control characters.
func (p pattern) checkReach() error {
	var sample strings.Builder
	for _, t := range p {
		if t.kind != literal {
			sample.WriteString("x")
		}
		sample.WriteString(t.text)
	}
	if path, ok := clean(escape(sample.String())); !ok || path != sample.String() {
		return fmt.Errorf("no request can match it, for requests are matched without doubled slashes, dots as segments and control characters; remove them")
	}
	return nil
}

// names are the variables, in order.
func (p pattern) names() []string {
	var names []string
	for _, t := range p {
		if t.kind != literal {
			names = append(names, t.name)
		}
	}
	return names
}

// match tells whether the whole path has the pattern's form, and what its variables stand for. Where several splits are
// possible the first variable takes as much as it can. A constraint accepts or refuses that split; no other is tried,
// and so the work is one pass over the path for each token, whatever the path.
func (p pattern) match(path string) (map[string]string, bool) {
	if !p.mayMatch(path) {
		return nil, false
	}
	starts := p.starts(path)
	if !starts[0][0] {
		return nil, false
	}
	vars := make(map[string]string, len(p))
	at := 0
	for i, t := range p {
		end := t.end(path, at, starts[i+1])
		if !t.allows(path[at:end]) {
			return nil, false
		}
		if t.kind != literal {
			vars[t.name] = path[at:end]
		}
		at = end
	}
	return vars, true
}

// mayMatch looks at both ends only, which turns most patterns away before any work.
func (p pattern) mayMatch(path string) bool {
	first, last := p[0], p[len(p)-1]
	return strings.HasPrefix(path, first.text) && (last.kind != literal || strings.HasSuffix(path, last.text))
}

// fits says that a path has the pattern's form, whatever constraints say of its variables.
func (p pattern) fits(path string) bool { return p.mayMatch(path) && p.starts(path)[0][0] }

// starts has a row for each token, and one for the end: at which bytes it can begin so that all that follow fit.
func (p pattern) starts(path string) [][]bool {
	rows := make([][]bool, len(p)+1)
	rows[len(p)] = make([]bool, len(path)+1)
	rows[len(p)][len(path)] = true
	for i := len(p) - 1; i >= 0; i-- {
		rows[i] = p[i].starts(path, rows[i+1])
	}
	return rows
}

func (t token) starts(path string, next []bool) []bool {
	row := make([]bool, len(path)+1)
	for at := len(path) - 1; at >= 0; at-- {
		switch {
		case t.kind == literal:
			row[at] = strings.HasPrefix(path[at:], t.text) && next[at+len(t.text)]
		case t.kind == rest || path[at] != '/':
			row[at] = next[at+1] || row[at+1]
		}
	}
	return row
}

// end is where the token that begins at at ends: as late as the next one allows.
func (t token) end(path string, at int, next []bool) int {
	if t.kind == literal {
		return at + len(t.text)
	}
	end := len(path)
	if slash := strings.IndexByte(path[at:], '/'); t.kind != rest && slash >= 0 {
		end = at + slash
	}
	for end > at && !next[end] {
		end--
	}
	return end
}

func (t token) allows(text string) bool {
	switch t.kind {
	case semver:
		return isVersion(text)
	case hash:
		return isDigest(text)
	}
	return true
}

// isVersion reports a version that means one tree for ever: v1.2.3, with pre-release, a pseudo-version, +incompatible;
// escaped as in a URL. A branch, a commit and "v1" mean something else tomorrow (go.dev/ref/mod#goproxy-protocol).
func isVersion(escaped string) bool {
	version, err := module.UnescapeVersion(escaped)
	return err == nil && module.CanonicalVersion(version) == version
}

// isDigest reports a digest in its canonical spelling that fixes every byte, for others would be a second name of the
// same bytes, or of none (image-spec descriptor.md).
func isDigest(text string) bool {
	d, err := digest.Parse(text)
	return err == nil && d.String() == text && d.Pins()
}
