// Package npmrc knows npm's settings: it reads npmrc files, variables and command lines as npm 11 does, lets the stronger
// level go before the weaker one, and answers what Hither has to know of them. pnpm, Yarn 1 and Bun read the same files.
//
//	r := npmrc.Reader{Env: os.Environ(), Home: home, Dir: dir, Root: project.Root(dir), Project: true}
//	r.Node, r.NPM = npmrc.Installed()
//	c := r.Read()
//	registry := c.Text("registry")
//	past := c.Bypasses("registry.npmjs.org")
//
// What is said where follows npm's documentation ("npmrc", "config") and its code (@npmcli/config, ini, nopt), and a test
// asks the npm of the machine.
//
// A project's files may be anybody's. They are read only if they are ordinary files of a sensible size, other files
// of settings that they name only in the project itself and the user's home, and keys of credentials are never held.
package npmrc

import (
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// settingsLimit is the largest npmrc that is taken in, in bytes. With a bundle of roots in it, it has 0.3 MB.
const settingsLimit = 1 << 20

// Reader finds npm's settings. The levels are npm's own: the command line goes before the environment, that before the
// project's file, then the user's, the global one and npm's built-in one. Of a setting, the strongest level counts alone.
type Reader struct {
	Args []string // npm's arguments, without the program; nil: there are none
	Env  []string // NAME=VALUE, the last of equal names counts
	// Lookup gives a variable that a value names; nil: Env does.
	Lookup func(name string) (value string, ok bool)
	Home   string // for the user's file and ~/; empty: there is none
	Dir    string // the working directory; empty: it is gone
	Root   string // the project's directory, whose .npmrc counts; empty: it is Dir
	Node   string // where node is installed, whose etc/npmrc is the global file; empty: not known
	NPM    string // where npm is installed, whose npmrc is built in; empty: not known
	// Project lets the project in Root say something.
	Project bool
	// ReadFile reads a file; nil: ReadFile of this package.
	ReadFile func(path string) ([]byte, error)

	its []string // directories in which all is the project's; Read finds them
}

// Config is what npm's settings say, the strongest level first: the command line, the environment, and files. Read makes it.
type Config struct {
	// Blind says that there is more than is known here: a file that npm would read was not, or a key's name depends on a
	// variable that nobody here knows.
	Blind bool

	levels  []Level
	builtin Level // one of levels
	r       Reader
}

// Read never fails: what is not there or cannot be read is npm's to complain of.
func (r Reader) Read() Config {
	if r.Root == "" {
		r.Root = r.Dir
	}
	c := Config{r: r}
	c.r.its = c.r.findIts()
	if r.NPM != "" {
		c.builtin = c.file(filepath.Join(r.NPM, "npmrc"), false)
	}
	c.levels = []Level{c.resolve(readArgs(r.Args)), c.resolve(r.variables())}
	user := ""
	if r.Home != "" {
		user = filepath.Join(r.Home, ".npmrc")
	}
	own := ""
	if dir := c.prefix(); dir != "" {
		own = filepath.Join(dir, ".npmrc")
	}
	if r.Project && own != c.path("userconfig", user) && !c.Global() {
		level := c.file(own, false)
		level.project = true
		c.levels = append(c.levels, level)
	}
	c.levels = append(c.levels, c.file(c.path("userconfig", user), c.led("userconfig")))
	global, led := c.path("globalconfig", ""), c.led("globalconfig")
	if prefix := c.path("prefix", r.globalPrefix()); global == "" && prefix != "" {
		global, led = filepath.Join(prefix, "etc", "npmrc"), c.led("prefix")
	}
	c.levels = append(c.levels, c.file(global, led), c.builtin)
	return c
}

// ReadAbove adds the npmrc files in the working directory and in all directories above it, as weaker levels: npm does not
// read them, but Yarn 1 does.
func (r Reader) ReadAbove() Config {
	c := r.Read()
	for dir := r.Dir; dir != ""; {
		c.levels = append(c.levels, c.file(filepath.Join(dir, ".npmrc"), false))
		above := filepath.Dir(dir)
		if above == dir {
			break
		}
		dir = above
	}
	return c
}

// prefix is npm's own: the directory whose file is the project's.
func (c Config) prefix() string {
	if cli := c.levels[0].value("prefix"); cli != "" {
		return c.r.absolute(cli)
	}
	return c.r.Root
}

// globalPrefix is where npm installs for the whole machine, if nobody says otherwise.
func (r Reader) globalPrefix() string {
	if prefix, _ := r.env("PREFIX"); prefix != "" {
		return prefix
	}
	if dest, _ := r.env("DESTDIR"); dest != "" && r.Node != "" && runtime.GOOS != "windows" {
		return filepath.Join(dest, r.Node)
	}
	return r.Node
}

// path is a setting that names a file or directory; other if no level has it.
func (c Config) path(name, other string) string {
	for _, level := range append(slices.Clone(c.levels), c.builtin) {
		if value := level.value(name); value != "" {
			return c.r.absolute(value)
		}
	}
	return other
}

// led says that it is the project's file that says where another file is.
func (c Config) led(name string) bool {
	for _, level := range c.levels {
		if level.value(name) != "" {
			return level.project
		}
	}
	return false
}

// variables are npm_config_NAME in any case of letters; npm passes over empty ones. Of equal names the last one counts.
func (r Reader) variables() Level {
	const prefix = "npm_config_"
	var out Level
	for _, line := range r.Env {
		name, value, _ := strings.Cut(line, "=")
		if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) || value == "" {
			continue
		}
		if last, ok := r.env(name); ok && last != value {
			continue // the same name comes again
		}
		key := name[len(prefix):]
		if !strings.HasPrefix(key, "//") {
			key = strings.ToLower(key[:1] + strings.ReplaceAll(key[1:], "_", "-"))
		}
		out.set(key, value, name, false)
	}
	return out
}

// file reads one npmrc. Led says that a project's file led there.
func (c *Config) file(path string, led bool) Level {
	if led && path != "" && !c.r.within(path) && !liesIn(path, c.r.Home) {
		c.Blind = true
		return Level{}
	}
	data, err := c.r.open(path)
	switch {
	case err == nil && len(data) > settingsLimit, errors.Is(err, ErrUnread):
		c.Blind = true
	case err == nil:
		return c.resolve(Parse(string(data), path))
	}
	return Level{}
}

// resolve replaces variables in keys, as npm does.
func (c *Config) resolve(level Level) Level {
	if !slices.ContainsFunc(level.settings, func(s Setting) bool { return strings.Contains(s.Name, "${") }) {
		return level
	}
	var out Level
	for _, s := range level.settings {
		name, known := Expand(s.Name, c.r.lookup)
		if c.Blind = c.Blind || !known; !known || !isAskedFor(name) {
			continue
		}
		if i, ok := out.at[name]; ok {
			out.settings[i].Values = nil
		}
		for _, value := range s.Values {
			out.set(name, value, s.From, len(s.Values) > 1)
		}
	}
	return out
}
