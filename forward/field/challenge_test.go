package field

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// spell writes challenges as SCHEME[key=value;…].
func spell(all []Challenge) string {
	var words []string
	for _, c := range all {
		var params []string
		for _, k := range slices.Sorted(maps.Keys(c.Params)) {
			params = append(params, k+"="+c.Params[k])
		}
		words = append(words, fmt.Sprintf("%s[%s]", c.scheme, strings.Join(params, ";")))
	}
	return strings.Join(words, " ")
}

func TestChallenges(t *testing.T) {
	tests := map[string]string{
		`Bearer realm="https://auth.example/token",service="reg.example",scope="repository:library/x:pull"`: "bearer[realm=https://auth.example/token;scope=repository:library/x:pull;service=reg.example]",
		`Bearer realm="https://a.example",scope="repository:x:pull,push"`:                                   "bearer[realm=https://a.example;scope=repository:x:pull,push]",
		`Bearer realm="a \"b\" \\ c"`:                 `bearer[realm=a "b" \ c]`,
		`bEARER REALM=x , Service = "y"`:              "bearer[realm=x;service=y]",
		`Basic realm="a", Bearer realm="b",error="e"`: "basic[realm=a] bearer[error=e;realm=b]",
		`Basic, Bearer realm="b"`:                     "basic[] bearer[realm=b]",
		`Negotiate YWJj==, Bearer realm="b"`:          "negotiate[] bearer[realm=b]",
		`Negotiate YWJj`:                              "negotiate[]",
		`Negotiate`:                                   "negotiate[]",
		`,, Bearer realm="b",,`:                       "bearer[realm=b]",
		`Bearer realm="first", realm="second"`:        "bearer[realm=first]",
		`Bearer realm="not closed`:                    "bearer[]",
		`Bearer realm="b" junk`:                       "bearer[realm=b] junk[]",
		"Bearer realm=\"b\x7f\",scope=\"x\"":          "bearer[]",
		`realm="b"`:                                   "realm[]",
		`Bearer realm="Basic realm=\"x\", y"`:         `bearer[realm=Basic realm="x", y]`,
		``:                                            "",
		"\x00\xff":                                    "",
	}
	for line, want := range tests {
		if got := spell(parseChallenges([]string{line})); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", line, got, want)
		}
	}
}

func TestFirstBearerWithARealmCounts(t *testing.T) {
	h := http.Header{"Www-Authenticate": {`Basic realm="a"`, `Bearer scope="x"`, `Bearer realm="b",scope="z  y z"`, `Bearer realm="c"`}}
	c, ok := BearerChallenge(h)
	want(t, fmt.Sprintf("%s %t %s", c.Params["realm"], ok, c.Scopes()), "b true [y z]")
	if _, ok := BearerChallenge(http.Header{"Www-Authenticate": {strings.Repeat("x", maxChallenges+1), `Bearer realm="b"`}}); ok {
		t.Error("read on behind a line that is too long")
	}
}

func FuzzChallenges(f *testing.F) {
	for _, s := range []string{`Bearer realm="https://a",scope="x:y:pull,push"`, `Basic realm=a, Negotiate YQ==, Bearer realm="\""`, `a="`, `,=,`, "Bearer\trealm = x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		all := parseChallenges([]string{line})
		size := 0
		for _, c := range all {
			if c.scheme == "" || c.Params == nil {
				t.Errorf("a challenge without a scheme: %q", spell(all))
			}
			size += len(c.scheme)
			for k, v := range c.Params {
				if k == "" || k != strings.ToLower(k) {
					t.Errorf("key %q", k)
				}
				size += len(k) + len(v)
			}
		}
		if size > len(line) {
			t.Errorf("%d bytes out of %d", size, len(line))
		}
		// What is written as the grammar says is read as it was meant. It has no control characters but tabs.
		control := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
		if len(line) < 1000 && !strings.ContainsFunc(line, control) {
			quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(line)
			back := parseChallenges([]string{`Basic realm="x", Bearer realm="` + quoted + `",service="s"`})
			if len(back) != 2 || back[1].Params["realm"] != line || back[1].Params["service"] != "s" && line != "" {
				t.Errorf("%q came back as %s", line, spell(back))
			}
		}
	})
}
