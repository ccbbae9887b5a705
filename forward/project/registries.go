package project

import (
	"maps"
	"net/url"
	"slices"

	"hither/forward/npmrc"
)

// Registries are where npm, pnpm, yarn and bun take packages from. The zero value is npm's own registry for all.
type Registries struct {
	// Default is the registry of all that no scope says otherwise of, without a slash at the end; empty: npm's own.
	Default string
	// Scopes are the registries of scopes, by their names with the "@".
	Scopes map[string]string
}

// Set notes where packages come from. What was set before stays.
func (r *Registries) Set(n npmrc.Naming) {
	switch {
	case n.Scope == "" && r.Default == "":
		r.Default = n.URL
	case n.Scope != "" && r.Scopes[n.Scope] == "":
		r.Replace(n)
	}
}

// Replace notes where packages come from, whatever was set before.
func (r *Registries) Replace(n npmrc.Naming) {
	if n.Scope == "" {
		r.Default = n.URL
		return
	}
	if r.Scopes == nil {
		r.Scopes = map[string]string{}
	}
	r.Scopes[n.Scope] = n.URL
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
