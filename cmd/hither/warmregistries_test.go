package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestModulesAreAskedOfTheUsersProxy(t *testing.T) {
	for _, row := range []struct{ list, want string }{
		{"", publicGoProxy},
		{"https://proxy.golang.org,direct", publicGoProxy},
		{"http://127.0.0.1:7890/go|https://proxy.golang.org,direct", publicGoProxy},
		{"http://127.0.0.1:7890/go", publicGoProxy},
		{"http://127.0.0.1:3000|https://proxy.golang.org", ""},
		{"https://goproxy.corp.example/x/,https://proxy.golang.org", "https://goproxy.corp.example/x"},
		{"https://me:secret@goproxy.corp.example", ""},
		{"direct", ""}, {"off", ""}, {"direct|https://proxy.golang.org", ""}, {"http://plain.example", ""}, {"file:///x", ""}, {"https://", ""},
	} {
		same(t, row.list, firstGoProxy(row.list, []string{defaultListen}), row.want)
	}
}

// What the user's clients ask another registry for is not asked of the public one, not even its name.
func TestNamesOfAnotherRegistryAreNotAskedOfThePublicOne(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "p/pnpm-lock.yaml"), []byte("packages:\n  '@corp/secret@1.0.0':\n    resolution: {integrity: sha512-x}\n  open@2.0.0:\n    resolution: {integrity: sha512-x}\n"))
	write(t, filepath.Join(dir, "p/package.json"), []byte("{}"))
	write(t, filepath.Join(dir, "p/go.mod"), []byte("module m\n\ngo 1.22\n\nrequire world.test/a v1.0.0\n"))
	write(t, filepath.Join(dir, "home/.npmrc"), []byte("@corp:registry=https://npm.corp.example/\n"))
	read := func(env environment, proxy string) string {
		r := &warmReader{Dir: dir, Registries: warmRegistries{Env: env, Home: filepath.Join(dir, "home"), Own: []string{defaultListen}, GoProxy: proxy}}
		wants, err := r.read([]string{"p"})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, w := range wants {
			out = append(out, w.URL)
		}
		for _, f := range r.unread {
			out = append(out, filepath.Base(f.URL))
		}
		return strings.Join(append(out, r.private...), " ")
	}
	const gone = "https://p.example/world.test/a/@v/v1.0.0"
	modules := gone + ".mod " + gone + ".info " + gone + ".zip "
	same(t, "a scope with a registry", read(nil, "https://p.example"),
		modules+"https://registry.npmjs.org/@corp/secret/-/secret-1.0.0.tgz https://registry.npmjs.org/open/-/open-2.0.0.tgz @corp")
	same(t, "another registry", read(environment{"npm_config_registry=https://me:secret@all.corp.example/npm/"}, "https://p.example"),
		modules+"https://all.corp.example/npm/@corp/secret/-/secret-1.0.0.tgz https://all.corp.example/npm/open/-/open-2.0.0.tgz @corp")
	same(t, "no proxy, and our own gateway", read(environment{"npm_config_registry=http://" + defaultListen + "/npm", "npm_config_@x:registry=https://x.example"}, ""),
		"https://registry.npmjs.org/@corp/secret/-/secret-1.0.0.tgz https://registry.npmjs.org/open/-/open-2.0.0.tgz go.mod @corp @x")
}
