package project

import (
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

const sri = "sha512-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="

// checkURL fails unless it is what Want.URL promises.
func checkURL(t *testing.T, raw string) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.Contains(u.Path, "/../") {
		t.Errorf("%q is no https://HOST/PATH", raw)
	}
}

func npmLock(entries string) string {
	return `{"name":"x","lockfileVersion":3,"requires":true,"packages":{"":{"name":"x"},` + entries + `}}`
}

// locks are lock files as the package managers write them, and what they fetch.
func locks() []struct{ says, file, text, want string } {
	return []struct{ says, file, text, want string }{
		{"npm's own registry is the configured one, others stay", "package-lock.json", npmLock(
			`"node_modules/b":{"version":"1.0.0","resolved":"https://registry.npmjs.org/b/-/b-1.0.0.tgz","integrity":"` + sri + `"},
			 "node_modules/@s/a":{"version":"1.0.0","resolved":"https://npm.corp.example/@s/a/-/a-1.0.0.tgz"}`),
			"b/-/b-1.0.0.tgz https://npm.corp.example/@s/a/-/a-1.0.0.tgz"},
		{"the order is the file's, and a tarball comes once", "package-lock.json", npmLock(
			`"node_modules/z":{"version":"1.0.0"},"node_modules/a":{"version":"2.0.0"},"node_modules/a/node_modules/z":{"version":"1.0.0"}`),
			"z/-/z-1.0.0.tgz a/-/a-2.0.0.tgz"},
		{"aliases have another name", "package-lock.json", npmLock(`"node_modules/alias":{"name":"@s/real","version":"1.0.0"}`), "@s/real/-/real-1.0.0.tgz"},
		{"links, bundles, workspaces, files and repositories come from elsewhere", "package-lock.json", npmLock(
			`"packages/w":{"version":"1.0.0"},"node_modules/w":{"resolved":"packages/w","link":true},"node_modules/i":{"version":"1.0.0","inBundle":true},
			 "node_modules/f":{"version":"1.0.0","resolved":"file:f.tgz"},"node_modules/g":{"version":"1.0.0","resolved":"git+ssh://git@github.com/a/b.git#123"},
			 "node_modules/u":{"version":"1.0.0","resolved":"https://user:word@npm.example/u.tgz"},"node_modules/q":{"version":"1.0.0","resolved":"https://npm.example/q.tgz?t=1"},
			 "node_modules/v":{"version":"not/a/version"}`), ""},
		{"optional packages of other systems are not installed", "package-lock.json", npmLock(
			`"node_modules/mac":{"version":"1.0.0","os":["darwin"],"optional":true},"node_modules/must":{"version":"1.0.0","os":["darwin"]},
			 "node_modules/arm":{"version":"1.0.0","cpu":["arm64"],"optional":true},"node_modules/nowin":{"version":"1.0.0","os":["!win32"],"optional":true},
			 "node_modules/musl":{"version":"1.0.0","os":["linux"],"libc":"musl","optional":true},"node_modules/ours":{"version":"1.0.0","os":"linux","cpu":["x64","arm64"],"libc":["glibc"],"optional":true}`),
			"must/-/must-1.0.0.tgz nowin/-/nowin-1.0.0.tgz ours/-/ours-1.0.0.tgz"},
		{"lockfileVersion 1 nests", "npm-shrinkwrap.json",
			`{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","resolved":"https://registry.npmjs.org/a/-/a-1.0.0.tgz","integrity":"` + sri + `","dependencies":{"b":{"version":"2.0.0","bundled":true},"c":{"version":"3.0.0"}}},
			  "g":{"version":"github:a/b#1"},"n":{"version":"npm:@s/m@4.0.0"}}}`,
			"a/-/a-1.0.0.tgz c/-/c-3.0.0.tgz @s/m/-/m-4.0.0.tgz"},
		{"lockfileVersion 2 says it twice", "package-lock.json", `{"packages":{"node_modules/a":{"version":"1.0.0"}},"dependencies":{"a":{"version":"1.0.0"},"b":{"version":"1.0.0"}}}`, "a/-/a-1.0.0.tgz"},
		{"pnpm 9", "pnpm-lock.yaml", `lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      '@s/a':
        specifier: ^1.0.0
        version: 1.0.0

packages:

  '@s/a@1.0.0':
    resolution: {integrity: ` + sri + `}
    engines: {node: '>=6.9.0'}

  b@2.0.0-rc.1:
    resolution: {integrity: ` + sri + `, tarball: https://npm.corp.example/b.tgz}

  mac@1.0.0:
    resolution: {integrity: ` + sri + `}
    os: [darwin]

  musl@1.0.0:
    resolution: {integrity: ` + sri + `}
    cpu: [x64]
    os: [linux]
    libc: [musl]

  git@https://codeload.github.com/a/b/tar.gz/123:
    resolution: {tarball: https://codeload.github.com/a/b/tar.gz/123}
    version: 1.0.0

  local@file:local:
    resolution: {directory: local, type: directory}

snapshots:

  '@s/a@1.0.0':
    dependencies:
      b: 2.0.0-rc.1
`, "@s/a/-/a-1.0.0.tgz https://npm.corp.example/b.tgz https://codeload.github.com/a/b/tar.gz/123"},
		{"pnpm 5 to 8", "pnpm-lock.yaml", `lockfileVersion: 5.4
packages:
  /@s/a/1.0.0_b@2.0.0:
    resolution: {integrity: ` + sri + `}
    dev: false
  /c_d/1.0.0:
    resolution:
      integrity: ` + sri + `
  /e@3.0.0(b@2.0.0)(@s/a@1.0.0):
    resolution: {integrity: ` + sri + `}
  /@s/f@1.0.0:
    resolution: {integrity: ` + sri + `}
`, "@s/a/-/a-1.0.0.tgz c_d/-/c_d-1.0.0.tgz e/-/e-3.0.0.tgz @s/f/-/f-1.0.0.tgz"},
		{"pnpm, where the order of a resolution's parts says nothing", "pnpm-lock.yaml", `lockfileVersion: '9.0'
packages:
  a@1.0.0:
    resolution: {tarball: https://codeload.github.com/a/a/tar.gz/1, path: /sub, gitHosted: true}
  b@1.0.0:
    resolution: {integrity: ` + sri + `, registry: https://npm.corp.example/}
  c@1.0.0:
    resolution: {type: directory, directory: c}
`, "https://codeload.github.com/a/a/tar.gz/1"},
		{"yarn 1", "yarn.lock", `# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.
# yarn lockfile v1


"@s/a@^1.0.0", "@s/a@^1.0.1":
  version "1.0.1"
  resolved "https://registry.yarnpkg.com/@s/a/-/a-1.0.1.tgz#0123456789012345678901234567890123456789"
  integrity ` + sri + `
  dependencies:
    b "^1.0.0"

b@^1.0.0:
  version "1.0.0"
  resolved "https://registry.npmjs.org/b/-/b-1.0.0.tgz#0123456789012345678901234567890123456789"

"c@git+ssh://git@github.com/c/c.git":
  version "1.0.0"
  resolved "git+ssh://git@github.com/c/c.git#123"
`, "https://registry.yarnpkg.com/@s/a/-/a-1.0.1.tgz b/-/b-1.0.0.tgz"},
		{"yarn 2 and later", "yarn.lock", `# This file is generated by running "yarn install" inside your project.

__metadata:
  version: 8
  cacheKey: 10c0

"@s/a@npm:^1.0.0, @s/a@npm:^1.0.1":
  version: 1.0.1
  resolution: "@s/a@npm:1.0.1"
  dependencies:
    b: "npm:^1.0.0"
  checksum: 10c0/0123
  languageName: node
  linkType: hard

"app@workspace:.":
  version: 0.0.0-use.local
  resolution: "app@workspace:."
  languageName: unknown
  linkType: soft

"b@patch:b@npm%3A^1.0.0#optional!builtin<compat/b>":
  version: 1.0.0
  resolution: "b@patch:b@npm%3A1.0.0#optional!builtin<compat/b>::version=1.0.0&hash=abc"
  conditions: os=darwin

"c@npm:1.0.0":
  version: 1.0.0
  resolution: "c@npm:1.0.0"
  conditions: (os=darwin | os=freebsd) & cpu=x64

"d@npm:1.0.0":
  version: 1.0.0
  resolution: "d@npm:1.0.0"
  conditions: os=linux & cpu=x64 & libc=glibc
`, "@s/a/-/a-1.0.1.tgz d/-/d-1.0.0.tgz"},
		{"bun", "bun.lock", `{
  "lockfileVersion": 1,
  "workspaces": { "": { "name": "x", "dependencies": { "a": "^1", }, }, },
  "packages": {
    "@s/a": ["@s/a@1.0.0", "", { "dependencies": { "b": ",]" } }, "` + sri + `"],
    "b": ["b@2.0.0", "https://npm.corp.example/b/-/b-2.0.0.tgz", {}, "` + sri + `"],
    "c": ["c@3.0.0", "https://npm.corp.example/", {}, "` + sri + `"],
    "mac": ["mac@1.0.0", "", { "os": "darwin", "cpu": "x64", }, "` + sri + `"],
    "w": ["w@workspace:packages/w", { "dependencies": {} }],
    "g": ["g@github:a/b#123", {}, "a-b-123"],
  },
}`, "@s/a/-/a-1.0.0.tgz https://npm.corp.example/b/-/b-2.0.0.tgz https://npm.corp.example/c/-/c-3.0.0.tgz"},
	}
}

func TestLockFilesSayWhatIsFetched(t *testing.T) {
	for _, row := range locks() {
		dir := files(t, map[string]string{"package.json": "{}", row.file: row.text})
		l := must[*Lock](t)(ReadLock(dir))
		l.Platform = Platform{"linux", "x64", "glibc"}
		same(t, row.says, names(l.Wants(registry)), row.want)
		named := must[*Lock](t)(ReadLockFile(filepath.Join(dir, row.file)))
		if len(named.Packages) != len(l.Packages) {
			t.Errorf("%s: by its name\n got %d packages\nwant %d", row.says, len(named.Packages), len(l.Packages))
		}
		for _, w := range l.Wants(registry) {
			checkURL(t, w.URL)
		}
	}
}

// A directory may have the lock file of one program, and another's that nobody keeps up.
func TestTheLockFileOfTheProgramCounts(t *testing.T) {
	const pnpm, yarn = "packages:\n  pnpm@1.0.0:\n    resolution: {integrity: x}\n", "yarn@^1:\n  version \"1.0.0\"\n  resolved \"https://registry.npmjs.org/yarn/-/yarn-1.0.0.tgz\"\n"
	npm := npmLock(`"node_modules/npm":{"version":"1.0.0"}`)
	all := map[string]string{"package-lock.json": npm, "pnpm-lock.yaml": pnpm, "yarn.lock": yarn}
	for _, row := range []struct {
		program, has, want string
	}{
		{"npm", "package-lock.json pnpm-lock.yaml yarn.lock", "npm"},
		{"pnpm", "package-lock.json pnpm-lock.yaml yarn.lock", "pnpm"},
		{"yarn", "package-lock.json pnpm-lock.yaml yarn.lock", "yarn"},
		{"", "package-lock.json pnpm-lock.yaml yarn.lock", "npm"},
		{"", "pnpm-lock.yaml yarn.lock", "pnpm"},
		{"npm", "pnpm-lock.yaml yarn.lock", "none"},
		{"pnpm", "package-lock.json yarn.lock", "none"},
		{"yarn", "package-lock.json pnpm-lock.yaml", "none"},
		{"bun", "package-lock.json yarn.lock", "npm"},
	} {
		content := map[string]string{"package.json": "{}"}
		for _, name := range strings.Fields(row.has) {
			content[name] = all[name]
		}
		l, err := ReadLockOf(files(t, content), row.program)
		got := "none"
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			t.Fatal(err)
		case l.Packages[0].Name == "":
			got = filepath.Base(l.Packages[0].URL)[:len("yarn")]
		default:
			got = l.Packages[0].Name
		}
		same(t, row.program+" where there are "+row.has, got, row.want)
	}
}

func TestATarballKeepsItsDigestAndItsDevelopers(t *testing.T) {
	dir := files(t, map[string]string{"package.json": "{}", "package-lock.json": npmLock(
		`"node_modules/a":{"version":"1.0.0","integrity":"` + sri + `"},"node_modules/d":{"version":"1.0.0","dev":true,"integrity":"nonsense"}`)})
	l := must[*Lock](t)(ReadLock(dir))
	wants := l.Wants(registry)
	same(t, "digest", string(wants[0].Digest), "sha512:"+strings.Repeat("0", 128))
	same(t, "digest that cannot be read", string(wants[1].Digest), "")
	if !wants[0].Bulk || wants[0].Why != WhyLock {
		t.Errorf("the first want is %+v", wants[0])
	}
	l.OmitDev = true
	same(t, "without what developers need", names(l.Wants(registry)), "a/-/a-1.0.0.tgz")
}

// npm asks for the packument of what a lock file says too little of; of what another registry has, nobody else hears.
func TestPackumentsOfSparsePackages(t *testing.T) {
	for _, row := range []struct{ says, text, want string }{
		{"an address is enough", npmLock(`"node_modules/a":{"version":"1.0.0","resolved":"https://registry.npmjs.org/a/-/a-1.0.0.tgz"}`), ""},
		{"without one there is a packument, once", npmLock(`"node_modules/@s/a":{"version":"1.0.0"},"node_modules/x":{"name":"b","version":"1.0.0"},"node_modules/x/node_modules/b":{"version":"2.0.0"},
			"node_modules/l":{"resolved":"l","link":true},"node_modules/mac":{"version":"1.0.0","os":["darwin"],"optional":true}`), "@s/a b"},
		{"lockfileVersion 1", `{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","resolved":"https://registry.npmjs.org/a/-/a-1.0.0.tgz","dependencies":{"i":{"version":"1.0.0","bundled":true}}},
			"p":{"version":"1.0.0","resolved":"https://npm.corp.example/p/-/p-1.0.0.tgz"},"f":{"version":"file:f"},"n":{"version":"npm:@s/m@4.0.0"}}}`, "a @s/m"},
	} {
		l := must[*Lock](t)(ReadLock(files(t, map[string]string{"package.json": "{}", "package-lock.json": row.text})))
		l.Platform = Platform{"linux", "x64", "glibc"}
		var got []string
		for _, w := range l.Packuments(registry) {
			checkURL(t, w.URL)
			got = append(got, strings.TrimPrefix(w.URL, registry+"/"))
			same(t, row.says+": asked for", strings.Join(w.Accept, " "), "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*")
		}
		same(t, row.says, strings.Join(got, " "), row.want)
	}
}

func TestTheLockFileOfTheWorkspaceCounts(t *testing.T) {
	one := func(name string) string { return npmLock(`"node_modules/` + name + `":{"version":"1.0.0"}`) }
	dir := files(t, map[string]string{
		"package.json": `{"workspaces":["packages/*","!packages/alone","deep/**"]}`, "package-lock.json": one("root"),
		"packages/in/package.json": "{}", "packages/in/src/x.js": "",
		"packages/alone/package.json": "{}", "packages/alone/package-lock.json": one("alone"),
		"deep/er/still/package.json":        "{}",
		"other/package.json":                "{}",
		"packages/in/src/none/package.json": "{}",
	})
	for from, want := range map[string]string{
		".": "root", "packages": "root", "packages/in": "root", "packages/in/src": "root", "packages/alone": "alone", "deep/er/still": "root", "other": "", "packages/in/src/none": "",
	} {
		got := ""
		if l, err := ReadLock(filepath.Join(dir, filepath.FromSlash(from))); err == nil {
			got = l.Packages[0].Name
		}
		same(t, "from "+from, got, want)
	}
}

func TestTheManifestHasItsWorkspaces(t *testing.T) {
	dir := files(t, map[string]string{
		"package.json": "\ufeff" + `{"name":"root","version":7,"workspaces":{"packages":["./packages/*"]},"dependencies":{"a":"^1.0.0","b":3},"devDependencies":["wrong"],
			"peerDependencies":{"p":"*"},"peerDependenciesMeta":{"p":{"optional":true}}}`,
		"packages/w/package.json":                `{"name":"w","optionalDependencies":{"o":"npm:x@1"}}`,
		"packages/broken/package.json":           `{`,
		"packages/w/node_modules/n/package.json": `{"name":"n"}`,
	})
	m := must[*Manifest](t)(ReadManifest(filepath.Join(dir, "packages", "w")))
	if m.Dir != dir || m.Name != "root" || m.Version != "" || len(m.Dependencies) != 2 || m.Dependencies["a"] != "^1.0.0" || len(m.DevDependencies) != 0 || !m.PeerOptional["p"] {
		t.Errorf("the root is %+v", m)
	}
	if len(m.Workspaces) != 1 || m.Workspaces[0].Name != "w" || m.Workspaces[0].OptionalDependencies["o"] != "npm:x@1" {
		t.Errorf("the workspaces are %+v", m.Workspaces)
	}
}

func TestPNPMNamesWorkspacesInAFileOfItsOwn(t *testing.T) {
	dir := files(t, map[string]string{"package.json": `{"name":"root"}`, "pnpm-workspace.yaml": "packages:\n  - 'apps/*'\n  - lib\n", "apps/a/package.json": `{"name":"a"}`, "lib/package.json": `{"name":"lib"}`})
	m := must[*Manifest](t)(ReadManifest(filepath.Join(dir, "lib")))
	if m.Name != "root" || len(m.Workspaces) != 2 {
		t.Errorf("got %+v", m)
	}
}

func FuzzLock(f *testing.F) {
	for _, row := range locks() {
		f.Add(row.text)
	}
	f.Add(`{"dependencies":{"a":{"dependencies":{"a":{"dependencies":{}}}}}}`)
	f.Add("packages:\n  a@1:\n    resolution: {integrity: x")
	f.Fuzz(func(t *testing.T, text string) {
		for _, file := range lockFiles() {
			packages, err := file.parse([]byte(text))
			if err != nil {
				continue
			}
			for _, w := range (&Lock{Packages: packages, Platform: Platform{"linux", "x64", "glibc"}}).Wants(registry) {
				checkURL(t, w.URL)
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add(`{"name":"x","dependencies":{"a":"1"},"peerDependenciesMeta":{"a":{"optional":true}}}`, "packages/*", "packages/a")
	f.Add(`[]`, "**/a/**", "b/a/c")
	f.Fuzz(func(t *testing.T, text, pattern, dir string) {
		if m, err := parseManifest([]byte(text)); err == nil && m.PeerOptional == nil {
			t.Error("PeerOptional is nil")
		}
		if matchAny([]string{pattern}, dir) && !mayLeadTo([]string{pattern}, dir) {
			t.Errorf("%q names %q, but the way there is not gone", pattern, dir)
		}
	})
}
