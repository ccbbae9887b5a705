package projects

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/goenv"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/warm"
	"hither/forward/project"
)

// Registries is what tells whom the user's clients ask; see warm.Registries.
type Registries struct {
	GoProxy string // base URL; empty: the go command asks none, or none that can be asked for it
	// GoVersion is that of the go command which would fetch a later one, should a project want that, as go1.26.0; empty: it would
	// not, or there is none.
	GoVersion string
	Env       environ.List
	Home      string   // for the user's npmrc; empty: it is not known, and npm finds one in the system's list of users
	Own       []string // HOST:PORT that Hither listens on: a gateway there stands for the public registry
}

// FindRegistries are those of the user whose environment that is. own are HOST:PORT that Hither listens on.
func FindRegistries(env environ.List, own []string) Registries {
	home, _ := paths.Find(env) // without one, it is not known whom npm asks
	settings := goenv.Settings{Env: env, ReadFile: os.ReadFile, Root: goenv.FindRoot(env)}
	return Registries{GoProxy: firstGoProxy(settings.Get("GOPROXY"), own), GoVersion: settings.Switcher(), Env: env, Home: home.Home, Own: own}
}

// ForWarm is what a warming has to know of it.
func (r Registries) ForWarm() warm.Registries {
	return warm.Registries{GoProxy: r.GoProxy, GoVersion: r.GoVersion, Public: goenv.PublicProxy, NPM: r.npm}
}

// firstGoProxy is the first of a GOPROXY list (Go Modules Reference, "GOPROXY protocol"), without credentials; empty if that
// is direct, off, or no proxy over TLS. Our own gateway stands for what is behind it in the list.
func firstGoProxy(list string, own []string) string {
	for _, entry := range goenv.Proxies(list) {
		u, err := url.Parse(entry)
		switch {
		case err == nil && slices.Contains(own, u.Host), goenv.IsGateway(entry):
			continue
		case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil:
			return ""
		}
		return u.String()
	}
	return goenv.PublicProxy
}

// unreadRegistry stands for whatever a file names that is not read here. Nobody can be asked there.
const unreadRegistry = "unread:"

// npm is what holds for a lock file, with a Default in any case. What npm reads goes first, but for the files of those who
// have lock files and settings of their own; what is said anywhere goes before npm's own registry, where nobody may guess.
func (r Registries) npm(lock string) project.Registries {
	dir := filepath.Dir(lock)
	settings := NpmSettings(r.Env, r.Home, dir).ReadAbove()
	others, blind := project.Others{Env: r.Env, Home: r.Home, Dir: dir, Whole: true}.Read()
	namings := slices.Concat(settings.Namings(), others)
	if base := filepath.Base(lock); base == "yarn.lock" || base == "bun.lock" || base == "pnpm-lock.yaml" {
		namings = slices.Concat(others, settings.Namings())
	}
	var found project.Registries
	for _, n := range namings {
		found.Set(n)
	}
	if other := found.Scopes[settings.Scope()]; other != "" {
		found.Default = other
	}
	public := found.Default == "" || isPublicNPM(found.Default, r.Own)
	if public && (blind || settings.Blind || r.Home == "") { // what was not read may name another for a scope
		found.Default, public = unreadRegistry, false
	}
	u, err := url.Parse(found.Default)
	switch {
	case public:
		found.Default = project.NPMRegistry
		return found
	case err != nil || u.Host == "":
		return found // the package manager can ask nobody there, and we ask nobody else
	}
	u.User = nil
	found.Default = u.String()
	return found
}

// isPublicNPM says that a registry is npm's own, under Yarn's name for it too, or Hither's gateway to it.
func isPublicNPM(registry string, own []string) bool {
	if registry == project.NPMRegistry || registry == project.YarnRegistry {
		return true
	}
	u, err := url.Parse(registry)
	return err == nil && slices.Contains(own, u.Host)
}
