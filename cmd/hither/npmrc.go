package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/forward/project"
)

// npmConfig is what npm's settings say that would go before the environment we set.
type npmConfig struct {
	// CAFiles and CA (PEM text) are all that the user said at any level. Other tools may have them, too: nothing of the
	// project is among them, for who writes a project's files must not choose whom git and curl believe.
	CAFiles, CA []string

	Replaced bool   // ca or cafile is in force: npm then knows Roots and no others, not even NODE_EXTRA_CA_CERTS
	Roots    []byte // PEM text, perhaps without any certificate: then npm believes nobody

	LeftOut string // the project's directory, if it would have replaced npm's roots and was not asked; else empty
	Proxy   bool   // proxy or https-proxy: they go before HTTPS_PROXY
}

// npmReader finds npm's settings. The levels are npm's own (npm's documentation, "npmrc"; its code, @npmcli/config): the
// environment goes before the project's file, that before the user's, the global one and npm's built-in one. Of a setting,
// the strongest level counts alone. pnpm and Yarn 1 read the same files and variables.
type npmReader struct {
	Env      environment
	Home     string // for the user's file and ~/; empty: there is none
	Dir      string // the working directory; empty: it is gone
	ReadFile func(string) ([]byte, error)
	Project  bool // the project in Dir may say whom npm, and npm alone, believes

	root string   // the project's directory; read finds it
	its  []string // directories in which all is the project's; read finds them
}

// read never fails: what cannot be read is npm's to complain of.
func (n npmReader) read() npmConfig {
	asked := n.Project
	n.root = findNpmRoot(n.Dir)
	n.its = n.findIts()
	outside, inside := n, n
	outside.Project, inside.Project = false, true
	own, all := outside.levels(), inside.levels()
	c := npmConfig{Proxy: slices.ContainsFunc(all, func(s npmSettings) bool { return s.value("proxy")+s.value("https-proxy") != "" })}
	for _, level := range own {
		if path := outside.absolute(level.value("cafile")); path != "" && !outside.within(path) {
			c.CAFiles = append(c.CAFiles, path)
		}
		if text := outside.expand(level.value("ca")); text != "" {
			c.CA = append(c.CA, text)
		}
	}
	c.Roots, c.Replaced = inside.roots(all)
	if asked {
		return c
	}
	roots, replaced := outside.roots(own)
	if c.Replaced && !(replaced && bytes.Equal(roots, c.Roots)) {
		c.LeftOut = outside.root
	}
	c.Roots, c.Replaced = roots, replaced
	return c
}

// levels has the strongest first. Each may say where weaker ones are, the project, too; but without Project nobody asks it.
func (n npmReader) levels() []npmSettings {
	builtin := npmSettings(nil)
	if npm := programRoot("npm"); npm != "" {
		builtin = n.file(filepath.Join(npm, "npmrc"))
	}
	levels := []npmSettings{n.variables()}
	of := func(name, other string) string { return n.path(name, other, append(slices.Clone(levels), builtin)) }
	user := ""
	if n.Home != "" {
		user = filepath.Join(n.Home, ".npmrc")
	}
	if own := filepath.Join(n.root, ".npmrc"); n.Project && n.root != "" && own != of("userconfig", user) {
		levels = append(levels, n.file(own))
	}
	levels = append(levels, n.file(of("userconfig", user)))
	global := n.Env.Get("PREFIX")
	if global == "" {
		global = programRoot("node")
	}
	if global = of("prefix", global); global != "" {
		global = filepath.Join(global, "etc", "npmrc")
	}
	return append(levels, n.file(of("globalconfig", global)), builtin)
}

// variables are npm_config_NAME in any case of letters; npm passes over empty ones.
func (n npmReader) variables() npmSettings {
	const prefix = "npm_config_"
	var out npmSettings
	for _, line := range n.Env {
		name, _, _ := strings.Cut(line, "=")
		if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		if value := n.Env.Get(name); value != "" {
			out = out.set(strings.ToLower(strings.ReplaceAll(name[len(prefix):], "_", "-")), value, false)
		}
	}
	return out
}

func (n npmReader) file(path string) npmSettings {
	data, err := n.open(path)
	if err != nil {
		return nil
	}
	return parseNpmrc(string(data))
}

// open reads no file of the project unless the project may speak: a cafile in the user's npmrc that is relative, or begins
// with ${PWD}, is whatever the project has there.
func (n npmReader) open(path string) ([]byte, error) {
	if path == "" || !n.Project && n.within(path) {
		return nil, fs.ErrNotExist
	}
	return n.ReadFile(path)
}

// roots is what ca or cafile in force say; false: npm believes whom Node believes. The levels are gone through as npm does
// when it flattens them: of ca and cafile, the one that came later at the strongest level that has any. A cafile that is
// empty or not there is none, but a ca that is null takes back what weaker levels say.
func (n npmReader) roots(levels []npmSettings) ([]byte, bool) {
	for _, level := range levels {
		for _, s := range slices.Backward(level) {
			switch {
			case s.Name == "ca" && s.None():
				return nil, false
			case s.Name == "ca":
				return []byte(n.expand(s.Text())), true
			case s.Name == "cafile":
				data, err := n.open(n.absolute(level.value("cafile")))
				if err == nil && len(data) > 0 && len(data) <= rootLimit {
					return data, true
				}
			}
		}
	}
	return nil, false
}

// path is a setting that names a file or directory; other if no level has it.
func (n npmReader) path(name, other string, levels []npmSettings) string {
	for _, level := range levels {
		if value := level.value(name); value != "" {
			return n.absolute(value)
		}
	}
	return other
}

func (n npmReader) expand(text string) string { return expandNpm(text, n.Env.Lookup) }

// absolute is a path as npm takes it: from the working directory on, whatever file it stands in. Empty: none.
func (n npmReader) absolute(value string) string {
	value = n.expand(value)
	if value == "" {
		return ""
	}
	return filepath.Clean(places{home: n.Home}.expand(value, n.Dir))
}

// within tells whether a path is the project's by where it is.
func (n npmReader) within(path string) bool {
	return slices.ContainsFunc(n.its, func(dir string) bool { return liesIn(path, dir) })
}

// findIts takes the working directory along, for paths begin there, and the names without links, for so the npm of a
// project's own node_modules is found in PATH. A directory that holds the user's home tells nothing.
func (n npmReader) findIts() []string {
	var out []string
	home, _ := filepath.EvalSymlinks(n.Home)
	for _, dir := range []string{n.root, n.Dir} {
		straight, _ := filepath.EvalSymlinks(dir)
		for _, name := range []string{dir, straight} {
			if name != "" && !liesIn(n.Home, name) && !liesIn(home, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

func liesIn(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// findNpmRoot is the directory whose .npmrc is the project's: the nearest with a package.json or node_modules, the
// workspace above that has it among its packages, else dir itself.
func findNpmRoot(dir string) string {
	for at, below := dir, ""; at != below; at, below = filepath.Dir(at), at {
		_, noFile := os.Stat(filepath.Join(at, "package.json"))
		_, noModules := os.Stat(filepath.Join(at, "node_modules"))
		if noFile != nil && noModules != nil {
			continue
		}
		if m, err := project.ReadManifest(at); err == nil {
			return m.Dir
		}
		return at
	}
	return dir
}

// npmrcFiles lists what npm, pnpm and Yarn 1 may read: every file of the project's folder and of those above it, the
// user's and the global one. The last walks up to the root of the disk.
func npmrcFiles(env environment, home, dir string) []string {
	var files []string
	for dir != "" {
		files = append(files, filepath.Join(dir, ".npmrc"))
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
		} else {
			break
		}
	}
	if user := lookupNpm(env, "userconfig"); user != "" {
		files = append(files, user)
	} else if home != "" {
		files = append(files, filepath.Join(home, ".npmrc"))
	}
	if global := lookupNpm(env, "globalconfig"); global != "" {
		return append(files, global)
	}
	prefix := env.Get("PREFIX")
	if prefix == "" {
		prefix = programRoot("node")
	}
	if prefix != "" {
		files = append(files, filepath.Join(prefix, "etc", "npmrc"))
	}
	return files
}

func lookupNpm(env environment, name string) string {
	return env.Get("npm_config_"+name, "NPM_CONFIG_"+strings.ToUpper(name))
}
