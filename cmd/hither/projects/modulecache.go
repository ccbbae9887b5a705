package projects

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/goenv"
	"hither/forward/npmrc"
	"hither/forward/prefetch/golang"
	"hither/forward/project"
)

// hasModule tells which files of modules a go command has already, by its module cache; nil: nobody knows where that is. A
// module cache has the layout of a module proxy (go.dev/ref/mod#module-cache). Only names are looked at. A list of versions there
// is of those that it has, and never keeps it from asking.
func hasModule(env environ.List) func(project.Want) bool {
	if asGo(env).Get("GO111MODULE") == "off" {
		return func(project.Want) bool { return true } // it asks for none
	}
	cache := moduleCache(env)
	if cache == "" {
		return nil
	}
	return func(w project.Want) bool {
		u, err := url.Parse(w.URL)
		if err != nil || !strings.Contains(u.Path, "/@v/") || path.Clean(u.Path) != u.Path || path.Base(u.Path) == "list" {
			return false
		}
		_, err = os.Lstat(filepath.Join(cache, filepath.FromSlash(u.Path)))
		return err == nil
	}
}

// moduleCache is where a go command with that environment downloads to; empty if that is not known.
func moduleCache(env environ.List) string {
	settings := asGo(env)
	cache := settings.Get("GOMODCACHE")
	if cache == "" {
		first, _, _ := strings.Cut(settings.Get("GOPATH"), string(filepath.ListSeparator))
		if home := env.Get(environ.Home); first == "" && home != "" {
			first = filepath.Join(home, "go")
		}
		if first == "" {
			return ""
		}
		cache = filepath.Join(first, "pkg", "mod")
	}
	if !filepath.IsAbs(cache) {
		return ""
	}
	return filepath.Join(cache, "cache", "download")
}

// asGo reads the settings of a client that is a go command. Its files may be anything, as those of npm.
func asGo(env environ.List) goenv.Settings { return goenv.Settings{Env: env, ReadFile: npmrc.ReadFile} }

// withGoFlags is how a process was called, with what GOFLAGS and GOWORK add to it that says which modules it reads.
func withGoFlags(args []string, env environ.List) []string {
	if !golang.Is(args) {
		return slices.Clone(args)
	}
	out := args[:1:1]
	for flag := range strings.FieldsSeq(asGo(env).Get("GOFLAGS")) {
		if name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "="); name == "mod" || name == "modfile" {
			out = append(out, flag)
		}
	}
	if work := asGo(env).Get("GOWORK"); work != "" {
		out = append(out, "-"+golang.Work+"="+work)
	}
	return append(out, args[1:]...)
}
