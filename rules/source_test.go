package rules_test

import (
	"strings"
	"testing"
	"time"

	"hither/rules"
	rulesd "hither/rules.d"
)

func TestWhoMaySendWhat(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, row := range []struct {
		url     string
		origins int // the first so many are origins
		sources string
	}{
		{"https://proxy.golang.org/golang.org/x/mod/@v/v0.42.0.zip", 1,
			"https://proxy.golang.org/golang.org/x/mod/@v/v0.42.0.zip https://goproxy.cn/golang.org/x/mod/@v/v0.42.0.zip https://mirrors.aliyun.com/goproxy/golang.org/x/mod/@v/v0.42.0.zip"},
		{"/go/github.com/%21azure/x/@v/v1.0.0%2bincompatible.mod", 1,
			"https://proxy.golang.org/github.com/!azure/x/@v/v1.0.0+incompatible.mod https://goproxy.cn/github.com/!azure/x/@v/v1.0.0+incompatible.mod https://mirrors.aliyun.com/goproxy/github.com/!azure/x/@v/v1.0.0+incompatible.mod"},
		{"/go/sumdb/sum.golang.org/lookup/x.org/y@v1.0.0", 3,
			"https://sum.golang.org/lookup/x.org/y@v1.0.0 https://sum.golang.google.cn/lookup/x.org/y@v1.0.0 https://proxy.golang.org/sumdb/sum.golang.org/lookup/x.org/y@v1.0.0"},
		{"https://index.docker.io/v2/library/alpine/tags/list", 1, "https://registry-1.docker.io/v2/library/alpine/tags/list"},
		{"https://registry.npmjs.org/@types/node", 1, "https://registry.npmjs.org/@types%2fnode"},
		{"https://registry.npmjs.org/@types%2fnode/latest", 1, "https://registry.npmjs.org/@types%2fnode/latest"},
		{"https://registry.npmjs.org/express", 1, "https://registry.npmjs.org/express"},
		{"https://registry.npmjs.org/@types%2fnode/-/node-20.1.0.tgz", 1,
			"https://registry.npmjs.org/@types/node/-/node-20.1.0.tgz https://registry.npmmirror.com/@types/node/-/node-20.1.0.tgz https://mirrors.cloud.tencent.com/npm/@types/node/-/node-20.1.0.tgz https://mirrors.huaweicloud.com/repository/npm/@types/node/-/node-20.1.0.tgz"},
	} {
		m, _ := match(t, set, row.url)
		if got := strings.Join(urls(m), " "); got != row.sources {
			t.Errorf("sources of %s\ngot:  %s\nwant: %s", row.url, got, row.sources)
		}
		origins := 0
		for _, s := range m.Sources() {
			if s.Origin {
				origins++
			}
			if !strings.HasPrefix(s.URL, s.Base+"/") {
				t.Errorf("%s does not begin with its base %s", s.URL, s.Base)
			}
		}
		if origins != row.origins || len(m.Origins()) != row.origins {
			t.Errorf("origins of %s\ngot:  %d and %d\nwant: %d", row.url, origins, len(m.Origins()), row.origins)
		}
	}
}

// Trap 3: a packument of a mirror names the mirror's tarballs, and they end in the lock file. Trap 5: what decides which
// version, tag or dependency is meant comes from the origin, or says in words why not.
func TestTrap3And5MirrorsNeverResolve(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, row := range []struct{ url, notary string }{
		{"https://registry.npmjs.org/express", ""},
		{"https://registry.npmjs.org/@types%2fnode", ""},
		{"https://registry.npmjs.org/express/latest", ""},
		{"https://sum.golang.org/latest", ""},
		{"https://sum.golang.org/lookup/x.org/y@v1.0.0", ""},
		{"https://sum.golang.org/tile/8/0/001", ""},
		{"/v2/library/alpine/manifests/latest", "tag"},
		{"/v2/library/alpine/tags/list", ""},
	} {
		m, ok := match(t, set, row.url)
		mirrored := len(m.Sources()) > len(m.Origins())
		if !ok || m.Path.Notary != row.notary || mirrored != (row.notary != "") {
			t.Errorf("%s\ngot:  notary %q, mirrors %v\nwant: notary %q and mirrors only with it", row.url, m.Path.Notary, mirrored, row.notary)
		}
	}
}

// Who adds a signature to an image reads the tag that has them all, and writes it back. A human's tag may be a little old.
func TestWhatClientsWriteBackIsAskedForEachTime(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, row := range []struct {
		tag  string
		each bool
	}{
		{"latest", false},
		{"sha-0123abc", false},
		{"sha256-" + hex, true}, // the referrers tag
		{"sha512-" + hex, true},
		{"sha256-" + hex + ".sig", true},
		{"sha256-" + hex + ".att", true},
		{"sha256-" + hex + ".sbom", true},
	} {
		for _, door := range []string{"", "https://registry-1.docker.io", "https://index.docker.io"} {
			m, ok := match(t, set, door+"/v2/library/alpine/manifests/"+row.tag)
			keep := time.Duration(m.Path.Keep)
			if !ok || keep <= 0 || m.Path.Notary != "tag" || m.Subject != "library/alpine" || (keep <= time.Millisecond) != row.each {
				t.Errorf("%s by %q\ngot:  kept %v, notary %q\nwant: the notary tag, asked for each time: %v", row.tag, door, keep, m.Path.Notary, row.each)
			}
		}
	}
}

// Trap 13: our own address, by any of the doors, is a gateway and has real hosts as sources; never itself.
func TestTrap13NoSourceIsOurselves(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, url := range []string{"/go/x.org/y/@v/list", "/v2/library/alpine/manifests/latest", "/npm/express", "/go/sumdb/sum.golang.org/latest"} {
		m, _ := match(t, set, url)
		for _, s := range m.Sources() {
			if !strings.HasPrefix(s.Base, "https://") || strings.Contains(s.Base, "127.0.0.1") {
				t.Errorf("%s\ngot:  the source %s", url, s.URL)
			}
		}
	}
}

const corp = `name = "corp"
gateway = "/corp"
[[host]]
name = "Registry.corp.test:5000"
origin = ["http://127.0.0.1:8081/npm/", "http://[::1]:8082"]
[[host]]
name = "deep.corp.test"
prefix = "/files/deep"
[[host]]
name = "files.corp.test"
prefix = "/files"
origin = ["http://127.0.0.1:8083", "http://127.0.0.1:8083/", "http://[::1]:8082"]
[[host]]
name = "10.1.2.3"
[[mirror]]
url = "http://127.0.0.1:9000/a%20b/"
[[mirror]]
url = "http://127.0.0.1:8081/npm"
[[mirror]]
url = "https://dead.test"
off = "gone"
[[path]]
match = "/{name}.bin"
keep = "1h"
from = "any"
why = "a test"
[[path]]
match = "/{name}.bin"
host = "files.corp.test"
keep = "1h"
from = "any"
why = "a test"
send = "/raw%2f{name}"
[[path]]
match = "/{rest...}"
host = "deep.corp.test"
`

func TestAPrivateRegistryWithPortsAndPlainHTTP(t *testing.T) {
	set := load(t, dir("corp.toml", corp))
	for _, row := range []struct{ url, name, sources string }{
		{"http://registry.corp.test:5000/x.bin", "corp/registry.corp.test:5000/x.bin", "http://127.0.0.1:8081/npm/x.bin http://[::1]:8082/x.bin http://127.0.0.1:9000/a%20b/x.bin"},
		{"https://10.1.2.3/x.bin", "corp/registry.corp.test:5000/x.bin", "http://127.0.0.1:8081/npm/x.bin http://[::1]:8082/x.bin http://127.0.0.1:9000/a%20b/x.bin"},
		{"/corp/x.bin", "corp/registry.corp.test:5000/x.bin", "http://127.0.0.1:8081/npm/x.bin http://[::1]:8082/x.bin http://127.0.0.1:9000/a%20b/x.bin"},
		{"/corp/files/y%20%c3%a4.bin", "corp/files.corp.test/y%20%C3%A4.bin",
			"http://127.0.0.1:8083/raw%2fy%20%C3%A4 http://[::1]:8082/raw%2fy%20%C3%A4 http://127.0.0.1:8081/npm/files/raw%2fy%20%C3%A4 http://127.0.0.1:9000/a%20b/files/raw%2fy%20%C3%A4"},
		{"/corp/files/deep/z.bin", "corp/deep.corp.test/z.bin", "https://deep.corp.test/z.bin http://127.0.0.1:8081/npm/files/deep/z.bin http://[::1]:8082/files/deep/z.bin"},
	} {
		m, ok := match(t, set, row.url)
		if got := strings.Join(urls(m), " "); !ok || m.Name != row.name || got != row.sources {
			t.Errorf("%s\ngot:  %s from %s\nwant: %s from %s", row.url, m.Name, got, row.name, row.sources)
		}
	}
	for host, want := range map[string]bool{"registry.corp.test:5000": true, "REGISTRY.corp.test.:5000": true, "registry.corp.test": false, "registry.corp.test:443": false,
		"10.1.2.3:443": true, "10.1.2.3:80": true, "10.1.2.3:81": false, "files.corp.test": true, "": false, ":443": false, "[": false} {
		if _, got := set.Host(host); got != want {
			t.Errorf("Host(%q)\ngot:  %v\nwant: %v", host, got, want)
		}
	}
}

// registry is a rule behind the gateway that Docker's clients share.
func registry(name, host, more string) string {
	return "name = \"" + name + "\"\ngateway = \"/v2\"\n" + more + "\n[[host]]\nname = \"" + host + "\"\n[[path]]\nmatch = \"/v2/{rest...}\"\n"
}

func TestRegistriesShareAGateway(t *testing.T) {
	set := load(t, rulesd.Files, dir(
		"a-ghcr.toml", registry("ghcr", "ghcr.io", ""),
		"b-quay.toml", registry("quay", "quay.io", `ns = ["Quay.io", "q.test:5000"]`),
		"v3.toml", strings.ReplaceAll(registry("deep", "deep.test", ""), "/v2", "/v2/deep"),
	))
	for _, row := range []struct{ url, want string }{
		{"/v2/x/manifests/latest", "docker"},
		{"/v2/x/manifests/latest?ns=docker.io", "docker"},
		{"/v2/x/manifests/latest?ns=ghcr.io", "ghcr"},
		{"/v2/x/manifests/latest?ns=quay.io", "quay"},
		{"/v2/x/manifests/latest?ns=q.test%3A5000", "quay"},
		{"/v2/x/manifests/latest?ns=mcr.microsoft.com", ""},
		{"/v2/deep/x", "deep"},
	} {
		got := ""
		if m, ok := match(t, set, row.url); ok {
			got = m.Rule.Name
		}
		if got != row.want {
			t.Errorf("%s\ngot:  %q\nwant: %q", row.url, got, row.want)
		}
	}
	only := load(t, dir("b.toml", registry("quay", "quay.io", ""), "a.toml", registry("zz", "ghcr.io", "")))
	if m, _ := match(t, only, "/v2/x"); m.Rule == nil || m.Rule.Name != "zz" {
		t.Errorf("without Docker Hub\ngot:  %v\nwant: the rule of the first file", m.Name)
	}
}

func TestPrivateNames(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, row := range []struct {
		url      string
		patterns string // separated by blanks
		want     bool
	}{
		{"/go/github.com/!acme/secret/@v/list", "", false},
		{"/go/github.com/!acme/secret/@v/list", "github.com/acme", true},
		{"/go/github.com/!acme/secret/@v/list", "github.com/Acme/*", true},
		{"/go/github.com/!acme/secret/v2/@v/v2.0.0.zip", "x.org,github.com/acme/secret", true},
		{"/go/github.com/!acme/secret/@v/list", "github.com/acme/other github.com/ac acme", false},
		{"/go/github.com/acme/@v/list", "github.com/acme/*", false},
		{"/go/git.corp.test/x/@v/list", "*.corp.test", true},
		{"/go/git.corp.test/x/@v/list", "*.corp.test/", true},
		{"/go/corp.test/x/@v/list", "*.corp.test", false},
		{"/go/sumdb/sum.golang.org/lookup/git.corp.test/x@v1.0.0", "*.corp.test", true},
		{"/go/sumdb/sum.golang.org/latest", "*", false},
		{"/go/x.org/y/@v/list", "*", true},
		{"/go/x.org/y/@v/list", "a[", true},
		{"/go/x.org/y/@v/list", ", ,/", false},
		{"/npm/@acme%2fapp", "@acme", true},
		{"/npm/@acme%2fapp", "@acme/*", true},
		{"/npm/@acme/app/-/app-1.0.0.tgz", "@ACME/app", true},
		{"/npm/@acme/app/-/app-1.0.0.tgz", "@acme/ap", false},
		{"/npm/acme", "@acme", false},
		{"/v2/acme/app/manifests/latest", "acme/*", true},
		{"/v2/acme/app/sub/manifests/latest", "acme/app", true},
		{"/v2/acme/app/manifests/latest", "docker.io/acme", true},
		{"/v2/acme/app/manifests/latest", "registry-1.docker.io/acme/*", true},
		{"/v2/acme/app/manifests/latest", "index.docker.io/acme/*", true},
		{"https://index.docker.io/v2/acme/app/manifests/latest", "index.docker.io/acme", true},
		{"/v2/library/acme/manifests/latest", "acme/*", false},
	} {
		m, _ := match(t, set, row.url)
		if got := m.Private(strings.Split(row.patterns, " ")); got != row.want {
			t.Errorf("%s with %q\ngot:  %v\nwant: %v", row.url, row.patterns, got, row.want)
		}
	}
}

// Whatever can name a subject to a mirror must have one, or no pattern could keep it back.
func TestWhatMirrorsAreAskedForHasASubject(t *testing.T) {
	for _, rule := range load(t, rulesd.Files).Rules() {
		for _, path := range rule.Paths {
			if path.From != rules.FromOrigin && path.Subject == "" {
				t.Errorf("%s:%d: %s may go to mirrors but has no subject", rule.File, path.Line, path.Pattern)
			}
		}
	}
}

func TestPolicies(t *testing.T) {
	set := load(t, rulesd.Files)
	for _, row := range []struct{ url, keep, answer string }{
		{"/go/x.org/y/@v/v1.0.0.zip", "forever", ""},
		{"/go/x.org/y/@v/v1.0.0.info", "24h0m0s", ""},
		{"/go/x.org/y/@v/list", "1m0s", ""},
		{"/go/x.org/y/@v/main.info", "1m0s", ""},
		{"/go/sumdb/sum.golang.org/supported", "never", "always"},
		{"/go/sumdb/sum.golang.org/latest", "1m0s", ""},
		{"/go/sumdb/sum.golang.org/tile/8/0/001.p/7", "24h0m0s", ""},
		{"/go/sumdb/sum.golang.org/tile/8/0/001", "forever", ""},
		{"/v2/", "never", "gateway offline"},
		{"/v2/a/b/manifests/v1", "30s", ""},
		{"/v2/a/b/manifests/sha256:" + hex, "forever", ""},
		{"/v2/a/b/manifests/sha256:" + strings.ToUpper(hex), "30s", ""},
		{"/v2/a/b/blobs/sha1:" + hex[:40], "never", ""},
		{"/v2/a/b/blobs/uploads/1", "never", ""},
		{"/npm/a", "5m0s", ""},
		{"/npm/a/-/a-1.0.0.tgz", "forever", ""},
		{"/npm/-/npm/v1/keys", "never", ""},
	} {
		m, _ := match(t, set, row.url)
		if got := m.Path.Keep.String(); got != row.keep || strings.Join(m.Path.Answer, " ") != row.answer {
			t.Errorf("%s\ngot:  kept %s, answered %q\nwant: kept %s, answered %q", row.url, got, m.Path.Answer, row.keep, row.answer)
		}
	}
}
