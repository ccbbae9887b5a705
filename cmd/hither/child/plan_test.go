package child

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/roots"
	"hither/forward/npmrc"
)

func newPlan(env environ.List) Plan {
	return Plan{Env: env, Proxy: "127.0.0.1:7890", Bundle: roots.Bundle{Path: "/s/ca.pem", Added: "/s/added.pem", Complete: true}}
}

func TestTheEnvironmentLeadsThroughHither(t *testing.T) {
	hithertest.SkipElsewhere(t)
	incomplete := newPlan(nil)
	incomplete.Bundle.Complete = false
	incompleteOwn := newPlan(environ.List{"REQUESTS_CA_BUNDLE=/corp.pem"})
	incompleteOwn.Bundle.Complete = false
	npm := newPlan(environ.List{"NPM_CONFIG_CAFILE=/corp.pem", "npm_config_CA=x"})
	npm.Npm, npm.Bundle.Npm = npmrc.Trust{Proxy: true}, "/s/npm.pem"
	for _, row := range []struct {
		says string
		plan Plan
		name string
		want string // "-": left alone
	}{
		{"both spellings are set", newPlan(nil), "HTTPS_PROXY", "http://127.0.0.1:7890"},
		{"curl reads the small one", newPlan(nil), "http_proxy", "http://127.0.0.1:7890"},
		{"loopback goes past us", newPlan(nil), "NO_PROXY", "localhost,127.0.0.1,::1"},
		{"the user's list is kept", newPlan(environ.List{"NO_PROXY=.corp, localhost", "no_proxy=x"}), "no_proxy", ".corp,localhost,x,127.0.0.1,::1"},
		{"Yarn 2 reads names of its own", newPlan(nil), "YARN_HTTPS_PROXY", "http://127.0.0.1:7890"},
		{"Yarn stops at a list it does not know", newPlan(nil), "YARN_NO_PROXY", "-"},
		{"Node's fetch needs to be told", newPlan(nil), "NODE_USE_ENV_PROXY", "1"},
		{"Python reads the bundle", newPlan(nil), "REQUESTS_CA_BUNDLE", "/s/ca.pem"},
		{"an incomplete bundle replaces nobody's roots", incomplete, "SSL_CERT_FILE", "-"},
		{"Node adds ours to its roots", newPlan(nil), "NODE_EXTRA_CA_CERTS", "/s/added.pem"},
		{"where the bundle is incomplete, too", incomplete, "DENO_CERT", "/s/added.pem"},
		{"roots that the user replaced are in it", incompleteOwn, "REQUESTS_CA_BUNDLE", "/s/ca.pem"},
		{"npm's own roots are replaced only if npm has any", newPlan(nil), "npm_config_cafile", "-"},
		{"a cafile makes NODE_EXTRA_CA_CERTS dead (trap 14)", npm, "npm_config_cafile", "/s/npm.pem"},
		{"in each spelling that npm might take instead", npm, "NPM_CONFIG_CAFILE", "/s/npm.pem"},
		{"a ca might come later, but not an empty one", npm, "npm_config_CA", ""},
		{"what npm is to believe is for npm", npm, "NODE_EXTRA_CA_CERTS", "/s/added.pem"},
		{"not for git", npm, "GIT_SSL_CAINFO", "/s/ca.pem"},
		{"a proxy in npmrc would go before HTTPS_PROXY", npm, "npm_config_https_proxy", "http://127.0.0.1:7890"},
		{"Java is left alone", newPlan(nil), "JAVA_TOOL_OPTIONS", "-"},
		{"Go asks the gateway", newPlan(nil), "GOPROXY", "http://127.0.0.1:7890/go|https://proxy.golang.org,direct"},
	} {
		got := "-"
		if value := row.plan.Changes()[row.name]; value != nil {
			got = *value
		}
		hithertest.Same(t, row.says, got, row.want)
	}
}

func TestMistake1NothingWeakensTLS(t *testing.T) {
	for name, value := range newPlan(nil).Changes() {
		for _, bad := range []string{"REJECT_UNAUTHORIZED", "STRICT_SSL", "INSECURE", "NO_VERIFY", "TRUSTED_HOST", "GONOSUM", "GOFLAGS"} {
			if strings.Contains(strings.ToUpper(name), bad) {
				t.Errorf("%s=%s", name, *value)
			}
		}
	}
}

// A project says whom its tools believe, and none but them.
func TestAProjectsRootsAreForItsOwnTools(t *testing.T) {
	hithertest.SkipElsewhere(t)
	home, dir := t.TempDir(), t.TempDir()
	hithertest.Write(t, filepath.Join(dir, ".git/config"), []byte("[http]\n sslCAInfo = /project.pem\n"))
	hithertest.Write(t, filepath.Join(dir, ".git/HEAD"), []byte("ref: refs/heads/main\n"))
	hithertest.Write(t, filepath.Join(dir, ".git/objects/x"), nil)
	hithertest.Write(t, filepath.Join(dir, ".git/refs/x"), nil)
	hithertest.Write(t, filepath.Join(dir, ".cargo/config.toml"), []byte("[http]\ncainfo = \"/project.pem\"\n"))
	env := environ.List{"HOME=" + home, "PATH=/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM=1"}
	in := roots.FindTools(env, filepath.Join(dir, ".git"), true)
	hithertest.Same(t, "below it, too", strings.Join(in.Own, " "), "GIT_SSL_CAINFO CARGO_HTTP_CAINFO")
	hithertest.Write(t, filepath.Join(dir, "deep/down/x"), nil)
	in = roots.FindTools(env, filepath.Join(dir, "deep/down"), true)
	hithertest.Same(t, "deep in it", strings.Join(in.Own, " "), "GIT_SSL_CAINFO CARGO_HTTP_CAINFO")
	in = roots.FindTools(env, dir, true)
	hithertest.Same(t, "left alone", strings.Join(in.Own, " "), "GIT_SSL_CAINFO CARGO_HTTP_CAINFO")
	hithertest.Same(t, "files for others", slices.ContainsFunc(in.Files, func(f roots.Named) bool { return f.Path == "/project.pem" }), false)
	p := newPlan(env)
	p.OwnRoots = in.Own
	_, set := p.Changes()["GIT_SSL_CAINFO"]
	hithertest.Same(t, "git's variable is set", set, false)
	_, set = p.Changes()["SSL_CERT_FILE"]
	hithertest.Same(t, "that of all others is", set, true)
	hithertest.Same(t, "a shell may leave the project", len(roots.FindTools(env, dir, false).Own), 0)
}
