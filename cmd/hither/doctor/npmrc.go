package doctor

import (
	"path/filepath"
	"strings"

	"hither/forward/npmrc"
	"hither/forward/project"
)

// npmSettings are npm's settings by name, each from the place that wins; see npmrc.Reader.
type npmSettings map[string]setting

// npmSettings reads what npm would read in the working directory.
func (p *Patient) npmSettings() npmSettings {
	config, found := p.npm().Read(), npmSettings{}
	for _, name := range npmNames() {
		s, _, ok := config.Get(name)
		value := s.Text()
		switch {
		case !ok || value == "null":
			continue
		case name == "noproxy":
			value = strings.Join(s.Values, ",")
		case name == "cafile":
			value = config.Path(name)
		}
		if value != "" {
			found[name] = setting{Name: s.From, Value: value}
		}
	}
	return found
}

// npmNames are the settings that decide whom npm asks, and whom it believes.
func npmNames() []string {
	return []string{"registry", "proxy", "https-proxy", "noproxy", "cafile", "ca", "strict-ssl"}
}

func (p *Patient) npm() npmrc.Reader {
	r := npmrc.Reader{Env: p.npmVariables(), Home: p.Home, Dir: p.Dir, Project: true, ReadFile: p.read}
	r.Lookup = func(name string) (string, bool) {
		value := p.lookup(name)
		return value, value != ""
	}
	if p.Root == "" {
		r.Node, r.NPM = npmrc.Installed()
	}
	for _, prefix := range []string{"/usr", "/usr/local", "/"} {
		if r.Node == "" && p.exists(filepath.Join(prefix, "etc", "npmrc")) {
			r.Node = prefix
		}
	}
	if p.Dir != "" {
		r.Root = p.npmRoot()
	}
	return r
}

// npmRoot is the project's directory, without Root.
func (p *Patient) npmRoot() string {
	root := project.Root(p.path(p.Dir))
	if p.Root == "" {
		return root
	}
	rel, err := filepath.Rel(p.Root, root)
	if err != nil || !filepath.IsLocal(rel) {
		return p.Dir
	}
	return filepath.Join("/", rel)
}

// npmVariables are those of npm's that can be asked for by name. Npm reads others in any letters, which nobody uses.
func (p *Patient) npmVariables() (env []string) {
	names := []string{"PREFIX", "DESTDIR"}
	for _, name := range append(npmNames(), "userconfig", "globalconfig", "prefix", "global", "location") {
		name = "npm_config_" + strings.ReplaceAll(name, "-", "_")
		names = append(names, strings.ToUpper(name), name)
	}
	for _, name := range names {
		if s := p.first(name); s.said() {
			env = append(env, s.Name+"="+s.Value)
		}
	}
	return env
}
