package mirrors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/cache/wholefile"
	"hither/cmd/hither/private"
	"hither/cmd/hither/terminal"
	"hither/rules"
)

const (
	// ChoicesName is what the user decided about mirrors, in the state directory.
	ChoicesName = "choices.json"
	// choicesSchema is in it. A file with a higher one was written by a newer Hither.
	choicesSchema = 1
	// choicesLimit is far above what a person decides, in bytes.
	choicesLimit = 1 << 20
)

// choicesFile is the file's form. Bases are those of rule files.
type choicesFile struct {
	Schema int               `json:"schema"`
	Off    map[string]string `json:"off,omitempty"` // base of a mirror → reason, perhaps empty
	On     map[string]bool   `json:"on,omitempty"`  // base of a mirror that its rule file has off
	Pin    map[string]string `json:"pin,omitempty"` // rule → base that is asked first
}

// ErrDamaged reports a file of choices that says nothing.
var ErrDamaged = errors.New("is damaged")

// ReadChoices reads STATE/choices.json. Without a file nothing was decided. A damaged file is an [ErrDamaged] that ends with the
// remedy; then, too, nothing was decided. After another error it is not known what was.
func ReadChoices(path string) (rules.Choices, error) {
	data, err := wholefile.Read(path, choicesLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return rules.Choices{}, nil
	}
	if wholefile.OutOfFiles(err) {
		return rules.Choices{}, fmt.Errorf("your choices of mirrors: %w; try again, or let Hither open more files", err)
	}
	if err != nil && !errors.Is(err, wholefile.ErrTooLarge) {
		return rules.Choices{}, fmt.Errorf("your choices of mirrors: %w; make the file readable, or remove it", err)
	}
	if err == nil {
		var c rules.Choices
		if c, err = parseChoices(data); err == nil {
			return c, nil
		}
	}
	return rules.Choices{}, fmt.Errorf("your choices of mirrors are ignored, %s %w (%w): remove it, and choose again with `hither mirrors set`, `off` and `on`", path, ErrDamaged, err)
}

// parseChoices takes nothing that writeChoices would not have written.
func parseChoices(data []byte) (rules.Choices, error) {
	var f choicesFile
	lines := json.NewDecoder(bytes.NewReader(data))
	lines.DisallowUnknownFields()
	if err := lines.Decode(&f); err != nil {
		return rules.Choices{}, err
	}
	if _, err := lines.Token(); !errors.Is(err, io.EOF) {
		return rules.Choices{}, errors.New("something stands behind its end")
	}
	if f.Schema != choicesSchema {
		return rules.Choices{}, fmt.Errorf("its schema is %d and not %d: another version of Hither wrote it", f.Schema, choicesSchema)
	}
	bases := slices.Concat(slices.Collect(maps.Keys(f.Off)), slices.Collect(maps.Keys(f.On)), slices.Collect(maps.Values(f.Pin)))
	for _, base := range bases {
		if u, err := url.Parse(base); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return rules.Choices{}, fmt.Errorf("%q in it is no base URL", base)
		}
	}
	return rules.Choices{Off: f.Off, On: f.On, Pin: f.Pin}, nil
}

func writeChoices(path string, c rules.Choices) error {
	data, err := json.MarshalIndent(choicesFile{Schema: choicesSchema, Off: c.Off, On: c.On, Pin: c.Pin}, "", "  ")
	if err != nil {
		return err
	}
	return wholefile.Write(path, append(data, '\n'), 0o600)
}

// Decide does one change to the file of a state directory. It returns the new choices, and what was done in words.
// set is what the rule files say, without choices. A damaged file is put aside first.
func Decide(state string, set *rules.Set, change Change) (rules.Choices, string, error) {
	path := filepath.Join(state, ChoicesName)
	old, err := ReadChoices(path)
	aside := ""
	switch {
	case errors.Is(err, ErrDamaged):
		aside = path + ".damaged"
	case err != nil:
		return old, "", err
	}
	next, said, err := change.apply(set, old)
	if err != nil {
		return old, "", err
	}
	if err := private.MakeDir(state); err != nil {
		return old, "", err
	}
	if aside != "" {
		if err := os.Rename(path, aside); err != nil {
			return old, "", fmt.Errorf("put the damaged file of your choices aside: %w; remove it", err)
		}
		said += fmt.Sprintf(" Your choices before this could not be read; the file is now %s.", aside)
	}
	if err := writeChoices(path, next); err != nil {
		return old, "", fmt.Errorf("keep your choice: %w; make the state directory writable for you, or name another with --state", err)
	}
	return next, said, nil
}

// apply returns the choices after a change, without touching the old ones, and what was done in words.
func (c Change) apply(set *rules.Set, old rules.Choices) (rules.Choices, string, error) {
	next := rules.Choices{Off: clone(old.Off), On: clone(old.On), Pin: clone(old.Pin)}
	var said string
	var err error
	switch c.Verb {
	case "set":
		said, err = c.set(set, next)
	case "off":
		said, err = c.off(set, next)
	case "on":
		said, err = c.on(set, next)
	default:
		err = fmt.Errorf("%q is nothing that can be done to a mirror: write set, off or on", c.Verb)
	}
	return next, said, err
}

func clone[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

func (c Change) set(set *rules.Set, next rules.Choices) (string, error) {
	rule, err := FindRule(set, c.Rule)
	if err != nil {
		return "", err
	}
	if c.URL == "auto" {
		delete(next.Pin, rule.Name)
		return fmt.Sprintf("For %s, the fastest measured source is asked first again.", rule.Name), nil
	}
	base, err := findBase(c.URL, basesOf(rule), "no source of "+rule.Name)
	if err != nil {
		return "", err
	}
	if why := offReason(rule, base, next); why != "" {
		return "", fmt.Errorf("%s is off (%s): switch it on first with `hither mirrors on %s`", base, why, base)
	}
	next.Pin[rule.Name] = base
	return fmt.Sprintf("For %s, %s is asked first from now on. `hither mirrors set %s auto` takes that back.", rule.Name, base, rule.Name), nil
}

func (c Change) off(set *rules.Set, next rules.Choices) (string, error) {
	base, err := findMirror(set, c.URL)
	if err != nil {
		return "", err
	}
	next.Off[base] = terminal.Plain(c.Reason)
	delete(next.On, base)
	said := fmt.Sprintf("%s is not used any more. `hither mirrors on %s` takes that back.", base, base)
	for _, rule := range slices.Sorted(maps.Keys(next.Pin)) {
		if next.Pin[rule] == base {
			delete(next.Pin, rule)
			said += fmt.Sprintf(" It was set for %s, where the fastest measured source is asked first again.", rule)
		}
	}
	return said, nil
}

func (c Change) on(set *rules.Set, next rules.Choices) (string, error) {
	base, err := findMirror(set, c.URL)
	if err != nil {
		return "", err
	}
	delete(next.Off, base)
	for _, rule := range set.Rules() {
		if why := offReason(rule, base, rules.Choices{}); why != "" {
			next.On[base] = true
			return fmt.Sprintf("%s is used from now on, although the rule file says: %s. `hither mirrors off %s` takes that back.", base, why, base), nil
		}
	}
	return base + " is used again.", nil
}

// offReason is why a mirror is not used; empty if it is, or is no mirror of the rule.
func offReason(rule *rules.Rule, base string, c rules.Choices) string {
	for _, m := range rule.Mirrors {
		if m.URL != base {
			continue
		}
		if why, off := c.Off[base]; off {
			return "switched off by you" + colon(why)
		}
		if m.Off != "" && !c.On[base] {
			return m.Off
		}
	}
	return ""
}

func colon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

// FindRule tells which rules there are if there is none of that name.
func FindRule(set *rules.Set, name string) (*rules.Rule, error) {
	var names []string
	for _, rule := range set.Rules() {
		if rule.Name == name {
			return rule, nil
		}
		names = append(names, rule.Name)
	}
	return nil, Unknownf("there is no rule %q: name one of %s", name, strings.Join(names, ", "))
}

// Unknown says that the user named something that is not there. It makes the exit status 2.
type Unknown string

// Unknownf makes an Unknown.
func Unknownf(format string, args ...any) error { return Unknown(fmt.Sprintf(format, args...)) }

// Error names what there is.
func (e Unknown) Error() string { return string(e) }

// IsUnknown says that the user is to write something else.
func IsUnknown(err error) bool {
	var e Unknown
	return errors.As(err, &e)
}

// basesOf are all whom a rule names, those that are off among them.
func basesOf(rule *rules.Rule) (bases []string) {
	for _, host := range rule.Hosts {
		bases = append(bases, host.Origin...)
	}
	for _, m := range rule.Mirrors {
		bases = append(bases, m.URL)
	}
	slices.Sort(bases)
	return slices.Compact(bases)
}

// findMirror looks among the mirrors of all rules. An origin is told from what is not there.
func findMirror(set *rules.Set, text string) (string, error) {
	var mirrors, origins []string
	for _, rule := range set.Rules() {
		for _, m := range rule.Mirrors {
			mirrors = append(mirrors, m.URL)
		}
		for _, host := range rule.Hosts {
			origins = append(origins, host.Origin...)
		}
	}
	slices.Sort(mirrors)
	base, err := findBase(text, slices.Compact(mirrors), "no mirror")
	if err == nil {
		return base, nil
	}
	slices.Sort(origins)
	if origin, wrong := findBase(text, slices.Compact(origins), ""); wrong == nil {
		return "", Unknownf("%s is an origin: it says which bytes are right, so it cannot be switched off", origin)
	}
	return "", err
}

// findBase finds the one base that the text means: a whole URL, a host, or a part of one. none says that there is none.
func findBase(text string, bases []string, none string) (string, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "/")
	kinds := []func(base string) bool{
		func(base string) bool { return base == text || strings.TrimPrefix(base, "https://") == text },
		func(base string) bool { return HostOf(base) == text },
		func(base string) bool { return text != "" && strings.Contains(base, text) },
	}
	for _, fits := range kinds {
		var found []string
		for _, base := range bases {
			if fits(base) {
				found = append(found, base)
			}
		}
		if len(found) == 1 {
			return found[0], nil
		}
		if len(found) > 1 {
			return "", Unknownf("%q could be any of %s: write more of it", text, strings.Join(found, ", "))
		}
	}
	return "", Unknownf("%s is called %q: name one of %s", none, text, strings.Join(bases, ", "))
}

// HostOf is the host of a base, with its port if it has one.
func HostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Host
}
