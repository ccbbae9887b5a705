package project

import (
	"path/filepath"
	"strings"
	"testing"

	"hither/forward/npmrc"
)

func TestScopesOfOtherRegistriesArePrivate(t *testing.T) {
	dir := files(t, map[string]string{
		"p/.npmrc":      "; a word\n@corp:registry = \"https://npm.corp.example/\"\n@open:registry=https://registry.npmjs.org/\n//npm.corp.example/:_authToken=secret\n",
		"p/.yarnrc.yml": "npmScopes:\n  other:\n    npmRegistryServer: \"https://${HOST}/x\"\nnpmRegistryServer: https://second.example\n",
		"home/.npmrc":   "registry=https://first.example/npm//\n@corp:registry=https://registry.npmjs.org/\n",
		"d/.npmrc/x":    "",
	})
	read := func(sub string) (r Registries) {
		env, at := []string{"HOST=host.example"}, filepath.Join(dir, sub)
		others, blind := Others{Env: env, Dir: at}.Read()
		if blind {
			t.Error("what is there was not read")
		}
		for _, n := range append(npmrc.Reader{Env: env, Home: filepath.Join(dir, "home"), Dir: at, Project: true}.Read().Namings(), others...) {
			r.Set(n)
		}
		return r
	}
	r := read("p")
	same(t, "the usual one", r.Default, "https://first.example/npm")
	same(t, "of a scope", r.Scopes["@other"], "https://host.example/x")
	same(t, "private", strings.Join(r.Private(), " "), "@corp @other")
	same(t, "beside a directory of that name", read("d").Default, "https://first.example/npm")
	same(t, "without files", strings.Join(Registries{}.Private(), " "), "")
}

// What Yarn, Bun and pnpm are told of registries in ways of their own.
func TestOtherProgramsHaveOtherFiles(t *testing.T) {
	for _, row := range []struct {
		says, file, text, env, want string
	}{
		{"nothing", "p/x", "", "", ""},
		{"Yarn 2", "p/.yarnrc.yml", "npmRegistryServer: \"https://y.example/\"\n", "", "=https://y.example"},
		{"Yarn 2, above", ".yarnrc.yml", "npmRegistryServer: https://y.example\n", "", "=https://y.example"},
		{"Yarn 2, the user's", "home/.yarnrc.yml", "npmRegistryServer: https://y.example\n", "", "=https://y.example"},
		{"Yarn 2 by another name", "p/.yarn.yml", "npmRegistryServer: https://y.example\n", "YARN_RC_FILENAME=.yarn.yml", "=https://y.example"},
		{"Yarn 2, a scope", "p/.yarnrc.yml", "npmScopes:\n  \"corp\":\n    npmRegistryServer: https://y.example\n", "", "@corp=https://y.example"},
		{"Yarn 2, a scope in a way of its own", "p/.yarnrc.yml", "npmScopes: {corp: {npmRegistryServer: \"https://y.example\"}}\n", "", "blind"},
		{"Yarn 2, by a variable", "p/.yarnrc.yml", "npmRegistryServer: \"${A:-https://y.example}\"\n", "A=", "=https://y.example"},
		{"Yarn 2, by an unknown one", "p/.yarnrc.yml", "npmRegistryServer: \"${A:-https://y.example}\"\n", "", "=${A:-https://y.example}"},
		{"Yarn 2, its variable", "p/x", "", "YARN_NPM_REGISTRY_SERVER=https://y.example/", "=https://y.example"},
		{"Yarn 1", "p/.yarnrc", "# yarn\nregistry \"https://y.example\"\n\"@corp:registry\" \"https://c.example\"\n", "", "=https://y.example @corp=https://c.example"},
		{"Yarn 1, the user's", "home/.yarnrc", "registry https://y.example/\n", "", "=https://y.example"},
		{"Yarn 1, its variable", "p/x", "", "yarn_registry=https://y.example", "=https://y.example"},
		{"Bun", "p/bunfig.toml", "[install]\nregistry = \"https://b.example/\"\n[install.scopes]\ncorp = \"https://me:hush@c.example\"\n", "", "=https://b.example @corp=https://me:hush@c.example"},
		{"Bun, in tables", "home/.bunfig.toml", "[install]\nregistry = { url = \"https://b.example\", token = \"hush\" }\nscopes = { \"@corp\" = { url = \"$A\" } }\n", "A=https://c.example", "=https://b.example @corp=https://c.example"},
		{"Bun, as a key with dots", "p/bunfig.toml", "install.registry = \"https://b.example\"", "", "=https://b.example"},
		{"Bun, in a file that nobody can read", "p/bunfig.toml", "[install", "", "blind"},
		{"Bun, as deep as it gets", "p/bunfig.toml", "x = " + strings.Repeat("[", 1<<20), "", "blind"},
		{"Bun, its variable", "p/x", "", "BUN_CONFIG_REGISTRY=https://b.example", "=https://b.example"},
		{"pnpm", "p/pnpm-workspace.yaml", "packages:\n  - a\nregistry: https://n.example\n", "", "=https://n.example"},
		{"pnpm, by scope", "p/pnpm-workspace.yaml", "registries:\n  default: https://n.example/\n  '@corp': https://c.example\n", "", "=https://n.example @corp=https://c.example"},
		{"pnpm, on one line", "p/pnpm-workspace.yaml", "registries: {default: https://n.example}\n", "", "=https://n.example"},
		{"pnpm, by registry", "p/pnpm-workspace.yaml", "registries:\n  https://n.example/:\n    scopes: ['@corp']\n", "", "=https://n.example"},
		{"pnpm, its own npmrc", "home/.config/pnpm/rc", "registry=https://n.example\n", "", "=https://n.example"},
		{"Yarn 2, with a blank before the colon", "p/.yarnrc.yml", "npmRegistryServer : https://y.example\n", "", "=https://y.example"},
		{"Yarn 2, with a tab behind it", "p/.yarnrc.yml", "npmRegistryServer:\thttps://y.example\n", "", "=https://y.example"},
		{"Yarn 2, with a byte order mark", "p/.yarnrc.yml", "\ufeffnpmRegistryServer: https://y.example\r\n", "", "=https://y.example"},
		{"Yarn 2, on the next line", "p/.yarnrc.yml", "npmRegistryServer:\n  https://y.example\n", "", "blind"},
		{"Yarn 2, as JSON", "p/.yarnrc.yml", "{\n  \"npmRegistryServer\": \"https://y.example\"\n}\n", "", "blind"},
		{"Yarn 2, a scope by an alias", "p/.yarnrc.yml", "npmScopes:\n  corp: *ours\n", "", "blind"},
		{"Yarn 2, a scope by what is merged", "p/.yarnrc.yml", "npmScopes:\n  corp:\n    <<: *ours\n", "", "blind"},
		{"Yarn 2, all scopes by an alias", "p/.yarnrc.yml", "npmScopes: *ours\n", "", "blind"},
		{"Yarn 2, a scope with a token alone", "p/.yarnrc.yml", "npmScopes:\n  corp:\n    npmAuthToken: hush\nnpmRegistries:\n  //y.example:\n    npmAlwaysAuth: true\n", "", ""},
		{"Yarn 2, to publish", "p/.yarnrc.yml", "npmPublishRegistry: https://y.example\n", "", ""},
		{"Yarn 1, with a byte order mark", "p/.yarnrc", "\ufeffregistry \"https://y.example\"\n", "", "=https://y.example"},
		{"Yarn 1, as an option", "p/.yarnrc", "--registry \"https://y.example\"\n", "", "=https://y.example"},
		{"Yarn 1, as an option of a command", "p/.yarnrc", "--install.registry \"https://y.example\"\n", "", "=https://y.example"},
		{"Yarn 1, another option", "p/.yarnrc", "--install.check-files true\nlastUpdateCheck 1\n", "", ""},
		{"pnpm, as JSON", "p/pnpm-workspace.yaml", "{\"registry\": \"https://n.example\"}\n", "", "blind"},
		{"pnpm, on the next line", "p/pnpm-workspace.yaml", "registry:\n  https://n.example\n", "", "blind"},
		{"pnpm, a scope on the next line", "p/pnpm-workspace.yaml", "registries:\n  '@corp':\n    https://n.example\n", "", "blind"},
		{"pnpm, in brackets over lines", "p/pnpm-workspace.yaml", "registries: {\n  default: https://n.example }\n", "", "blind"},
		{"pnpm, by registry in brackets", "p/pnpm-workspace.yaml", "registries: {'https://n.example': {scopes: ['@corp']}}\n", "", "blind"},
		{"pnpm, by an alias", "p/pnpm-workspace.yaml", "registries: *ours\n", "", "blind"},
		{"pnpm, with tokens", "home/.config/pnpm/auth.ini", "@corp:registry=https://n.example\n//n.example/:_authToken=hush\n", "", "@corp=https://n.example"},
		{"pnpm, by XDG_CONFIG_HOME", "p/xdg/pnpm/auth.ini", "registry=https://n.example\n", "XDG_CONFIG_HOME=DIR/p/xdg", "=https://n.example"},
		{"pnpm, a file of its own", "p/x", "", "PNPM_CONFIG_USERCONFIG=/ci/npmrc", "blind"},
		{"pnpm, a file of its own by the newer name", "p/x", "", "pnpm_config_npmrc_auth_file=/ci/npmrc", "blind"},
		{"pnpm, a file of its own by a setting", "home/.config/pnpm/config.yaml", "npmrcAuthFile: /ci/npmrc\n", "", "blind"},
		{"pnpm, nothing of it", "p/pnpm-workspace.yaml", "packages:\n  - a\ncatalog:\n  registry: 1\nregistries: {}\nregistrySupportsTimeField: true\n", "", ""},
		{"pnpm, the user's", "home/.config/pnpm/config.yaml", "registry: https://n.example\n", "", "=https://n.example"},
		{"pnpm, its variable", "p/x", "", "pnpm_config_registry=https://n.example", "=https://n.example"},
	} {
		dir := files(t, map[string]string{row.file: row.text, "p/y": ""})
		namings, blind := Others{Env: []string{strings.ReplaceAll(row.env, "DIR", dir)}, Home: filepath.Join(dir, "home"), Dir: filepath.Join(dir, "p")}.Read()
		var got []string
		for _, n := range namings {
			got = append(got, n.Scope+"="+n.URL)
		}
		if blind {
			got = append(got, "blind")
		}
		same(t, row.says, strings.Join(got, " "), row.want)
	}
}

// FuzzNamings guards readers of what strangers write.
func FuzzNamings(f *testing.F) {
	for _, text := range []string{"npmRegistryServer: ${A:-b}", "registry \"x\"", "[install]\nregistry={url=1}\nscopes={a=[]}", "registries:\n  default: {", "registry=\x00", "x = [[[[", "$"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o := Others{Env: []string{"A=b"}}
		for _, name := range []string{".yarnrc.yml", ".yarnrc", "bunfig.toml", "pnpm-workspace.yaml", "rc"} {
			namings, _ := o.parse(name, []byte(text))
			for _, n := range namings {
				if n.URL == "" || n.Scope != "" && !strings.HasPrefix(n.Scope, "@") {
					t.Errorf("%s: %+v of %q", name, n, text)
				}
			}
		}
	})
}
