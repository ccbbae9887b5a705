package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Choices are what a user decided about upstreams, beside the rule files. The zero value changes nothing. Bases may be
// written as people do, with a slash at the end or capitals in the host.
type Choices struct {
	Off map[string]string // mirrors that are not asked, by base URL; the value is the user's reason, empty: none was given
	On  map[string]bool   // mirrors that are asked although the file has them off, by base URL; false: as the file says
	Pin map[string]string // base URL to ask first, by the rule's name; an origin's is good too
}

// With is the set with the choices in force: mirrors that are off or on, and the Pin of each rule. What speaks of a mirror
// or rule that is not there, for files change while choices stay, is passed over, as [Set.Check] would tell; a mirror both
// off and on is off. The receiver stays as it is.
func (s *Set) With(c Choices) *Set {
	c = c.normal()
	changed := make(map[*Rule]*Rule, len(s.rules))
	out := &Set{rules: make([]*Rule, len(s.rules)), hosts: make(map[string]*Rule, len(s.hosts)), gates: make([]gate, len(s.gates))}
	for i, rule := range s.rules {
		out.rules[i] = rule.with(c)
		changed[rule] = out.rules[i]
	}
	for key, rule := range s.hosts {
		out.hosts[key] = changed[rule]
	}
	for i, g := range s.gates {
		out.gates[i] = gate{prefix: g.prefix, rules: make([]*Rule, len(g.rules))}
		for j, rule := range g.rules {
			out.gates[i].rules[j] = changed[rule]
		}
	}
	return out
}

// with copies what it changes; the rest is shared, for nobody changes it.
func (r *Rule) with(c Choices) *Rule {
	out := *r
	out.Mirrors = slices.Clone(r.Mirrors)
	for i := range out.Mirrors {
		m := &out.Mirrors[i]
		if c.On[m.URL] {
			m.Off = ""
		}
		if why, off := c.Off[m.URL]; off {
			m.Off = offByUser(why)
		}
	}
	out.Pin = ""
	if base := c.Pin[r.Name]; slices.ContainsFunc(out.Upstreams(), func(s Source) bool { return s.Base == base }) {
		out.Pin = base
	}
	return &out
}

func offByUser(why string) string {
	if why = strings.TrimSpace(why); why == "" {
		return "switched off by you"
	}
	return "switched off by you: " + why
}

// Check tells which choices the set cannot follow, each in a sentence that names what there is; nil if it can follow all.
func (s *Set) Check(c Choices) error {
	var errs []error
	for _, raw := range slices.Sorted(maps.Keys(c.Off)) {
		errs = append(errs, s.checkSwitch("off", raw))
	}
	for _, raw := range slices.Sorted(maps.Keys(c.On)) {
		errs = append(errs, s.checkSwitch("on", raw))
	}
	n := c.normal()
	for _, base := range slices.Sorted(maps.Keys(n.On)) {
		if _, off := n.Off[base]; off && n.On[base] {
			errs = append(errs, fmt.Errorf("%s is switched off and on; choose one", base))
		}
	}
	chosen := s.With(c)
	for _, name := range slices.Sorted(maps.Keys(c.Pin)) {
		errs = append(errs, chosen.checkPin(name, c.Pin[name]))
	}
	return errors.Join(errs...)
}

// checkSwitch looks for the mirror that is to be switched. An origin names as well as carries, so there is no doing
// without it.
func (s *Set) checkSwitch(how, raw string) error {
	base := normalBase(raw)
	var mirrors []string
	for _, rule := range s.rules {
		for _, up := range rule.all() {
			if up.Base == base && !up.Origin {
				return nil
			}
			if up.Base == base {
				return fmt.Errorf("%s is an origin of the rule %s and cannot be switched %s; pin a mirror to have that asked first", base, rule.Name, how)
			}
			if !up.Origin {
				mirrors = append(mirrors, up.Base)
			}
		}
	}
	if len(mirrors) == 0 {
		return fmt.Errorf("%q is no mirror, and no rule has any; add one to a rule file", raw)
	}
	slices.Sort(mirrors)
	return fmt.Errorf("%q is no mirror of any rule; write one of %s", raw, strings.Join(slices.Compact(mirrors), ", "))
}

// checkPin is asked of a set in which the switches are set already.
func (s *Set) checkPin(name, raw string) error {
	i := slices.IndexFunc(s.rules, func(r *Rule) bool { return r.Name == name })
	if i < 0 {
		return fmt.Errorf("there is no rule %q; the rules are %s", name, strings.Join(s.names(), ", "))
	}
	rule, base := s.rules[i], normalBase(raw)
	if rule.Pin == base {
		return nil
	}
	for _, m := range rule.Mirrors {
		if m.URL == base {
			return fmt.Errorf("%s cannot be asked first, because it is off: %s; switch it on, or pin another", base, m.Off)
		}
	}
	var bases []string
	for _, up := range rule.Upstreams() {
		bases = append(bases, up.Base)
	}
	return fmt.Errorf("the rule %s has no upstream %q; write one of %s", name, raw, strings.Join(bases, ", "))
}

func (s *Set) names() []string {
	var names []string
	for _, rule := range s.rules {
		names = append(names, rule.Name)
	}
	return names
}

// normal writes all bases as the rules have them.
func (c Choices) normal() Choices {
	out := Choices{Off: map[string]string{}, On: map[string]bool{}, Pin: map[string]string{}}
	for raw, why := range c.Off {
		base := normalBase(raw)
		out.Off[base] = max(out.Off[base], why) // of two spellings the same reason each time
	}
	for raw, on := range c.On {
		base := normalBase(raw)
		out.On[base] = out.On[base] || on
	}
	for name, raw := range c.Pin {
		out.Pin[name] = normalBase(raw)
	}
	return out
}

// normalBase leaves what is no base URL as it is: it will not be found.
func normalBase(raw string) string {
	if base, err := parseBase(strings.TrimSpace(raw)); err == nil {
		return base
	}
	return raw
}
