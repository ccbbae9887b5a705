package rules_test

import (
	"fmt"
	"testing"

	"hither/rules"
	rulesd "hither/rules.d"
)

func TestAProbeIsReadAsItIsSent(t *testing.T) {
	const sum = "sha256:" + hex
	for _, row := range []struct{ name, toml, want string }{
		{"none", "", "||||"},
		{"the same bytes everywhere", "[probe]\npath = \"/x y\"\ndigest = \"" + sum + "\"\n", "/x%20y|" + sum + "|||"},
		{"only the time", "[probe]\npath = \"/v2/\"\nwhy = \" because \"\n", "/v2/||because||"},
		{"bytes, and freshness", "[probe]\npath = \"/x\"\ndigest = \"" + sum + "\"\nnewest = \"/@a%2fb/latest\"\nfield = \"version\"\n", "/x|" + sum + "||/@a%2fb/latest|version"},
		{"freshness in a field of a field", "[probe]\npath = \"/x\"\nwhy = \"because\"\nnewest = \"/p\"\nfield = \"dist-tags.latest\"\n", "/x||because|/p|dist-tags.latest"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := load(t, dir("small.toml", small+row.toml)).Rules()[0].Probe
			got := fmt.Sprintf("%s|%s|%s|%s|%s", p.Path, p.Digest, p.Why, p.Newest, p.Field)
			if want := row.want; got != want {
				t.Errorf("\ngot:  %s\nwant: %s", got, want)
			}
		})
	}
}

// What measures must not cost: a probe is asked for all day long, of everybody.
func TestEveryShippedRuleCanBeProbed(t *testing.T) {
	for _, rule := range load(t, rulesd.Files).Rules() {
		p := rule.Probe
		if p.Path == "" || p.Digest == "" && p.Why == "" {
			t.Errorf("%s\ngot:  %+v\nwant: a path, and a digest or a reason", rule.File, p)
		}
		for _, path := range []string{p.Path, p.Newest} {
			if m, ok := rule.Match(rule.Hosts[0].Name, path); path != "" && (!ok || m.Path.From == "") {
				t.Errorf("%s\ngot:  the probe %s, which no path of the rule speaks of", rule.File, path)
			}
		}
	}
}

func TestAQuorumMayBeCarriedByMirrors(t *testing.T) {
	m, ok := match(t, load(t, rulesd.Files), "/v2/library/alpine/manifests/latest")
	if !ok || m.Path.From != rules.FromQuorum || m.Path.Notary != "tag" || len(m.Sources()) < 3 || !m.Sources()[0].Origin {
		t.Errorf("\ngot:  from %s with notary %s, sources %v\nwant: a quorum, Docker Hub first and mirrors behind", m.Path.From, m.Path.Notary, urls(m))
	}
}
