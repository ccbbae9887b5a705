package mirrors

import (
	"bytes"

	"hither/forward/measure"
	"hither/rules"
)

// targetsOf are what to ask the upstreams of a rule for to measure them: its [probe], of the origins of the host that the
// probe belongs to, and of the mirrors that are on. None if the rule has no [probe].
func targetsOf(rule *rules.Rule) []measure.Target {
	p := rule.Probe
	if p.Path == "" {
		return nil
	}
	var all []measure.Target
	accept := ""
	add := func(base, url string, origin bool) {
		t := measure.Target{Base: base, URL: url, Accept: accept, Check: checkOf(p), Origin: origin}
		if p.Newest != "" {
			t.Newest, t.Field = base+p.Newest, p.Field
		}
		all = append(all, t)
	}
	m, ok := rule.Match(rule.Hosts[0].Name, p.Path)
	if ok {
		accept = m.Accept()
	}
	if ok && m.Host.Prefix != "" { // a host that the first one serves too
		for _, origin := range m.Origins() {
			add(origin.Base, origin.URL, true)
		}
	} else {
		for _, base := range rule.Hosts[0].Origin {
			add(base, base+p.Path, true)
		}
	}
	for _, m := range rule.Mirrors {
		if m.Off == "" {
			add(m.URL, m.URL+p.Path, false)
		}
	}
	return all
}

// Targets has one list for each rule that can be measured.
func Targets(set *rules.Set) (all [][]measure.Target) {
	for _, rule := range set.Rules() {
		if targets := targetsOf(rule); len(targets) > 0 {
			all = append(all, targets)
		}
	}
	return all
}

// checkOf tells the right bytes from others; nil if the rule does not say which are right.
func checkOf(p rules.Probe) func([]byte) error {
	if p.Digest == "" {
		return nil
	}
	return func(body []byte) error { return p.Digest.Check(bytes.NewReader(body), int64(len(body))) }
}
