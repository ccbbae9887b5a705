package project

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"hither/forward/npmrc"
)

// NPMRegistry is npm's own.
const NPMRegistry = "https://registry.npmjs.org"

// YarnRegistry is what Yarn asks unless it is told otherwise: its name for npm's registry, with the same packages.
const YarnRegistry = "https://registry.yarnpkg.com"

// maxBunfig is the largest bunfig.toml that is read, in bytes: a parser of TOML goes as deep as the file says.
const maxBunfig = 64 << 10

// maxSettings is the largest other file of settings that is read, in bytes.
const maxSettings = 1 << 20

// errUnclear says that a file may name registries in a way that is not read here.
var errUnclear = errors.New("it names registries in a way that is not read here: give each a line of its own")

// Others reads what Yarn, Bun and pnpm are told of registries elsewhere than in npmrc files.
type Others struct {
	Env  []string // NAME=VALUE
	Home string   // empty: there is none
	Dir  string   // of the project, or below it
	// Whole says that Env is all of the program's environment: a variable that is not in it is not set.
	Whole bool
}

// Read returns what is said, the environment first, then the files that are nearest. Blind says that more may be said: a file
// is no ordinary one, too large, or not as its program would have it.
func (o Others) Read() (namings []npmrc.Naming, blind bool) {
	namings, blind = o.variables()
	for _, file := range o.files() {
		more, err := o.readFile(file)
		blind = blind || err
		namings = append(namings, more...)
	}
	return namings, blind
}

// variables are Yarn 2's and Bun's own names; Yarn 1 and pnpm take any setting behind a prefix, in any letters. A
// file of settings that pnpm's name is not read.
func (o Others) variables() (out []npmrc.Naming, blind bool) {
	for _, line := range o.Env {
		name, value, _ := strings.Cut(line, "=")
		name = strings.ToLower(name)
		blind = blind || value != "" && (name == "pnpm_config_userconfig" || name == "pnpm_config_npmrc_auth_file")
		yarn1, yarn := strings.CutPrefix(name, "yarn_")
		pnpm, ok := strings.CutPrefix(name, "pnpm_config_")
		switch {
		case name == "yarn_npm_registry_server" || name == "bun_config_registry":
			name = "registry"
		case yarn:
			name = yarn1
		case ok:
			name = pnpm
		default:
			continue
		}
		if n, ok := npmrc.IsNaming(name, value); ok {
			out = append(out, n)
		}
	}
	return out, blind
}

// files are all that one of the programs may read. Many of them walk up to the root of the disk.
func (o Others) files() (files []string) {
	yarnrc := o.variable("YARN_RC_FILENAME")
	if yarnrc == "" || filepath.Base(yarnrc) != yarnrc {
		yarnrc = ".yarnrc.yml"
	}
	add := func(dir string, names ...string) {
		if dir == "" {
			return
		}
		for _, name := range names {
			files = append(files, filepath.Join(dir, filepath.FromSlash(name)))
		}
	}
	if o.Dir != "" {
		for dir := range upFrom(o.Dir) {
			add(dir, yarnrc, ".yarnrc", "bunfig.toml", "pnpm-workspace.yaml")
		}
	}
	add(o.Home, yarnrc, ".yarnrc", ".config/yarnrc", ".bunfig.toml")
	if config := o.variable("XDG_CONFIG_HOME"); config != "" {
		add(config, ".bunfig.toml", "pnpm/rc", "pnpm/auth.ini", "pnpm/config.yaml")
	}
	for _, dir := range []string{".config/pnpm", "Library/Preferences/pnpm", "AppData/Local/pnpm/config"} {
		add(o.Home, dir+"/rc", dir+"/auth.ini", dir+"/config.yaml")
	}
	return append(files, "/etc/yarnrc", "/usr/etc/yarnrc", "/usr/local/etc/yarnrc")
}

func (o Others) variable(name string) string {
	value, _ := o.lookup(name)
	return value
}

// readFile reads one file by its name.
func (o Others) readFile(file string) (namings []npmrc.Naming, blind bool) {
	data, err := npmrc.ReadFile(file)
	if err != nil {
		return nil, errors.Is(err, npmrc.ErrUnread)
	}
	return o.parse(filepath.Base(file), data)
}

// parse reads what a file of that name holds.
func (o Others) parse(name string, data []byte) (namings []npmrc.Naming, blind bool) {
	if len(data) > maxSettings {
		return nil, true
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var err error
	switch name {
	case "bunfig.toml", ".bunfig.toml":
		return o.parseBunfig(data)
	case ".yarnrc", "yarnrc":
		err = outline(data, o.takeYarn1(&namings))
	case "rc", "auth.ini":
		for _, s := range npmrc.Parse(string(data), name).All() {
			namings = o.take(namings, s.Name, s.Values[len(s.Values)-1])
		}
	case "pnpm-workspace.yaml", "config.yaml":
		err = outline(data, o.takePNPM(&namings))
	default:
		err = outline(data, o.takeYarn(&namings))
	}
	return namings, err != nil
}

// take notes a setting by npm's name for it.
func (o Others) take(to []npmrc.Naming, name, value string) []npmrc.Naming {
	if n, ok := npmrc.IsNaming(name, os.Expand(value, o.expand)); ok {
		to = append(to, n)
	}
	return to
}

// expand gives NAME, NAME-OTHER and NAME:-OTHER, as Yarn and pnpm have them in braces. Who is not known keeps the name, and is
// nobody's registry.
func (o Others) expand(name string) string {
	bare, other, has := strings.Cut(name, "-")
	value, known := o.lookup(strings.TrimSuffix(bare, ":"))
	switch {
	case known && (value != "" || !strings.HasSuffix(bare, ":")):
		return value
	case has && (known || o.Whole):
		return other
	}
	return "${" + name + "}"
}

func (o Others) lookup(name string) (string, bool) {
	for _, line := range slices.Backward(o.Env) {
		if n, value, ok := strings.Cut(line, "="); ok && (n == name || runtime.GOOS == "windows" && strings.EqualFold(n, name)) {
			return value, true
		}
	}
	return "", false
}

// takeYarn reads npmRegistryServer and npmScopes of Yarn 2 and later.
func (o Others) takeYarn(to *[]npmrc.Naming) func(keys []string, value string) error {
	const server = "npmRegistryServer"
	return func(keys []string, value string) error {
		name := keys[len(keys)-1]
		switch {
		case name == server && len(keys) == 1:
			return o.takeOne(to, "registry", value)
		case name == server && len(keys) == 3 && keys[0] == "npmScopes":
			return o.takeOne(to, "@"+keys[1]+":registry", value)
		case strings.Contains(name, server), strings.Contains(value, server), name == "<<",
			keys[0] == "npmScopes" && len(keys) < 3 && !isNothing(value):
			return errUnclear
		}
		return nil
	}
}

// takeYarn1 reads "KEY VALUE" lines. "--registry" and "--COMMAND.registry" are options for the command line.
func (o Others) takeYarn1(to *[]npmrc.Naming) func(keys []string, value string) error {
	return func(keys []string, value string) error {
		name, option := strings.CutPrefix(keys[len(keys)-1], "--")
		if option {
			name = name[strings.LastIndexByte(name, '.')+1:]
		}
		if !strings.Contains(name, "registry") {
			return nil
		}
		return o.takeOne(to, name, value)
	}
}

// takePNPM reads registry, and registries by scope with that of all others as default. In the newer form each registry is a
// key of its own, and what it is for stands below it: that is not read, and may be all.
func (o Others) takePNPM(to *[]npmrc.Naming) func(keys []string, value string) error {
	return func(keys []string, value string) error {
		name := keys[len(keys)-1]
		switch {
		case keys[0] == "registries" && len(keys) == 1:
			return o.takeScopes(to, value)
		case keys[0] == "registries" && len(keys) == 2 && strings.Contains(name, "://"):
			return o.takeOne(to, "registry", name)
		case keys[0] == "registries" && len(keys) == 2:
			return o.takeOne(to, pnpmName(name), value)
		case len(keys) > 1:
			return nil
		case name == "registry" || strings.HasSuffix(name, ":registry"):
			return o.takeOne(to, name, value)
		case name == "npmrcAuthFile" || name == "<<" || strings.HasPrefix(name, "{") || strings.HasPrefix(name, "?"):
			return errUnclear
		}
		return nil
	}
}

// takeScopes reads pnpm's registries where they stand on one line.
func (o Others) takeScopes(to *[]npmrc.Naming, value string) error {
	scopes, ok := flowMap(value)
	if !ok && !isNothing(value) {
		return errUnclear
	}
	for scope, value := range scopes {
		if err := o.takeOne(to, pnpmName(scope), value); err != nil {
			return err
		}
	}
	return nil
}

// takeOne is take for what must be a naming: its value may stand on the next line.
func (o Others) takeOne(to *[]npmrc.Naming, name, value string) error {
	before := len(*to)
	if *to = o.take(*to, name, value); len(*to) == before || isNothing(value) {
		return errUnclear
	}
	return nil
}

// isNothing says that what is meant stands on the lines below, or nowhere.
func isNothing(value string) bool { return value == "" || value == "{}" || value[0] == '#' }

func pnpmName(scope string) string {
	if scope == "default" {
		return "registry"
	}
	return scope + ":registry"
}

// bunfig is what Bun is told of registries: URLs, or tables with a url. Scopes may have an "@".
type bunfig struct {
	Install struct {
		Registry any
		Scopes   map[string]any
	}
}

func (o Others) parseBunfig(data []byte) (namings []npmrc.Naming, blind bool) {
	var file bunfig
	if len(data) > maxBunfig || toml.Unmarshal(data, &file) != nil {
		return nil, true
	}
	namings = o.take(nil, "registry", bunURL(file.Install.Registry))
	for scope, registry := range file.Install.Scopes {
		namings = o.take(namings, "@"+strings.TrimPrefix(scope, "@")+":registry", bunURL(registry))
	}
	return namings, false
}

func bunURL(value any) string {
	if table, ok := value.(map[string]any); ok {
		value = table["url"]
	}
	text, _ := value.(string)
	return text
}
