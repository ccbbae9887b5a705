package projects

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/goenv"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/warm"
	"hither/forward/peer"
	"hither/forward/project"
)

func TestModulesAreAskedOfTheUsersProxy(t *testing.T) {
	for _, row := range []struct{ list, want string }{
		{"", goenv.PublicProxy},
		{"https://proxy.golang.org,direct", goenv.PublicProxy},
		{"http://127.0.0.1:7890/go|https://proxy.golang.org,direct", goenv.PublicProxy},
		{"http://127.0.0.1:7890/go", goenv.PublicProxy},
		{"http://localhost:7890/go,direct", ""}, {"http://localhost:7890/go", goenv.PublicProxy}, {"http://127.0.0.1:7891/go/|https://goproxy.corp.example", "https://goproxy.corp.example"},
		{"proxy.golang.org,direct", goenv.PublicProxy}, {",goproxy.corp.example", "https://goproxy.corp.example"},
		{"http://127.0.0.1:3000|https://proxy.golang.org", ""},
		{"https://goproxy.corp.example/x/,https://proxy.golang.org", "https://goproxy.corp.example/x"},
		{"https://me:secret@goproxy.corp.example", ""},
		{"direct", ""}, {"off", ""}, {"direct|https://proxy.golang.org", ""}, {"http://plain.example", ""}, {"file:///x", ""}, {"https://", ""},
	} {
		hithertest.Same(t, row.list, firstGoProxy(row.list, []string{settings.DefaultListen}), row.want)
	}
}

// What the user's clients ask another registry for is not asked of the public one, not even its name.
func TestNamesOfAnotherRegistryAreNotAskedOfThePublicOne(t *testing.T) {
	dir := t.TempDir()
	hithertest.Write(t, filepath.Join(dir, "p/pnpm-lock.yaml"), []byte("packages:\n  '@corp/secret@1.0.0':\n    resolution: {integrity: sha512-x}\n  open@2.0.0:\n    resolution: {integrity: sha512-x}\n"))
	hithertest.Write(t, filepath.Join(dir, "p/package.json"), []byte("{}"))
	hithertest.Write(t, filepath.Join(dir, "p/go.mod"), []byte("module m\n\ngo 1.22\n\nrequire world.test/a v1.0.0\n"))
	hithertest.Write(t, filepath.Join(dir, "home/.npmrc"), []byte("@corp:registry=https://npm.corp.example/\n"))
	read := func(env environ.List, proxy string) string {
		r := &warm.Reader{Dir: dir, Registries: Registries{Env: env, Home: filepath.Join(dir, "home"), Own: []string{settings.DefaultListen}, GoProxy: proxy}.ForWarm()}
		wants, err := r.Read([]string{"p"})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, w := range wants {
			out = append(out, w.URL)
		}
		for _, f := range r.Unread {
			out = append(out, filepath.Base(f.URL))
		}
		return strings.Join(append(out, r.Private...), " ")
	}
	const gone = "https://p.example/world.test/a/@v/v1.0.0"
	modules := gone + ".mod " + gone + ".info " + gone + ".zip "
	hithertest.Same(t, "a scope with a registry", read(nil, "https://p.example"),
		modules+"https://registry.npmjs.org/@corp/secret/-/secret-1.0.0.tgz https://registry.npmjs.org/open/-/open-2.0.0.tgz @corp")
	hithertest.Same(t, "another registry", read(environ.List{"npm_config_registry=https://me:secret@all.corp.example/npm/"}, "https://p.example"),
		modules+"https://all.corp.example/npm/@corp/secret/-/secret-1.0.0.tgz https://all.corp.example/npm/open/-/open-2.0.0.tgz @corp")
	hithertest.Same(t, "no proxy, and our own gateway", read(environ.List{"npm_config_registry=http://" + settings.DefaultListen + "/npm", "npm_config_@x:registry=https://x.example"}, ""),
		"https://registry.npmjs.org/@corp/secret/-/secret-1.0.0.tgz https://registry.npmjs.org/open/-/open-2.0.0.tgz go.mod @corp @x")
}

// Whose lock file it is decides whose settings go first; what any of them says goes before npm's own registry.
func TestEachLockFileIsAskedWhereItsProgramWould(t *testing.T) {
	for _, row := range []struct{ says, lock, file, text, npmrc, want string }{
		{"npm, with nothing", "package-lock.json", "x", "", "", project.NPMRegistry},
		{"npm by its npmrc", "package-lock.json", ".yarnrc.yml", "npmRegistryServer: https://y.example\n", "registry = https://n.example/ ; ours", "https://n.example"},
		{"npm, where only Yarn is told", "package-lock.json", ".yarnrc.yml", "npmRegistryServer: https://y.example\n", "", "https://y.example"},
		{"Yarn 2", "yarn.lock", ".yarnrc.yml", "npmRegistryServer: https://y.example\n", "registry=https://registry.npmjs.org/", "https://y.example"},
		{"Yarn 1", "yarn.lock", ".yarnrc", "registry \"https://y.example\"\n", "registry=https://n.example", "https://y.example"},
		{"Yarn 1 by its name for npm's", "yarn.lock", ".yarnrc", "registry \"https://registry.yarnpkg.com\"\n", "", project.NPMRegistry},
		{"Bun", "bun.lock", "bunfig.toml", "[install]\nregistry = \"https://b.example\"\n", "registry=https://n.example", "https://b.example"},
		{"Bun by an npmrc", "bun.lock", "x", "", "registry=https://n.example", "https://n.example"},
		{"pnpm", "pnpm-lock.yaml", "pnpm-workspace.yaml", "registry: https://p.example\n", "registry=https://n.example", "https://p.example"},
		{"nobody, of a file that cannot be read", "bun.lock", "bunfig.toml", "[install", "", unreadRegistry},
		{"nobody, where a file that cannot be read may name a scope's", "package-lock.json", ".yarnrc.yml", "npmScopes: *ours\n", "registry=https://registry.npmjs.org/", unreadRegistry},
		{"whom npm names, whatever cannot be read", "package-lock.json", ".yarnrc.yml", "npmScopes: *ours\n", "registry=https://n.example", "https://n.example"},
		{"all by a scope's", "package-lock.json", "x", "", "scope=@corp\n@corp:registry=https://c.example", "https://c.example"},
	} {
		dir := t.TempDir()
		hithertest.Write(t, filepath.Join(dir, row.file), []byte(row.text))
		hithertest.Write(t, filepath.Join(dir, ".npmrc"), []byte(row.npmrc))
		r := Registries{Env: environ.List{"PREFIX=" + dir}, Home: filepath.Join(dir, "home")}
		hithertest.Same(t, row.says, r.npm(filepath.Join(dir, row.lock)).Default, row.want)
	}
}

// npm finds a home, and with it whom to ask, in the system's list of users.
func TestNobodyIsAskedForPackagesWhereTheHomeIsNotKnown(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "package-lock.json")
	r := Registries{Env: environ.List{"PREFIX=" + filepath.Dir(lock)}}
	hithertest.Same(t, "registry", r.npm(lock).Default, unreadRegistry)
	r.Env = append(r.Env, "npm_config_registry=https://n.example")
	hithertest.Same(t, "registry that is named", r.npm(lock).Default, "https://n.example")
	t.Setenv("HOME", "")
	t.Setenv("USERPROFILE", "")
	hithertest.Same(t, "registry of a client", (&Finder{}).registries(peer.Process{Dir: filepath.Dir(lock)}, environ.List{"X=1"}).Default, unreadRegistry)
}

func TestAGoThatMayFetchALaterOne(t *testing.T) {
	for _, row := range []struct{ says, mode, version, want string }{
		{"by itself", "auto", "go1.26.0\ntime 2026-08-28T16:20:06Z\n", "go1.26.0"},
		{"with experiments", "local+auto", "go1.26.0 X:boringcrypto", "go1.26.0"},
		{"never", "local", "go1.26.0", ""},
		{"from the path", "path", "go1.26.0", ""},
		{"of no version", "auto", "", ""},
		{"not said", "", "go1.26.0", ""},
	} {
		env := environ.List{"GOENV=off", "GOTOOLCHAIN=" + row.mode}
		g := goenv.Settings{Env: env, Root: "/go", ReadFile: func(name string) ([]byte, error) {
			if name == filepath.Join("/go", "VERSION") {
				return []byte(row.version), nil
			}
			return nil, fs.ErrNotExist
		}}
		hithertest.Same(t, row.says, g.Switcher(), row.want)
	}
}
