package told

import (
	"path/filepath"
	"strings"

	"hither/forward/npmrc"
	"hither/forward/project"
)

// Npm is npm; pnpm and Yarn 1 read the same files.
type Npm struct{ Reader }

// Host implements Tool.
func (Npm) Host() string { return "registry.npmjs.org" }

// Get is one of npmNames, from the place that wins in the working directory; see npmrc.Reader.
func (n Npm) Get(name string) Setting {
	config := n.reader().Read()
	s, _, ok := config.Get(name)
	value := s.Text()
	switch {
	case !ok || value == "null":
		return Setting{}
	case name == "noproxy":
		value = strings.Join(s.Values, ",")
	case name == "cafile":
		value = config.Path(name)
	}
	if value == "" {
		return Setting{}
	}
	return Setting{Name: s.From, Value: value}
}

// npmNames are the settings that decide whom npm asks, and whom it believes.
func npmNames() []string {
	return []string{"registry", "proxy", "https-proxy", "noproxy", "cafile", "ca", "strict-ssl"}
}

func (n Npm) reader() npmrc.Reader {
	r := npmrc.Reader{Env: n.variables(), Home: n.On.Home, Dir: n.Dir, Project: true, ReadFile: n.Read}
	r.Lookup = func(name string) (string, bool) {
		value := n.On.Getenv(name)
		return value, value != ""
	}
	if n.On.Root == "" {
		r.Node, r.NPM = npmrc.Installed()
	}
	for _, prefix := range []string{"/usr", "/usr/local", "/"} {
		if r.Node == "" && n.On.Exists(filepath.Join(prefix, "etc", "npmrc")) {
			r.Node = prefix
		}
	}
	if n.Dir != "" {
		r.Root = n.root()
	}
	return r
}

// root is the project's directory, without On's Root.
func (n Npm) root() string {
	root := project.Root(n.On.Path(n.Dir))
	if n.On.Root == "" {
		return root
	}
	rel, err := filepath.Rel(n.On.Root, root)
	if err != nil || !filepath.IsLocal(rel) {
		return n.Dir
	}
	return filepath.Join("/", rel)
}

// variables are those of npm's that can be asked for by name. Npm reads others in any letters, which nobody uses.
func (n Npm) variables() (env []string) {
	names := []string{"PREFIX", "DESTDIR"}
	for _, name := range append(npmNames(), "userconfig", "globalconfig", "prefix", "global", "location") {
		name = "npm_config_" + strings.ReplaceAll(name, "-", "_")
		names = append(names, strings.ToUpper(name), name)
	}
	for _, name := range names {
		if s := n.First(name); s.Said() {
			env = append(env, s.Name+"="+s.Value)
		}
	}
	return env
}

// Registry implements Tool.
func (n Npm) Registry() Setting {
	s := n.Get("registry")
	if strings.TrimRight(s.Value, "/") == "https://"+n.Host() {
		return Setting{}
	}
	return s
}

// Proxy implements Tool: npm's own settings go before the environment.
func (n Npm) Proxy() Setting {
	for _, name := range []string{"https-proxy", "proxy"} {
		if s := n.Get(name); s.Said() && s.Value != "false" {
			return s
		}
	}
	return n.First("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "PROXY", "proxy")
}

// Bypass implements Tool.
func (n Npm) Bypass() Setting {
	if s := n.Get("noproxy"); s.Said() {
		return s
	}
	return n.First("NO_PROXY", "no_proxy")
}
