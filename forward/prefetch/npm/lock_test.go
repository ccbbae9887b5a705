package npm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hither/forward/project"
)

// Of what a lock file says too little, npm asks for the short packuments, as it writes that: also where it is of npm 6.
func TestNPMAsksForWhatALockFileLacks(t *testing.T) {
	for lock, want := range map[string]string{
		`{"lockfileVersion":1,"dependencies":{"chalk":{"version":"4.1.2","resolved":"https://registry.npmjs.org/chalk/-/chalk-4.1.2.tgz"},"@s/x":{"version":"1.0.0"}}}`: "/chalk /@s/x /@s/x/-/x-1.0.0.tgz /chalk/-/chalk-4.1.2.tgz",
		`{"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0"},"node_modules/b":{"version":"1.0.0","resolved":"https://registry.npmjs.org/b/-/b-1.0.0.tgz"},
			"node_modules/c/node_modules/a":{"version":"2.0.0"},"node_modules/git":{"resolved":"git+ssh://git@h/x.git"}}}`: "/a /a/-/a-2.0.0.tgz /b/-/b-1.0.0.tgz /a/-/a-1.0.0.tgz",
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"package.json": "{}", "package-lock.json": lock} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w := newWorld(t)
		wants := w.walk.Project(dir, []string{"npm", "ci"})
		same(t, "wanted", strings.Join(pathsOf(wants), " "), want)
		for _, want := range wants {
			if !want.Bulk {
				same(t, want.URL, strings.Join(want.Accept, "|")+" because "+want.Why, short+"; q=1.0, "+full+"; q=0.8, */* because "+project.WhySparse)
			}
		}
	}
}

// What npm leaves out of a lock file nobody asks for, but for the packuments of one of npm 6, of which it needs all to know that.
func TestNPMLeavesOutWhatItIsTold(t *testing.T) {
	const now = `{"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0"},"node_modules/d":{"version":"1.0.0","dev":true},"node_modules/p":{"version":"1.0.0","peer":true},
		"node_modules/o":{"version":"1.0.0","optional":true},"node_modules/e":{"version":"1.0.0","devOptional":true}}}`
	const old = `{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","resolved":"https://registry.npmjs.org/a/-/a-1.0.0.tgz"},"d":{"version":"1.0.0","resolved":"https://registry.npmjs.org/d/-/d-1.0.0.tgz","dev":true}}}`
	for _, c := range []struct{ lock, command, tarballs string }{
		{now, "npm ci", "a d p o e"},
		{now, "npm ci --omit=optional", "a d p e"},
		{now, "npm ci --no-optional", "a d p e"},
		{now, "npm ci --omit=peer", "a d o e"},
		{now, "npm ci --omit=dev", "a p o e"},
		{now, "npm ci --omit=dev --omit=optional", "a p"},
		{now, "npm ci --only=production", "a p o e"},
		{now, "npm ci --only=dev", "a d p o e"},
		{now, "npm ci --production", "a p o e"},
		{now, "npm ci --production --also=dev", "a d p o e"},
		{now, "npm ci --omit=dev --production=false", "a d p o e"},
		{now, "npm ci --omit=dev --include=dev", "a d p o e"},
		{now, "npm ci --omit dev --production null", "a p o e"},
		{now, "npm ci --legacy-peer-deps", "a d o e"},
		{now, "npm ci -- --omit=dev", "a d p o e"},
		{old, "npm ci --omit=dev", "a"},
	} {
		names := strings.Fields(c.tarballs)
		want := []string{"/" + strings.Join(names, " /")}
		if c.lock == old {
			want[0] = "/a /d"
		}
		for _, name := range slices.Backward(names) {
			want = append(want, "/"+name+"/-/"+name+"-1.0.0.tgz")
		}
		dir := t.TempDir()
		for name, text := range map[string]string{"package.json": "{}", "package-lock.json": c.lock} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w := newWorld(t)
		same(t, c.command, strings.Join(pathsOf(w.walk.Project(dir, strings.Fields(c.command))), " "), strings.Join(want, " "))
	}
}

// npm, pnpm and yarn pass over each other's lock files, and ask for the packuments that package.json needs; npm ci asks for none.
func TestTheLockFileOfAnotherProgramIsNone(t *testing.T) {
	const npm = `{"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0","resolved":"https://registry.npmjs.org/a/-/a-1.0.0.tgz"}}}`
	const pnpm = "packages:\n  a@1.0.0:\n    resolution: {integrity: x}\n"
	for _, c := range []struct{ file, text, command, want string }{
		{"pnpm-lock.yaml", pnpm, "npm install", "/a"},
		{"pnpm-lock.yaml", pnpm, "npm ci", ""},
		{"pnpm-lock.yaml", pnpm, "pnpm install", "/a/-/a-1.0.0.tgz"},
		{"package-lock.json", npm, "pnpm install", "/a"},
		{"package-lock.json", npm, "yarn", "/a"},
		{"package-lock.json", npm, "npm install", "/a/-/a-1.0.0.tgz"},
		{"package-lock.json", npm, "bun install", "/a/-/a-1.0.0.tgz"},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"package.json": `{"dependencies":{"a":"1"}}`, c.file: c.text} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w := newWorld(t)
		same(t, c.command+" beside "+c.file, strings.Join(pathsOf(w.walk.Project(dir, strings.Fields(c.command))), " "), c.want)
	}
}

// A lock file that names nothing yet says nothing of what package.json names: Yarn wants an empty one at the top of a project.
func TestAnEmptyLockFileIsNone(t *testing.T) {
	for _, c := range []struct{ file, text, command, want string }{
		{"yarn.lock", "", "yarn install", "/a"},
		{"yarn.lock", "__metadata:\n  version: 8\n", "yarn install", "/a"},
		{"package-lock.json", `{"lockfileVersion":3,"packages":{"":{"name":"x"}}}`, "npm install", "/a"},
		{"package-lock.json", `{"lockfileVersion":3,"packages":{"":{"name":"x"}}}`, "npm ci", ""},
		{"pnpm-lock.yaml", "lockfileVersion: '9.0'\nimporters:\n  .: {}\n", "pnpm install", "/a"},
		{"bun.lock", `{"lockfileVersion":1,"workspaces":{"":{"name":"x"}},"packages":{}}`, "bun install", "/a"},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"package.json": `{"dependencies":{"a":"1"}}`, c.file: c.text} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w := newWorld(t)
		same(t, c.command+" beside "+c.file, strings.Join(pathsOf(w.walk.Project(dir, strings.Fields(c.command))), " "), c.want)
	}
}
