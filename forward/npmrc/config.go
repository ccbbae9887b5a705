package npmrc

import (
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Get is what the strongest level says of a key, with its variables replaced. ok is false if none does. known is false if
// there was a variable that nobody here knows.
func (c Config) Get(name string) (s Setting, known, ok bool) {
	for _, level := range c.levels {
		if s, ok = level.Find(name); ok {
			s.Values, known = c.expand(s.Values)
			return s, known, true
		}
	}
	return Setting{}, true, false
}

// expand replaces variables; known is false if there was one that nobody here knows.
func (c Config) expand(values []string) (out []string, known bool) {
	known = true
	for _, value := range values {
		expanded, all := Expand(value, c.r.lookup)
		out, known = append(out, expanded), known && all
	}
	return out, known
}

// Text is Get for those who take a setting without a value for none, and a variable that is not known for its name.
func (c Config) Text(name string) string {
	s, _, ok := c.Get(name)
	if !ok || s.None() {
		return ""
	}
	return s.Text()
}

// Path is Text of a setting that names a file or directory, from the working directory on. Empty: none.
func (c Config) Path(name string) string { return c.path(name, "") }

// Commanded is Text of the command line alone.
func (c Config) Commanded(name string) string { return c.levels[0].value(name) }

// Is is a setting that is true or false. Alone, without a value, it is true, and so is whatever else is no number.
func (c Config) Is(name string) bool {
	s, _, ok := c.Get(name)
	return ok && truth(s.Text())
}

func truth(value string) bool {
	switch value = trim(value); value {
	case "false", "null", "undefined":
		return false
	}
	number, err := strconv.ParseFloat(value, 64)
	return value == "" || err != nil || number != 0
}

// Global says that npm works on the whole machine: then it reads no project's file. Where that is asked npm has read only
// the command line, the environment and what is built in.
func (c Config) Global() bool {
	early := Config{levels: []Level{c.levels[0], c.levels[1], c.builtin}, r: c.r}
	is, _, ok := early.Get("global")
	location, _, _ := early.Get("location")
	return ok && (is.Text() == "true" || is.Text() == "") || location.Text() == "global"
}

// Less says that npm may install other than all that a lock file names but for what is Omitted, whatever its command line
// says of that.
func (c Config) Less() bool {
	for _, level := range c.levels[1:] {
		if slices.ContainsFunc(level.settings, func(s Setting) bool { return isLess(s.Name) }) {
			return true
		}
	}
	_, known := c.Omitted()
	return !known
}

// Cache is npm's cache directory; empty: nobody here knows. A relative one begins where npm was started, which may be elsewhere
// by now. A project that names one on another machine is not followed: even to look whether it is there would tell that machine
// of us.
func (c Config) Cache() string {
	s, known, ok := c.Get("cache")
	dir := ""
	switch {
	case ok && (!known || len(s.Values) != 1 || s.None() || s.Values[0] == ""):
		return ""
	case ok:
		dir = c.r.fromHome(s.Values[0])
	default:
		dir = c.r.usualCache()
	}
	if !filepath.IsAbs(dir) || c.led("cache") && isRemote(dir) {
		return ""
	}
	return dir
}

// isRemote knows the paths that lead to other machines by their names alone: shares of Windows, and where automounters have
// all hosts.
func isRemote(dir string) bool {
	slashed := filepath.ToSlash(dir)
	return strings.HasPrefix(slashed, "//") || strings.HasPrefix(slashed, "/net/") || strings.HasPrefix(slashed, "/Network/")
}

// usualCache is npm's default (npm's config documentation, "cache").
func (r Reader) usualCache() string {
	if local, _ := r.env("LOCALAPPDATA"); runtime.GOOS == "windows" && local != "" {
		return filepath.Join(local, "npm-cache")
	}
	if r.Home != "" {
		return filepath.Join(r.Home, ".npm")
	}
	return ""
}

// Bypasses says that npm asks host without a proxy: by its noproxy, or else by NO_PROXY, of which it knows any spelling. An
// entry stands for a domain and all below it, in the letters it is written; npm knows no "*" there, and no ports
// (@npmcli/agent, proxy.js).
func (c Config) Bypasses(host string) bool {
	list := ""
	if s, _, ok := c.Get("noproxy"); ok && !s.None() {
		list = strings.Join(s.Values, ",")
	}
	if list == "" {
		for _, line := range c.r.Env {
			if name, value, _ := strings.Cut(line, "="); strings.EqualFold(name, "no_proxy") {
				list = value
			}
		}
	}
	parts := labels(host)
	return slices.ContainsFunc(strings.Split(list, ","), func(entry string) bool {
		last := labels(trim(entry))
		return len(last) > 0 && len(last) <= len(parts) && slices.Equal(last, parts[len(parts)-len(last):])
	})
}

func labels(host string) []string {
	return slices.DeleteFunc(strings.Split(host, "."), func(label string) bool { return label == "" })
}

// Naming says where packages come from.
type Naming struct {
	Scope string // with the "@"; empty: all packages that no scope says otherwise of
	URL   string // as it is written, but without slashes at the end; of a variable that is not known it has the name
}

// IsNaming takes a setting for what it says of registries; false: nothing.
func IsNaming(name, value string) (Naming, bool) {
	scope, scoped := strings.CutSuffix(name, ":registry")
	value = strings.TrimRight(trim(value), "/")
	switch {
	case value == "":
	case name == "registry":
		return Naming{URL: value}, true
	case scoped && strings.HasPrefix(scope, "@"):
		return Naming{scope, value}, true
	}
	return Naming{}, false
}

// Namings are all that any level says of registries, the strongest first. Which of them count is up to the program.
func (c Config) Namings() []Naming { return c.namings(c.levels) }

// Scope is the scope, with the "@", whose registry npm asks for packages that have none, too (npm-registry-fetch,
// pickRegistry); empty: there is none.
func (c Config) Scope() string {
	scope := c.Text("scope")
	if scope == "" || scope[0] == '@' {
		return scope
	}
	return "@" + scope
}

// AheadNamings is Namings of the command line and the environment, which go before all files.
func (c Config) AheadNamings() []Naming { return c.namings(c.levels[:2]) }

// FileNamings is Namings without those.
func (c Config) FileNamings() []Naming { return c.namings(c.levels[2:]) }

func (c Config) namings(levels []Level) (out []Naming) {
	var settings []Setting
	for _, level := range levels {
		settings = append(settings, level.settings...)
	}
	for _, s := range settings {
		for _, value := range slices.Backward(s.Values) {
			expanded, known := Expand(value, c.r.lookup)
			if !known {
				expanded = value // ${NAME?} would leave out what may make it another
			}
			if n, ok := IsNaming(s.Name, expanded); ok {
				out = append(out, n)
			}
		}
	}
	return out
}
