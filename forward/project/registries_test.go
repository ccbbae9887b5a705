package project

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestScopesOfOtherRegistriesArePrivate(t *testing.T) {
	dir := files(t, map[string]string{
		"p/.npmrc":      "; a word\n@corp:registry = \"https://npm.corp.example/\"\n@open:registry=https://registry.npmjs.org/\n//npm.corp.example/:_authToken=secret\n",
		"p/.yarnrc.yml": "npmScopes:\n  other:\n    npmRegistryServer: \"https://${HOST}/x\"\nnpmRegistryServer: https://second.example\n",
		"home/.npmrc":   "registry=https://first.example/npm//\n@corp:registry=https://registry.npmjs.org/\n",
		"d/.npmrc/x":    "",
	})
	var list []string
	for _, name := range []string{"d/.npmrc", "none/.npmrc", "p/.npmrc", "home/.npmrc", "p/.yarnrc.yml"} {
		list = append(list, filepath.Join(dir, filepath.FromSlash(name)))
	}
	r := ReadRegistries(list, func(name string) string { return strings.ToLower(name) + ".example" })
	same(t, "the usual one", r.Default, "https://first.example/npm")
	same(t, "of a scope", r.Scopes["@other"], "https://host.example/x")
	same(t, "private", strings.Join(r.Private(), " "), "@corp @other")
	same(t, "without files", strings.Join(ReadRegistries(nil, nil).Private(), " "), "")
}
