package rules

import "net/url"

// Match tells what a request to a host means. False: the host is in no rule, or no path of its rule speaks of it, and the
// request is none of our business; [Set.Host] tells the two apart.
//
// The parameter ns of a query is dropped. Any other query asks for something that the path alone does not name: such a
// request matches only paths with Keep Never, and false if there is none.
func (s *Set) Match(host string, q Query) (Match, bool) {
	key := hostKey(host)
	rule := s.hosts[key]
	if rule == nil {
		return Match{}, false
	}
	ask, ok := newAsk(q)
	if !ok {
		return Match{}, false
	}
	return rule.answer(key, ask)
}

// MatchGateway tells what a request for our own address means: the longest gateway that its path lies below decides, and
// ?ns= (containerd) among rules that share it. Without ns, Docker Hub is meant if it is among them. A registry in ns that
// no rule behind the gateway knows is no match. What remains of the query counts as in [Set.Match].
func (s *Set) MatchGateway(q Query) (Match, bool) {
	ask, ok := newAsk(q)
	if !ok {
		return Match{}, false
	}
	for _, g := range s.gates {
		inside, ok := below(ask.path, g.prefix)
		if !ok {
			continue
		}
		rule, ok := g.choose(ask.ns)
		if !ok {
			return Match{}, false
		}
		if !rule.kept {
			ask.path = inside
		}
		m, ok := rule.answer(rule.Hosts[0].Name, ask)
		m.Gateway = ok
		return m, ok
	}
	return Match{}, false
}

// Match tells what a neighbouring document of the same rule is: a packument, a checksum record. The path is escaped and
// has no query; of variants it is the first, unless [Match.WithVariant] says another.
func (r *Rule) Match(host, path string) (Match, bool) {
	plain, ok := clean(path)
	if !ok {
		return Match{}, false
	}
	return r.answer(hostKey(host), ask{path: plain})
}

// WithVariant is the match of another variant of the same path. What is no variant of it changes nothing.
func (m Match) WithVariant(v string) Match {
	if m.Path == nil {
		return m
	}
	for _, known := range m.Path.Variants {
		if v == known {
			m.Variant = v
			m.Name = m.baseName() + "#" + v
		}
	}
	return m
}

// Changes are the matches that are out of date once the origin took a client's change of m: m itself, what its path says, and
// both at the twin of its registry. What is not kept is not among them.
func (s *Set) Changes(m Match) []Match {
	out := m.changes()
	if twin := s.hosts[m.Rule.Twin]; twin != nil {
		if same, ok := twin.Match(m.Rule.Twin, m.Clean); ok {
			out = append(out, same.changes()...)
		}
	}
	return out
}

func (m Match) changes() (out []Match) {
	if m.Path.Keep != Never {
		out = append(out, m)
	}
	for _, t := range m.Path.changes {
		changed, ok := m.Rule.Match(m.Host.Name, escape(t.expand(m.Vars, plain)))
		if ok && changed.Path.Keep != Never {
			out = append(out, changed)
		}
	}
	return out
}

// ask is a query after normalisation.
type ask struct {
	path   string // plain
	ns     string
	stray  bool // a query is left that the path does not name
	accept []string
}

func newAsk(q Query) (ask, bool) {
	if q.URL == nil || q.URL.Opaque != "" {
		return ask{}, false
	}
	escaped := q.URL.EscapedPath()
	if escaped == "" {
		escaped = "/" // RFC 9110 section 4.2.3: no path and "/" are the same
	}
	plain, ok := clean(escaped)
	values, err := url.ParseQuery(q.URL.RawQuery)
	ns := values.Get("ns")
	values.Del("ns")
	return ask{path: plain, ns: ns, stray: err != nil || len(values) > 0, accept: q.Accept}, ok
}

// host finds one of the rule's hosts by its key; an other name of the first is the first.
func (r *Rule) host(key string) (int, bool) {
	for i := range r.Hosts {
		if r.Hosts[i].Name == key {
			return r.Hosts[i].same, true
		}
	}
	return 0, false
}

func (r *Rule) answer(key string, a ask) (Match, bool) {
	on, ok := r.host(key)
	if !ok {
		return Match{}, false
	}
	if on == 0 {
		on, a.path = r.inner(a.path)
	}
	for i := range r.Paths {
		p := &r.Paths[i]
		if p.on != on || a.stray && p.Keep != Never {
			continue
		}
		if vars, ok := p.pattern.match(a.path); ok {
			return r.match(p, vars, a)
		}
	}
	return Match{}, false
}

// inner finds the host that the first one serves below a prefix, so that both ways to a document have one name.
func (r *Rule) inner(path string) (int, string) {
	best, rest := 0, path
	for i := 1; i < len(r.Hosts); i++ {
		prefix := r.Hosts[i].Prefix
		if prefix == "" || best > 0 && len(prefix) < len(r.Hosts[best].Prefix) {
			continue
		}
		if inside, ok := below(path, prefix); ok {
			best, rest = i, inside
		}
	}
	return best, rest
}

// match is false for a name that is too long for the cache.
func (r *Rule) match(p *Path, vars map[string]string, a ask) (Match, bool) {
	m := Match{Rule: r, Host: &r.Hosts[p.on], Path: p, Vars: vars, Clean: escape(a.path)}
	m.Subject = p.subject.expand(vars, plain)
	m.Name = m.baseName()
	longest := 0
	for _, v := range p.Variants {
		longest = max(longest, len("#")+len(v))
	}
	return m.WithVariant(prefer(p.Variants, a.accept)), len(m.Name)+longest <= maxName
}

func (m Match) baseName() string { return m.Rule.Name + "/" + m.Host.Name + m.Clean }
