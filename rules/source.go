package rules

import (
	"slices"
	"strings"
)

// Origins are where the authority for a match has it, in the order to ask. The origins of a host that the first host
// serves too, below a prefix (the checksum database), are its own and then the first host's.
func (m Match) Origins() []Source {
	path := m.upstream()
	var all []Source
	for _, base := range m.Host.Origin {
		all = add(all, Source{Base: base, URL: base + path, Origin: true})
	}
	if m.Host.Prefix == "" {
		return all
	}
	for _, base := range m.Rule.Hosts[0].Origin {
		all = add(all, Source{Base: base, URL: base + m.Host.Prefix + path, Origin: true})
	}
	return all
}

// Sources are all who may send the bytes: the origins, and behind them the mirrors that are on, unless only origins may.
// They do not know what the user calls private: a caller asks [Match.Private] first, and takes [Match.Origins] if it is.
func (m Match) Sources() []Source {
	all := m.Origins()
	if m.Path.From == FromOrigin {
		return all
	}
	path := m.Host.Prefix + m.upstream()
	for _, mirror := range m.Rule.Mirrors {
		if mirror.Off == "" {
			all = add(all, Source{Base: mirror.URL, URL: mirror.URL + path})
		}
	}
	return all
}

// Upstreams are all whom a rule may ask: the origins of its hosts, and the mirrors that are on. URL is their Base.
func (r *Rule) Upstreams() []Source {
	return slices.DeleteFunc(r.all(), func(s Source) bool {
		return !s.Origin && slices.ContainsFunc(r.Mirrors, func(m Mirror) bool { return m.URL == s.Base && m.Off != "" })
	})
}

// all are the upstreams, with the mirrors that are off.
func (r *Rule) all() []Source {
	var all []Source
	for _, h := range r.Hosts {
		for _, base := range h.Origin {
			all = add(all, Source{Base: base, URL: base, Origin: true})
		}
	}
	for _, mirror := range r.Mirrors {
		all = add(all, Source{Base: mirror.URL, URL: mirror.URL})
	}
	return all
}

// Accept is what to send upstream as Accept: the path's media types, else the variant; empty: do not send one.
func (m Match) Accept() string {
	if len(m.Path.Accept) > 0 {
		return strings.Join(m.Path.Accept, ", ")
	}
	return m.Variant
}

// upstream is the path as upstreams want it.
func (m Match) upstream() string {
	if m.Path.Send == "" {
		return m.Clean
	}
	return m.Path.send.expand(m.Vars, escape)
}

// add appends a source unless its upstream is there already: to ask one twice is no second chance.
func add(all []Source, s Source) []Source {
	if slices.ContainsFunc(all, func(o Source) bool { return o.Base == s.Base }) {
		return all
	}
	return append(all, s)
}
