package rules_test

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"hither/rules"
	rulesd "hither/rules.d"
)

// ask splits a URL as the doors do: the host, and the rest of what was said.
func ask(t *testing.T, raw string, accept ...string) (string, rules.Query) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host, rules.Query{URL: u, Accept: accept}
}

// match asks a set for a URL; a URL without a host is for our own address.
func match(t *testing.T, set *rules.Set, raw string, accept ...string) (rules.Match, bool) {
	t.Helper()
	host, q := ask(t, raw, accept...)
	if host == "" {
		return set.MatchGateway(q)
	}
	return set.Match(host, q)
}

const (
	abbreviated = "application/vnd.npm.install-v1+json"
	npmFull     = "#application/json"
	npmShort    = "#" + abbreviated
	corgi       = abbreviated + "; q=1.0, application/json; q=0.8, */*"
	hex         = "a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"
)

// meaning is a request, the name it has and the pattern that decides. A URL without a host is for our own address.
type meaning struct{ url, name, pattern string }

func means(t *testing.T, rows []meaning) {
	set := load(t, rulesd.Files)
	for _, row := range rows {
		m, ok := match(t, set, row.url)
		if !ok {
			t.Errorf("%s\ngot:  no match\nwant: %s", row.url, row.name)
			continue
		}
		if m.Name != row.name || m.Path.Pattern != row.pattern {
			t.Errorf("%s\ngot:  %s by %s\nwant: %s by %s", row.url, m.Name, m.Path.Pattern, row.name, row.pattern)
		}
		if m.Gateway != strings.HasPrefix(row.url, "/") {
			t.Errorf("%s\ngot:  Gateway %v", row.url, m.Gateway)
		}
	}
}

func TestWhatRequestsOfGoMean(t *testing.T) {
	means(t, []meaning{
		{"https://proxy.golang.org/github.com/!burnt!sushi/toml/@v/v1.6.0.zip", "go/proxy.golang.org/github.com/!burnt!sushi/toml/@v/v1.6.0.zip", "/{module...}/@v/{version:semver}.zip"},
		{"https://proxy.golang.org/golang.org/x/mod/@v/v0.0.0-20260102150405-0123456789ab.mod", "go/proxy.golang.org/golang.org/x/mod/@v/v0.0.0-20260102150405-0123456789ab.mod", "/{module...}/@v/{version:semver}.mod"},
		{"https://proxy.golang.org/github.com/docker/cli/@v/v27.0.1+incompatible.info", "go/proxy.golang.org/github.com/docker/cli/@v/v27.0.1+incompatible.info", "/{module...}/@v/{version:semver}.info"},
		{"https://proxy.golang.org/golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip", "go/proxy.golang.org/golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip", "/{module...}/@v/{version:semver}.zip"},
		{"https://proxy.golang.org/golang.org/x/mod/@v/master.info", "go/proxy.golang.org/golang.org/x/mod/@v/master.info", "/{module...}/@v/{query}.info"},
		{"https://proxy.golang.org/golang.org/x/mod/@v/v1.info", "go/proxy.golang.org/golang.org/x/mod/@v/v1.info", "/{module...}/@v/{query}.info"},
		{"https://proxy.golang.org/golang.org/x/mod/@v/master.zip", "go/proxy.golang.org/golang.org/x/mod/@v/master.zip", "/{rest...}"},
		{"https://proxy.golang.org/golang.org/x/mod/@v/list", "go/proxy.golang.org/golang.org/x/mod/@v/list", "/{module...}/@v/list"},
		{"https://proxy.golang.org/golang.org/x/mod/@latest", "go/proxy.golang.org/golang.org/x/mod/@latest", "/{module...}/@latest"},
		{"https://sum.golang.org/lookup/golang.org/x/mod@v0.42.0", "go/sum.golang.org/lookup/golang.org/x/mod@v0.42.0", "/lookup/{module...}@{version:semver}"},
		{"https://sum.golang.org/lookup/golang.org/x/mod@master", "go/sum.golang.org/lookup/golang.org/x/mod@master", "/{rest...}"},
		{"https://sum.golang.org/tile/8/0/x123/456", "go/sum.golang.org/tile/8/0/x123/456", "/tile/{height}/{level}/{index...}"},
		{"https://sum.golang.org/tile/8/1/x001/456.p/17", "go/sum.golang.org/tile/8/1/x001/456.p/17", "/tile/{height}/{level}/{index...}.p/{width}"},
		{"https://sum.golang.org/tile/8/data/x123/456", "go/sum.golang.org/tile/8/data/x123/456", "/tile/{height}/{level}/{index...}"},
		{"https://sum.golang.org/latest", "go/sum.golang.org/latest", "/latest"},
		{"https://proxy.golang.org/sumdb/sum.golang.org/supported", "go/sum.golang.org/supported", "/supported"},
		{"https://proxy.golang.org/sumdb/sum.other.org/supported", "go/proxy.golang.org/sumdb/sum.other.org/supported", "/{rest...}"},
		{"/go/golang.org/x/mod/@v/list", "go/proxy.golang.org/golang.org/x/mod/@v/list", "/{module...}/@v/list"},
		{"/go/sumdb/sum.golang.org/tile/8/0/001", "go/sum.golang.org/tile/8/0/001", "/tile/{height}/{level}/{index...}"},
		{"https://proxy.golang.org/sumdb/sum.golang.organ/latest", "go/proxy.golang.org/sumdb/sum.golang.organ/latest", "/{rest...}"},
	})
}

func TestWhatRequestsOfDockerMean(t *testing.T) {
	means(t, []meaning{
		{"https://registry-1.docker.io/v2/", "docker/registry-1.docker.io/v2/", "/v2/"},
		{"https://registry-1.docker.io/v2/library/alpine/blobs/sha256:" + hex, "docker/registry-1.docker.io/v2/library/alpine/blobs/sha256:" + hex, "/v2/{repo...}/blobs/{digest:digest}"},
		{"https://registry-1.docker.io/v2/library/alpine/manifests/sha256:" + hex, "docker/registry-1.docker.io/v2/library/alpine/manifests/sha256:" + hex, "/v2/{repo...}/manifests/{digest:digest}"},
		{"https://registry-1.docker.io/v2/library/alpine/manifests/3.20", "docker/registry-1.docker.io/v2/library/alpine/manifests/3.20", "/v2/{repo...}/manifests/{tag}"},
		{"https://registry-1.docker.io/v2/library/alpine/manifests/sha256-" + hex + ".sig", "docker/registry-1.docker.io/v2/library/alpine/manifests/sha256-" + hex + ".sig", "/v2/{repo...}/manifests/sha256-{hex}"},
		{"/v2/library/alpine/manifests/sha512-" + hex, "docker/registry-1.docker.io/v2/library/alpine/manifests/sha512-" + hex, "/v2/{repo...}/manifests/sha512-{hex}"},
		{"https://registry-1.docker.io/v2/a/b/c/manifests/manifests/blobs/manifests/latest", "docker/registry-1.docker.io/v2/a/b/c/manifests/manifests/blobs/manifests/latest", "/v2/{repo...}/manifests/{tag}"},
		{"https://registry-1.docker.io/v2/me/app/blobs/uploads/", "docker/registry-1.docker.io/v2/me/app/blobs/uploads/", "/v2/{rest...}"},
		{"https://registry-1.docker.io/v2/me/app/blobs/uploads/5f3c?_state=x", "docker/registry-1.docker.io/v2/me/app/blobs/uploads/5f3c", "/v2/{repo...}/blobs/uploads/{upload...}"},
		{"https://registry-1.docker.io/v2/me/app/tags/list?n=10", "docker/registry-1.docker.io/v2/me/app/tags/list", "/v2/{repo...}/tags/list"},
		{"https://registry-1.docker.io/v2/me/app/referrers/sha256:" + hex, "docker/registry-1.docker.io/v2/me/app/referrers/sha256:" + hex, "/v2/{repo...}/referrers/{digest}"},
		{"https://registry-1.docker.io/v2/_catalog", "docker/registry-1.docker.io/v2/_catalog", "/v2/{rest...}"},
		{"https://index.docker.io/v2/library/alpine/manifests/latest", "docker/registry-1.docker.io/v2/library/alpine/manifests/latest", "/v2/{repo...}/manifests/{tag}"},
		{"/v2/", "docker/registry-1.docker.io/v2/", "/v2/"},
		{"/v2/library/alpine/manifests/latest", "docker/registry-1.docker.io/v2/library/alpine/manifests/latest", "/v2/{repo...}/manifests/{tag}"},
	})
}

func TestWhatRequestsOfNPMMean(t *testing.T) {
	means(t, []meaning{
		{"https://registry.npmjs.org/express/-/express-4.19.2.tgz", "npm/registry.npmjs.org/express/-/express-4.19.2.tgz", "/{name}/-/{file}.tgz"},
		{"https://registry.npmjs.org/@types/node/-/node-20.1.0.tgz", "npm/registry.npmjs.org/@types/node/-/node-20.1.0.tgz", "/@{scope}/{name}/-/{file}.tgz"},
		{"https://registry.npmjs.org/@types%2fnode/-/node-20.1.0.tgz", "npm/registry.npmjs.org/@types/node/-/node-20.1.0.tgz", "/@{scope}/{name}/-/{file}.tgz"},
		{"https://registry.npmjs.org/express", "npm/registry.npmjs.org/express" + npmFull, "/{name}"},
		{"https://registry.npmjs.org/npm", "npm/registry.npmjs.org/npm" + npmFull, "/{name}"},
		{"https://registry.npmjs.org/@types%2fnode", "npm/registry.npmjs.org/@types/node" + npmFull, "/@{scope}/{name}"},
		{"https://registry.npmjs.org/express/4.19.2", "npm/registry.npmjs.org/express/4.19.2", "/{name}/{version}"},
		{"https://registry.npmjs.org/@types/node/latest", "npm/registry.npmjs.org/@types/node/latest", "/@{scope}/{name}/{version}"},
		{"https://registry.npmjs.org/-/package/express/dist-tags", "npm/registry.npmjs.org/-/package/express/dist-tags", "/-/{rest...}"},
		{"https://registry.npmjs.org/-/v1/search?text=a", "npm/registry.npmjs.org/-/v1/search", "/-/{rest...}"},
		{"https://registry.npmjs.org/-/npm/v1/security/advisories/bulk", "npm/registry.npmjs.org/-/npm/v1/security/advisories/bulk", "/-/{rest...}"},
		{"https://registry.npmjs.org/-/whoami", "npm/registry.npmjs.org/-/whoami", "/-/{rest...}"},
		{"https://registry.npmjs.org/express?write=true", "npm/registry.npmjs.org/express", "/{rest...}"},
		{"/npm/express", "npm/registry.npmjs.org/express" + npmFull, "/{name}"},
		{"/npm/@types%2Fnode", "npm/registry.npmjs.org/@types/node" + npmFull, "/@{scope}/{name}"},
	})
}

// What npm dist-tag, deprecate, publish and unpublish write to, and what is told anew after it.
func TestWhatAChangeOfNPMChanges(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, row := range []struct{ url, want string }{
		{"/-/package/ms/dist-tags/next", "/ms" + npmFull + " /ms/next"},
		{"/-/package/@s%2fn/dist-tags/a%252fb", "/@s/n" + npmFull + " /@s/n/a%252fb"},
		{"/-/package/ms/dist-tags", ""},
		{"/ms", "/ms" + npmFull + " /ms/latest"},
		{"/@s%2fn", "/@s/n" + npmFull + " /@s/n/latest"},
		{"/ms/-rev/1-ab", "/ms" + npmFull + " /ms/latest"},
		{"/@s%2fn/-rev/1-ab", "/@s/n" + npmFull + " /@s/n/latest"},
		{"/ms/-/ms-2.1.3.tgz/-rev/1-ab", "/ms" + npmFull + " /ms/-/ms-2.1.3.tgz"},
		{"/@s/n/-/n-1.0.0.tgz/-rev/1-ab", "/@s/n" + npmFull + " /@s/n/-/n-1.0.0.tgz"},
		{"/-/npm/v1/security/advisories/bulk", ""},
	} {
		const npm, yarn = "registry.npmjs.org", "registry.yarnpkg.com"
		for _, hosts := range [][2]string{{npm, yarn}, {yarn, npm}} {
			m, _ := match(t, set, "https://"+hosts[0]+row.url)
			changes := set.Changes(m)
			for i, host := range hosts { // at both, for they are one registry
				var got []string
				for _, changed := range changes[len(changes)/2*i : len(changes)/2*(i+1)] {
					_, path, _ := strings.Cut(changed.Name, host)
					got = append(got, path)
				}
				if strings.Join(got, " ") != row.want {
					t.Errorf("a change of %s at %s\ngot:  %s at %s\nwant: %s", row.url, hosts[0], strings.Join(got, " "), host, row.want)
				}
			}
		}
	}
}

func TestWhatIsNoMatch(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, row := range []struct {
		why, url string
		known    bool
	}{
		{"a host in no rule", "https://example.org/x", false},
		{"a host that only ends like ours", "https://xproxy.golang.org/x/@v/list", false},
		{"another port", "https://proxy.golang.org:8443/x/@v/list", false},
		{"a path of no pattern", "https://registry-1.docker.io/v1/search", true},
		{"a parent", "https://proxy.golang.org/x/../y/@v/list", true},
		{"an escaped parent", "https://proxy.golang.org/x/%2e%2E/y/@v/list", true},
		{"a parent behind an escaped slash", "https://proxy.golang.org/x%2f..%2fy/@v/list", true},
		{"a dot", "https://proxy.golang.org/./x/@v/list", true},
		{"a NUL", "https://proxy.golang.org/x%00/@v/list", true},
		{"a line feed", "https://proxy.golang.org/x%0a/@v/list", true},
		{"what is not UTF-8", "https://proxy.golang.org/x%ff/@v/list", true},
		{"a longer path than the cache can name", "https://proxy.golang.org/" + strings.Repeat("x", 8<<10) + "/@v/list", true},
		{"a path that is longer once it is escaped", "https://proxy.golang.org/" + strings.Repeat("%20", 4<<10) + "/@v/list", true},
		{"no gateway", "/nothing/x", false},
		{"a gateway that only begins alike", "/gone/x/@v/list", false},
		{"a registry that no rule knows", "/v2/library/alpine/manifests/latest?ns=ghcr.io", false},
	} {
		if m, ok := match(t, set, row.url); ok {
			t.Errorf("%s: %.80s\ngot:  %.200s\nwant: no match", row.why, row.url, m.Name)
		}
		host, q := ask(t, row.url)
		if _, known := set.Host(host); known != row.known {
			t.Errorf("%s: Host(%q) of %.80s\ngot:  %v\nwant: %v", row.why, host, q.URL, known, row.known)
		}
	}
	if m, ok := set.Match("proxy.golang.org", rules.Query{}); ok {
		t.Errorf("no URL\ngot:  %s\nwant: no match", m.Name)
	}
	if m, ok := set.Match("proxy.golang.org", rules.Query{URL: &url.URL{Path: "*"}}); ok {
		t.Errorf("OPTIONS *\ngot:  %s\nwant: no match", m.Name)
	}
}

func TestAGatewayLeadsToTheFirstHostWhateverPathsOthersHave(t *testing.T) {
	set := load(t, dir("a.toml", `name = "a"
gateway = "/v2"
[[host]]
name = "registry.test"
[[host]]
name = "auth.test"
[[path]]
match = "/v2/{rest...}"
[[path]]
match = "/token"
host = "auth.test"
`))
	if m, ok := match(t, set, "/v2/a/manifests/b"); !ok || m.Name != "a/registry.test/v2/a/manifests/b" {
		t.Errorf("got:  %q, %v\nwant: the registry's own path", m.Name, ok)
	}
}

// Trap 2: a key of the raw URL never hits, for each client spells in its own way.
func TestTrap2SpellingsOfOneThingHaveOneName(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, spellings := range [][]string{
		{"https://registry.npmjs.org/@s/n", "https://registry.npmjs.org/@s%2fn", "https://registry.npmjs.org/@s%2Fn", "https://registry.npmjs.org/%40s/n",
			"https://REGISTRY.npmjs.org:443/@s/n", "http://registry.npmjs.org:80//@s//n", "https://registry.npmjs.org./@s/n?", "/npm/@s%2fn", "/npm//@s/n"},
		{"https://proxy.golang.org/github.com/!azure/x/@v/v1.0.0+incompatible.zip", "https://proxy.golang.org/github.com/%21azure/x/@v/v1.0.0%2bincompatible.zip",
			"https://proxy.golang.org/github.com/%21azure/x/%40v/v1.0.0%2Bincompatible.zip", "/go/github.com/!azure/x/@v/v1.0.0+incompatible.zip"},
		{"https://sum.golang.org/lookup/x.org/y@v1.0.0", "https://proxy.golang.org/sumdb/sum.golang.org/lookup/x.org/y@v1.0.0",
			"https://proxy.golang.org/sumdb%2Fsum.golang.org/lookup/x.org/y%40v1.0.0", "/go/sumdb/sum.golang.org/lookup/x.org/y@v1.0.0"},
		{"https://registry-1.docker.io/v2/a/b/blobs/sha256:" + hex, "https://registry-1.docker.io/v2/a/b/blobs/sha256%3A" + hex, "https://index.docker.io/v2/a/b/blobs/sha256:" + hex,
			"/v2/a/b/blobs/sha256:" + hex, "/v2/a/b/blobs/sha256:" + hex + "?ns=docker.io", "/v2/a/b/blobs/sha256:" + hex + "?ns=registry-1.docker.io", "/v2/a/b/blobs/sha256:" + hex + "?ns=Docker.io"},
	} {
		first, _ := match(t, set, spellings[0])
		for _, spelling := range spellings {
			m, ok := match(t, set, spelling)
			if !ok || m.Name != first.Name || m.Clean != first.Clean || !reflect.DeepEqual(m.Sources(), first.Sources()) {
				t.Errorf("%s\ngot:  %s, sources %v\nwant: %s, sources %v", spelling, m.Name, urls(m), first.Name, urls(first))
			}
		}
	}
}

func urls(m rules.Match) []string {
	if m.Rule == nil {
		return nil
	}
	var all []string
	for _, s := range m.Sources() {
		all = append(all, s.URL)
	}
	return all
}

// Trap 2, the other side: what differs must not share a name.
func TestMistake3DifferentThingsHaveDifferentNames(t *testing.T) {
	set := load(t, rulesd.Files)
	seen := map[string]string{}
	for _, raw := range []string{
		"https://registry.npmjs.org/@s/n", "https://registry.npmjs.org/@s%252fn", "https://registry.npmjs.org/%23a", "https://registry.npmjs.org/a",
		"https://registry.npmjs.org/@S/n", "https://proxy.golang.org/a/@latest", "https://proxy.golang.org/A/@latest", "https://proxy.golang.org/!a/@latest",
		"https://proxy.golang.org/latest", "https://sum.golang.org/latest", "https://registry-1.docker.io/v2/a/manifests/x", "https://registry-1.docker.io/v2/a/manifests/X",
		"https://registry.npmjs.org/a%3Fb", "https://registry.npmjs.org/a%20b", "https://registry.npmjs.org/a+b",
	} {
		m, ok := match(t, set, raw)
		if other, twice := seen[m.Name]; !ok || twice {
			t.Errorf("%s\ngot:  %q, as %q has\nwant: a name of its own", raw, m.Name, other)
		}
		seen[m.Name] = raw
	}
}

// Trap 2: dockerd sends its Accept lines in another order each time; npm's two documents share a URL.
func TestTrap2AcceptChoosesTheVariantInWhateverOrder(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, row := range []struct {
		who    string
		accept []string
		want   string
	}{
		{"nobody says", nil, npmFull},
		{"curl", []string{"*/*"}, npmFull},
		{"npm 11", []string{"application/json"}, npmFull},
		{"pnpm, yarn, bun", []string{corgi}, npmShort},
		{"the same in three lines", []string{"*/*", "application/json; q=0.8", abbreviated + "; q=1.0"}, npmShort},
		{"the same in another order", []string{"application/json;q=0.8," + abbreviated + ";q=1.0", "*/*"}, npmShort},
		{"upper case", []string{strings.ToUpper(corgi)}, npmShort},
		{"short by name, anything else too", []string{abbreviated + ", */*"}, npmShort},
		{"both alike", []string{abbreviated + ", application/json"}, npmFull},
		{"short refused", []string{abbreviated + ";q=0, */*"}, npmFull},
		{"full refused", []string{"application/json;q=0, */*"}, npmShort},
		{"a type of neither", []string{"text/html"}, npmFull},
		{"any application", []string{"application/*;q=0.1, application/json;q=0"}, npmShort},
		{"nonsense", []string{",;,=, application/, q=1, " + abbreviated + ";q=7"}, npmFull},
		{"a comma in quotes", []string{`text/x;a=",` + abbreviated + `,", application/json`}, npmFull},
	} {
		for _, url := range []string{"https://registry.npmjs.org/express", "https://registry.npmjs.org/@a%2fb"} {
			m, _ := match(t, set, url, row.accept...)
			if got := "#" + m.Variant; got != row.want || !strings.HasSuffix(m.Name, row.want) || "#"+m.Accept() != row.want {
				t.Errorf("%s: %q\ngot:  %s as %s\nwant: %s", row.who, row.accept, got, m.Name, row.want)
			}
		}
	}
}

func TestDockerIsAskedForEveryKindOfManifest(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, ref := range []string{"latest", "sha256:" + hex} {
		m, _ := match(t, set, "/v2/library/alpine/manifests/"+ref, "application/json")
		for _, want := range []string{"application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
			"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json"} {
			if !strings.Contains(m.Accept(), want) {
				t.Errorf("%s\ngot:  Accept %s\nwant: %s in it", m.Name, m.Accept(), want)
			}
		}
	}
	if m, _ := match(t, set, "/v2/library/alpine/blobs/sha256:"+hex); m.Accept() != "" {
		t.Errorf("%s\ngot:  Accept %s\nwant: none", m.Name, m.Accept())
	}
}

func TestARequestWithAnotherQueryMatchesOnlyWhatIsNeverKept(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, raw := range []string{"https://registry.npmjs.org/express?write=true", "https://proxy.golang.org/x.org/y/@v/list?a", "/v2/a/b/manifests/latest?ns=docker.io&x=y",
		"https://registry.npmjs.org/express?a;b", "https://registry.npmjs.org/express?=", "https://registry.npmjs.org/express?%zz"} {
		if m, ok := match(t, set, raw); !ok || m.Path.Keep != rules.Never {
			t.Errorf("%s\ngot:  %s, kept %v\nwant: a path that is never kept", raw, m.Name, m.Path)
		}
	}
	plain := load(t, dir("a.toml", strings.Replace(small, "[[path]]", "[[path]]\nkeep = \"5m\"", 1)))
	if m, ok := match(t, plain, "https://small.test/x?y"); ok {
		t.Errorf("no path is never kept\ngot:  %s\nwant: no match", m.Name)
	}
	if _, ok := match(t, plain, "https://small.test/x?ns=a"); !ok {
		t.Error("ns alone\ngot:  no match\nwant: a match")
	}
}

func TestNeighbouringDocuments(t *testing.T) {
	set := load(t, rulesd.Files)
	rule, _ := set.Host("registry.npmjs.org")
	full, ok := rule.Match("registry.npmjs.org", "/@types%2fnode")
	short := full.WithVariant(abbreviated)
	if !ok || full.Name != "npm/registry.npmjs.org/@types/node"+npmFull || short.Name != "npm/registry.npmjs.org/@types/node"+npmShort {
		t.Errorf("got:  %s and %s", full.Name, short.Name)
	}
	if same := short.WithVariant("text/html"); !reflect.DeepEqual(same, short) {
		t.Errorf("an unknown variant\ngot:  %s\nwant: %s", same.Name, short.Name)
	}
	if back := short.WithVariant("application/json"); back.Name != full.Name {
		t.Errorf("the first variant again\ngot:  %s\nwant: %s", back.Name, full.Name)
	}
	golang, _ := set.Host("proxy.golang.org")
	if m, ok := golang.Match("sum.golang.org", "/lookup/x.org/y@v1.0.0"); !ok || m.Host.Key == "" {
		t.Errorf("a checksum record\ngot:  %v %s\nwant: a match on the host with the key", ok, m.Name)
	}
	for _, row := range [][2]string{{"registry.npmjs.org", "/x"}, {"sum.golang.org", "lookup"}, {"sum.golang.org", "/latest?x"}, {"sum.golang.org", "/%zz"}, {"sum.golang.org", "/a/../latest"}} {
		if m, ok := golang.Match(row[0], row[1]); ok {
			t.Errorf("%s of %s in go.toml\ngot:  %s\nwant: no match", row[1], row[0], m.Name)
		}
	}
}

func TestVariablesAndSubjectsAreDecoded(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, row := range []struct {
		url, subject string
		vars         map[string]string
	}{
		{"https://proxy.golang.org/github.com/%21azure/x/@v/v1.0.0%2bincompatible.zip", "github.com/!azure/x", map[string]string{"module": "github.com/!azure/x", "version": "v1.0.0+incompatible"}},
		{"https://registry.npmjs.org/%40s%2Fn/-/n-1.0.0.tgz", "@s/n", map[string]string{"scope": "s", "name": "n", "file": "n-1.0.0"}},
		{"/v2/a/b/blobs/sha256%3a" + hex, "a/b", map[string]string{"repo": "a/b", "digest": "sha256:" + hex}},
		{"/go/sumdb/sum.golang.org/lookup/a.org/@x/b@v1.0.0", "a.org/@x/b", map[string]string{"module": "a.org/@x/b", "version": "v1.0.0"}},
		{"https://sum.golang.org/latest", "", map[string]string{}},
	} {
		m, _ := match(t, set, row.url)
		if m.Subject != row.subject || !reflect.DeepEqual(m.Vars, row.vars) {
			t.Errorf("%s\ngot:  %q %v\nwant: %q %v", row.url, m.Subject, m.Vars, row.subject, row.vars)
		}
	}
}
