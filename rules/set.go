package rules

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// maxFile bounds a rule file, in bytes. The longest of ours has a hundredth of it.
const maxFile = 1 << 20

// hub is the registry that a gateway shared by several means when the client did not say: only Docker itself never says,
// and its registry-mirrors are for Docker Hub only.
const hub = "docker.io"

// Load reads every *.toml at the root of each directory. A file of a later directory replaces one of the same name, whole;
// a directory that does not exist has none. The error joins everything that is wrong, each as "go.toml:14: …" with what to
// do about it, and the set is then nil: keep the last good one.
func Load(dirs ...fs.FS) (*Set, error) {
	files, err := collect(dirs)
	errs := []error{err}
	var rules []*Rule
	for _, name := range slices.Sorted(maps.Keys(files)) {
		rule, err := read(name, files[name])
		errs = append(errs, err)
		if err == nil {
			rules = append(rules, rule)
		}
	}
	set, err := newSet(rules)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	return set, nil
}

// collect tells in which directory each file name counts: the last that has it.
func collect(dirs []fs.FS) (map[string]fs.FS, error) {
	files := map[string]fs.FS{}
	var errs []error
	for _, dir := range dirs {
		entries, err := fs.ReadDir(dir, ".")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("rule files: %w; make the directory readable, or leave it out", err))
		}
		for _, entry := range entries {
			if name := entry.Name(); path.Ext(name) == ".toml" && !strings.HasPrefix(name, ".") && !entry.IsDir() {
				files[name] = dir
			}
		}
	}
	return files, errors.Join(errs...)
}

func read(name string, dir fs.FS) (*Rule, error) {
	data, err := slurp(name, dir)
	if err != nil {
		return nil, err
	}
	f := &faults{file: name}
	rule := build(parse(data, f), f)
	return rule, f.err()
}

// slurp reads a regular file only: a pipe of that name would never end.
func slurp(name string, dir fs.FS) ([]byte, error) {
	info, err := fs.Stat(dir, name)
	if err != nil {
		return nil, fmt.Errorf("%s:1: %w; make the file readable, or remove it", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s:1: this is not an ordinary file; rename it so that it does not end in .toml", name)
	}
	file, err := dir.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s:1: %w; make the file readable, or remove it", name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s:1: %w", name, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s:1: the file is larger than 1 MiB, which no rule needs; split or shorten it", name)
	}
	return data, nil
}

// newSet joins rules, in the order of their files, and reports where two of them claim the same thing.
func newSet(rules []*Rule) (*Set, error) {
	s := &Set{rules: rules, hosts: map[string]*Rule{}}
	var errs []error
	names := map[string]*Rule{}
	for _, rule := range rules {
		if other := names[rule.Name]; other != nil {
			errs = append(errs, fmt.Errorf("%s:%d: the name %q is taken by %s:%d; choose another, or give this file the name %s to replace that rule",
				rule.File, rule.line, rule.Name, other.File, other.line, other.File))
		}
		names[rule.Name] = rule
		errs = append(errs, s.addHosts(rule))
	}
	gates, err := newGates(rules)
	s.gates = gates
	slices.SortFunc(s.rules, func(a, b *Rule) int { return cmp.Compare(a.Name, b.Name) })
	return s, errors.Join(append(errs, err)...)
}

func (s *Set) addHosts(rule *Rule) error {
	var errs []error
	for _, host := range rule.Hosts {
		if other := s.hosts[host.Name]; other != nil {
			errs = append(errs, fmt.Errorf("%s:%d: the host %s belongs to %s already; a host can be in one rule only: remove it here or there",
				rule.File, host.line, host.Name, other.File))
			continue
		}
		s.hosts[host.Name] = rule
	}
	return errors.Join(errs...)
}

// Rules are all rules, sorted by name. The slice is the caller's, the rules are not.
func (s *Set) Rules() []*Rule { return slices.Clone(s.rules) }

// Hosts are the names of all hosts without their ports, sorted, each once: what the local authority may sign for. IP
// addresses stand among them, without brackets.
func (s *Set) Hosts() []string {
	names := map[string]bool{}
	for key := range s.hosts {
		name, _ := splitHost(key)
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Host finds the rule of a host as a client names it, with or without a port. Case, a trailing dot and the ports 443 and
// 80 make no difference; a host that the rule lists without a port is not meant by any other port.
func (s *Set) Host(host string) (*Rule, bool) {
	rule, ok := s.hosts[hostKey(host)]
	return rule, ok
}

// gate is a gateway and the rules behind it; the first is meant when the client does not say which.
type gate struct {
	prefix string
	rules  []*Rule
}

// newGates takes the rules in the order of their files.
func newGates(rules []*Rule) ([]gate, error) {
	var gates []gate
	var errs []error
	for _, rule := range rules {
		if rule.Gateway == "" {
			continue
		}
		at := slices.IndexFunc(gates, func(g gate) bool { return g.prefix == rule.Gateway })
		if at < 0 {
			at, gates = len(gates), append(gates, gate{prefix: rule.Gateway})
		}
		errs = append(errs, gates[at].conflict(rule))
		gates[at].rules = append(gates[at].rules, rule)
	}
	for _, g := range gates {
		slices.SortStableFunc(g.rules, func(a, b *Rule) int { return cmp.Compare(a.rank(), b.rank()) })
	}
	slices.SortStableFunc(gates, func(a, b gate) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })
	return gates, errors.Join(errs...)
}

func (g gate) conflict(rule *Rule) error {
	for _, other := range g.rules {
		for _, ns := range rule.NS {
			if _, own := other.host(ns); own || slices.Contains(other.NS, ns) {
				return fmt.Errorf("%s:%d: ns = %q at the gateway %s is taken by %s; remove it here or there", rule.File, rule.line, ns, g.prefix, other.File)
			}
		}
		for _, ns := range other.NS {
			if _, own := rule.host(ns); own {
				return fmt.Errorf("%s:%d: ns = %q at the gateway %s is a host of %s; remove it here or there", other.File, other.line, ns, g.prefix, rule.File)
			}
		}
	}
	return nil
}

// rank puts Docker Hub before its neighbours.
func (r *Rule) rank() int {
	if slices.Contains(r.NS, hub) {
		return 0
	}
	return 1
}

// choose finds the rule a client means. A registry that no rule knows is nobody's: to answer for another would be to
// give wrong bytes for its tags.
func (g gate) choose(ns string) (*Rule, bool) {
	if ns == "" {
		return g.rules[0], true
	}
	key := hostKey(ns)
	for _, rule := range g.rules {
		if _, ok := rule.host(key); ok || slices.Contains(rule.NS, key) {
			return rule, true
		}
	}
	return nil, false
}
