package project

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxSettings is the largest npmrc that is read, in bytes.
const maxSettings = 1 << 20

// Registries are where npm, pnpm and yarn take packages from. The zero value is npm's own registry for all.
type Registries struct {
	// Default is the registry of all that no scope says otherwise of, without a slash at the end; empty: npm's own.
	Default string
	// Scopes are the registries of scopes, by their names with the "@".
	Scopes map[string]string
}

// ReadRegistries reads npmrc files and .yarnrc.yml, of which the earlier ones count more. variable gives the value of an
// environment variable. What is not there or cannot be read is the package manager's to complain of.
func ReadRegistries(files []string, variable func(string) string) Registries {
	r := Registries{Scopes: map[string]string{}}
	for _, file := range files {
		data, err := readSettings(file)
		if err != nil {
			continue
		}
		if filepath.Base(file) == ".yarnrc.yml" {
			r.readYarn(data, variable)
			continue
		}
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, "="); ok {
				r.Set(strings.TrimSpace(name), os.Expand(unquote(strings.TrimSpace(value)), variable))
			}
		}
	}
	return r
}

// readSettings reads a file of the user or of a project. It may be a link, which users have many of; of what a project's
// link leads to, no more is learnt than which registry is meant.
func readSettings(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSettings {
		return nil, errNotRegular
	}
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(file)
}

// readYarn reads npmRegistryServer and npmScopes of yarn 2 and later.
func (r *Registries) readYarn(data []byte, variable func(string) string) {
	_ = outline(data, func(keys []string, value string) error {
		switch value = os.Expand(value, variable); {
		case keys[len(keys)-1] != "npmRegistryServer":
		case len(keys) == 1:
			r.Set("registry", value)
		case len(keys) == 3 && keys[0] == "npmScopes":
			r.Set("@"+keys[1]+":registry", value)
		}
		return nil
	}) // as much as can be read
}

// Set notes a setting as npm names it: "registry", or "@SCOPE:registry". One that was set before stays.
func (r *Registries) Set(name, value string) {
	value = strings.TrimRight(value, "/")
	scope, scoped := strings.CutSuffix(name, ":registry")
	switch {
	case value == "":
	case name == "registry" && r.Default == "":
		r.Default = value
	case scoped && strings.HasPrefix(scope, "@") && r.Scopes[scope] == "":
		r.Scopes[scope] = value
	}
}

// Private are patterns, as in GOPRIVATE, of the names that are not npm's own registry's to hear: the scopes that have another.
func (r Registries) Private() (out []string) {
	for _, scope := range slices.Sorted(maps.Keys(r.Scopes)) {
		if u, err := url.Parse(r.Scopes[scope]); err != nil || u.Host != npmHost {
			out = append(out, scope)
		}
	}
	return out
}
