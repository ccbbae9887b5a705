package projects

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hither/cache/digest"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/forward/npmrc"
	"hither/forward/project"
)

func TestWhatNpmKeepsIsNotAskedForAhead(t *testing.T) {
	cache := t.TempDir()
	sum := strings.Repeat("ab", 64)
	at := filepath.Join(cache, "_cacache", "content-v2", "sha512", "ab", "ab")
	if err := os.MkdirAll(at, 0o700); err != nil {
		t.Fatal(err)
	}
	hithertest.Write(t, filepath.Join(at, sum[4:]), []byte("a tarball"))
	there := project.Want{Bulk: true, Digest: digest.Digest("sha512:" + sum)}
	for _, c := range []struct {
		why, npmrc string
		env        environ.List
		want       string // there, not there; nobody knows
	}{
		{"its own variable", "", environ.List{"npm_config_cache=" + cache}, "true false"},
		{"in any letters, before its files", "cache=/elsewhere", environ.List{"NPM_CONFIG_CACHE=" + cache}, "true false"},
		{"the project's npmrc", "cache = \"" + cache + "\"\n", nil, "true false"},
		{"a variable that we do not have", "cache=${CACHE}", nil, "nobody knows"},
		{"a relative one", "", environ.List{"npm_config_cache=x"}, "nobody knows"},
		{"without developers' packages", "", environ.List{"npm_config_cache=" + cache, "NODE_ENV=production"}, "true false"},
		{"leaving out some", "omit[]=dev", environ.List{"npm_config_cache=" + cache}, "true false"},
		{"leaving out nobody knows what", "omit[]=${WHAT}", environ.List{"npm_config_cache=" + cache}, "nobody knows"},
		{"by a variable", "", environ.List{"npm_config_cache=" + cache, "npm_config_omit=dev"}, "true false"},
		{"one workspace", "workspace=a", environ.List{"npm_config_cache=" + cache}, "nobody knows"},
		{"for another system", "os=darwin", environ.List{"npm_config_cache=" + cache}, "nobody knows"},
		{"for another processor", "", environ.List{"npm_config_cache=" + cache, "npm_config_cpu=arm64"}, "nobody knows"},
		{"one that asks nobody", "offline=true", nil, "true true"},
	} {
		read := func(name string) ([]byte, error) {
			if name == filepath.FromSlash("/work/.npmrc") {
				return []byte(c.npmrc), nil
			}
			return nil, os.ErrNotExist
		}
		got := "nobody knows"
		if has := hasPackage(npmrc.Reader{Env: append(environ.List{"PREFIX=/usr"}, c.env...), Dir: filepath.FromSlash("/work"), Project: true, ReadFile: read}); has != nil {
			said := map[bool]string{true: "true", false: "false"}
			got = said[has(there)] + " " + said[has(project.Want{Bulk: true, Digest: digest.Digest("sha512:" + strings.Repeat("cd", 64))})]
		}
		hithertest.Same(t, c.why, got, c.want)
	}
}

func TestNpmIsKnownByItsArguments(t *testing.T) {
	for line, want := range map[string]bool{
		"npm ci": true, "node|/usr/bin/npm|ci": true, "node|/usr/lib/node_modules/npm/bin/npm-cli.js|ci": true, "npm ci||": true,
		"node|/usr/bin/pnpm|i": false, "go|mod|download": false, "": false, "sh|-c|cd npmx": false,
		"node|--no-warnings|/usr/bin/npm|ci": true, "/usr/bin/node|npm-cli.js|ci": true, "C:\\Program Files\\nodejs\\node.exe|C:\\npm\\npm-cli.js|ci": true,
		"sh|-c|cd there && npm ci": false, "git|commit|-m|npm ci": false, "grep|npm|ci": false, "git|clone|npm": false, "node|serve.js|npm": false,
	} {
		hithertest.Same(t, line, IsNpm(strings.Split(line, "|")), want)
	}
}
