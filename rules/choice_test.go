package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"hither/rules"
)

// shop has one mirror that is on, and one that its file has off; other has a rule behind the same gateway.
const (
	shop = `name = "shop"
gateway = "/g"
[[host]]
name = "shop.test"
[[mirror]]
url = "https://near.test/shop"
[[mirror]]
url = "https://dead.test"
off = "dead since May"
[[path]]
match = "/g/{x}"
keep = "1h"
from = "any"
why = "a test"
`
	other = `name = "other"
gateway = "/g"
ns = ["o.test"]
[[host]]
name = "other.test"
[[mirror]]
url = "https://near.test/other"
[[path]]
match = "/g/{x}"
keep = "1h"
from = "any"
why = "a test"
`
)

// state is how a set stands: each rule's pin, who may send, and the reasons of those that may not.
func state(t *testing.T, set *rules.Set) string {
	t.Helper()
	var parts []string
	for _, url := range []string{"/g/x?ns=o.test", "/g/x?ns=shop.test"} {
		m, ok := match(t, set, url)
		if !ok {
			t.Fatalf("no rule speaks of %s", url)
		}
		var bases []string
		for _, s := range m.Sources() {
			bases = append(bases, strings.TrimPrefix(s.Base, "https://"))
		}
		text := fmt.Sprintf("%s: %s", m.Rule.Name, strings.Join(bases, " "))
		for _, mirror := range m.Rule.Mirrors {
			if mirror.Off != "" {
				text += fmt.Sprintf(" (%s)", mirror.Off)
			}
		}
		if m.Rule.Pin != "" {
			text += " first " + m.Rule.Pin
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func TestTheUserChooses(t *testing.T) {
	const plain = "other: other.test near.test/other; shop: shop.test near.test/shop (dead since May)"
	set := load(t, dir("shop.toml", shop, "other.toml", other))
	for _, row := range []struct {
		name    string
		choices rules.Choices
		want    string
	}{
		{"nothing", rules.Choices{}, plain},
		{"a mirror off", rules.Choices{Off: map[string]string{"https://near.test/shop": "too slow here"}},
			"other: other.test near.test/other; shop: shop.test (switched off by you: too slow here) (dead since May)"},
		{"a mirror off without a reason", rules.Choices{Off: map[string]string{"https://NEAR.test/shop/": " "}},
			"other: other.test near.test/other; shop: shop.test (switched off by you) (dead since May)"},
		{"a dead mirror on", rules.Choices{On: map[string]bool{"https://dead.test/": true}},
			"other: other.test near.test/other; shop: shop.test near.test/shop dead.test"},
		{"a dead mirror as the file says", rules.Choices{On: map[string]bool{"https://dead.test": false}}, plain},
		{"a mirror both off and on", rules.Choices{Off: map[string]string{"https://dead.test": ""}, On: map[string]bool{"https://dead.test": true}},
			"other: other.test near.test/other; shop: shop.test near.test/shop (switched off by you)"},
		{"a mirror first", rules.Choices{Pin: map[string]string{"shop": "https://near.test/shop/"}}, plain + " first https://near.test/shop"},
		{"an origin first", rules.Choices{Pin: map[string]string{"shop": "https://shop.test"}}, plain + " first https://shop.test"},
		{"a mirror on and first", rules.Choices{On: map[string]bool{"https://dead.test": true}, Pin: map[string]string{"shop": "https://dead.test"}},
			"other: other.test near.test/other; shop: shop.test near.test/shop dead.test first https://dead.test"},
		{"a dead mirror first", rules.Choices{Pin: map[string]string{"shop": "https://dead.test"}}, plain},
		{"another rule's mirror first", rules.Choices{Pin: map[string]string{"shop": "https://near.test/other"}}, plain},
		{"what is not there", rules.Choices{Off: map[string]string{"nowhere": ""}, On: map[string]bool{"https://nowhere.test": true}, Pin: map[string]string{"none": "https://shop.test"}}, plain},
		{"an origin off", rules.Choices{Off: map[string]string{"https://shop.test": ""}}, plain},
	} {
		t.Run(row.name, func(t *testing.T) {
			chosen := set.With(row.choices)
			if got := state(t, chosen); got != row.want {
				t.Errorf("\ngot:  %s\nwant: %s", got, row.want)
			}
			if got := state(t, set); got != plain {
				t.Errorf("the set that was asked\ngot:  %s\nwant: %s", got, plain)
			}
			if got := state(t, chosen.With(rules.Choices{})); strings.Contains(got, " first ") {
				t.Errorf("without a pin any more\ngot:  %s\nwant: nobody first", got)
			}
			if got, want := fmt.Sprint(chosen.Hosts()), fmt.Sprint(set.Hosts()); got != want {
				t.Errorf("hosts\ngot:  %s\nwant: %s", got, want)
			}
			for i, rule := range chosen.Rules() {
				if other := set.Rules()[i]; rule == other || rule.Name != other.Name {
					t.Errorf("rule %d\ngot:  %s\nwant: a copy of %s", i, rule.Name, other.Name)
				}
				if at, _ := chosen.Host(rule.Hosts[0].Name); at != rule {
					t.Errorf("the rule of %s\ngot:  another\nwant: the one in Rules", rule.Hosts[0].Name)
				}
			}
		})
	}
}

func TestWhatCannotBeChosenIsTold(t *testing.T) {
	set := load(t, dir("shop.toml", shop, "other.toml", other))
	for _, row := range []struct {
		name    string
		choices rules.Choices
		want    string // empty: no error
	}{
		{"nothing", rules.Choices{}, ""},
		{"all that can be", rules.Choices{
			Off: map[string]string{"https://near.test/other/": "slow"}, On: map[string]bool{"https://dead.test": true},
			Pin: map[string]string{"shop": "https://dead.test", "other": "https://other.test/"},
		}, ""},
		{"a mirror off that is off already", rules.Choices{Off: map[string]string{"https://dead.test": ""}}, ""},
		{"a mirror on that is on already", rules.Choices{On: map[string]bool{"https://near.test/shop": true}}, ""},
		{"an unknown mirror off", rules.Choices{Off: map[string]string{"near": ""}},
			`"near" is no mirror of any rule; write one of https://dead.test, https://near.test/other, https://near.test/shop`},
		{"an unknown mirror on", rules.Choices{On: map[string]bool{"https://x.test": true}},
			`"https://x.test" is no mirror of any rule; write one of https://dead.test, https://near.test/other, https://near.test/shop`},
		{"an origin off", rules.Choices{Off: map[string]string{"https://Shop.test/": ""}},
			"https://shop.test is an origin of the rule shop and cannot be switched off; pin a mirror to have that asked first"},
		{"off and on", rules.Choices{Off: map[string]string{"https://dead.test/": ""}, On: map[string]bool{"https://dead.test": true}},
			"https://dead.test is switched off and on; choose one"},
		{"an unknown rule", rules.Choices{Pin: map[string]string{"pypi": "https://x.test"}}, `there is no rule "pypi"; the rules are other, shop`},
		{"an unknown upstream", rules.Choices{Pin: map[string]string{"shop": "https://near.test"}},
			`the rule shop has no upstream "https://near.test"; write one of https://shop.test, https://near.test/shop`},
		{"a dead mirror first", rules.Choices{Pin: map[string]string{"shop": "https://dead.test"}},
			"https://dead.test cannot be asked first, because it is off: dead since May; switch it on, or pin another"},
		{"a mirror off and first", rules.Choices{Off: map[string]string{"https://near.test/shop": "slow"}, Pin: map[string]string{"shop": "https://near.test/shop"}},
			"https://near.test/shop cannot be asked first, because it is off: switched off by you: slow; switch it on, or pin another"},
		{"several things", rules.Choices{Off: map[string]string{"https://shop.test": ""}, Pin: map[string]string{"pypi": "https://x.test"}},
			"https://shop.test is an origin of the rule shop and cannot be switched off; pin a mirror to have that asked first\nthere is no rule \"pypi\"; the rules are other, shop"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := ""
			if err := set.Check(row.choices); err != nil {
				got = err.Error()
			}
			if got != row.want {
				t.Errorf("\ngot:  %s\nwant: %s", got, row.want)
			}
		})
	}
	none := load(t, dir("small.toml", small)).Check(rules.Choices{Off: map[string]string{"x": ""}})
	if want := `"x" is no mirror, and no rule has any; add one to a rule file`; none == nil || none.Error() != want {
		t.Errorf("without any mirror\ngot:  %v\nwant: %s", none, want)
	}
}

func TestWhoIsIndependentOfWhom(t *testing.T) {
	set := load(t, dir("small.toml", small+`
[[mirror]]
url = "https://one.example"
operator = "same"
[[mirror]]
url = "https://one.example.net"
operator = "same"
[[mirror]]
url = "https://two.example.net"
operator = "another"
[[mirror]]
url = "https://three.example.org"
operator = "third"
`))
	rule := set.Rules()[0]
	for _, row := range []struct {
		a, b string
		want bool
	}{
		{"https://docker.1ms.run", "https://dockerproxy.net", true},
		{"https://mirrors.tencent.com/npm", "https://mirrors.cloud.tencent.com/npm", false},
		{"https://mirrors.huaweicloud.com/x", "https://repo.huaweicloud.com/x", false},
		{"https://a.co.uk", "https://b.co.uk", true},
		{"https://x.a.co.uk", "https://y.a.co.uk", false},
		{"https://a.edu.cn", "https://b.edu.cn", true},
		{"https://me.github.io", "https://you.github.io", true},
		{"https://a.example:8443", "https://a.example", false},
		{"https://A.Example.", "https://a.example", false},
		{"https://a.example/x", "https://a.example/y", false},
		{"http://a.example", "https://a.example", false},
		{"http://127.0.0.1:1", "http://127.0.0.1:2", false},
		{"http://127.0.0.1:1", "http://127.0.0.2:1", true},
		{"http://127.0.0.1", "http://[::ffff:127.0.0.1]", false},
		{"http://[::1]:1", "http://[0:0::1]:2", false},
		{"http://localhost:1", "http://localhost:2", false},
		{"http://near", "http://far", true},
		{"https://one.example", "https://one.example.net", false}, // by its operator
		{"https://one.example", "https://three.example.org", true},
		{"https://one.example.net", "https://two.example.net", false}, // operators cannot part a domain
		{"https://one.example", "https://unnamed.example.com", true},
		{"https://b.one.example", "https://one.example.net", false}, // its neighbour's operator is its own
		{"https://b.one.example", "https://three.example.org", true},
		{"https://", "https://a.example", false},
		{"%", "https://a.example", false},
	} {
		if one, two := rule.Independent(row.a, row.b), rule.Independent(row.b, row.a); one != row.want || two != row.want {
			t.Errorf("%s and %s are independent\ngot:  %v, and the other way round %v\nwant: %v", row.a, row.b, one, two, row.want)
		}
	}
}
