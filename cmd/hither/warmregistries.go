package main

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/forward/project"
)

// npmRegistry is npm's own.
const npmRegistry = "https://registry.npmjs.org"

// warmRegistries is whom the user's clients ask: what they do not ask there is of no use in the cache, and a private
// registry's names are not for others to hear.
type warmRegistries struct {
	GoProxy string // base URL; empty: the go command asks none, or none that can be asked for it
	Env     environment
	Home    string   // for the user's npmrc; empty: there is none
	Own     []string // HOST:PORT that Hither listens on: a gateway there stands for the public registry
}

func (a *app) warmRegistries() warmRegistries {
	home, _ := findPlaces(a.before) // loading the settings has found it
	settings := goEnv{Env: a.before, ReadFile: os.ReadFile, Root: findGoRoot(a.before)}
	own := a.settings.Listen
	return warmRegistries{GoProxy: firstGoProxy(settings.Get("GOPROXY"), own), Env: a.before, Home: home.home, Own: own}
}

// firstGoProxy is the first of a GOPROXY list (Go Modules Reference, "GOPROXY protocol"), without credentials; empty if that
// is direct, off, or no proxy over TLS. Our own gateway stands for what is behind it in the list.
func firstGoProxy(list string, own []string) string {
	for entry := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == '|' }) {
		u, err := url.Parse(strings.TrimRight(strings.TrimSpace(entry), "/"))
		switch {
		case err == nil && slices.Contains(own, u.Host):
			continue
		case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil:
			return ""
		}
		return u.String()
	}
	return publicGoProxy
}

// npm is what holds for the project in dir, with a Default in any case. npm lets the environment beat the files.
func (r warmRegistries) npm(dir string) project.Registries {
	files := npmrcFiles(r.Env, r.Home, dir)
	for _, above := range []string{dir, r.Home} {
		if above != "" {
			files = append(files, filepath.Join(above, ".yarnrc.yml"))
		}
	}
	found := project.ReadRegistries(files, func(name string) string {
		value, known := r.Env.Lookup(name)
		if !known {
			return "${" + name + "}" // whoever that is, it is not npm's own
		}
		return value
	})
	for _, line := range r.Env {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, "npm_config_@") {
			found.Set(strings.TrimPrefix(name, "npm_config_"), value)
		}
	}
	if chosen := lookupNpm(r.Env, "registry"); chosen != "" {
		found.Default = strings.TrimRight(chosen, "/")
	}
	u, err := url.Parse(found.Default)
	switch {
	case found.Default == "" || err == nil && slices.Contains(r.Own, u.Host):
		found.Default = npmRegistry
		return found
	case err != nil || u.Host == "":
		return found // the package manager can ask nobody there, and we ask nobody else
	}
	u.User = nil
	found.Default = u.String()
	return found
}
