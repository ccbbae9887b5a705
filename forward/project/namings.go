package project

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"hither/forward/npmrc"
)

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
	namings = o.variables()
	for _, file := range o.files() {
		more, err := o.readFile(file)
		blind = blind || err
		namings = append(namings, more...)
	}
	return namings, blind
}

// variables are Yarn 2's and Bun's own names; Yarn 1 and pnpm take any setting behind a prefix, in any letters.
func (o Others) variables() (out []npmrc.Naming) {
	for _, line := range o.Env {
		name, value, _ := strings.Cut(line, "=")
		name = strings.ToLower(name)
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
	return out
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
		add(config, ".bunfig.toml", "pnpm/rc", "pnpm/config.yaml")
	}
	for _, dir := range []string{".config/pnpm", "Library/Preferences/pnpm", "AppData/Local/pnpm/config"} {
		add(o.Home, dir+"/rc", dir+"/config.yaml")
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
	var err error
	switch name {
	case "bunfig.toml", ".bunfig.toml":
		return o.parseBunfig(data)
	case ".yarnrc", "yarnrc":
		err = outline(data, o.takeYarn1(&namings))
	case "rc":
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
	return func(keys []string, value string) error {
		switch {
		case keys[0] == "npmScopes" && strings.HasPrefix(value, "{") && value != "{}":
			return errUnclear
		case keys[len(keys)-1] != "npmRegistryServer":
		case len(keys) == 1:
			*to = o.take(*to, "registry", value)
		case len(keys) == 3 && keys[0] == "npmScopes":
			*to = o.take(*to, "@"+keys[1]+":registry", value)
		}
		return nil
	}
}

// takeYarn1 reads "KEY VALUE" lines.
func (o Others) takeYarn1(to *[]npmrc.Naming) func(keys []string, value string) error {
	return func(keys []string, value string) error {
		*to = o.take(*to, keys[len(keys)-1], value)
		return nil
	}
}

// takePNPM reads registry, and registries by scope with that of all others as default. In the newer form each registry is a
// key of its own, and what it is for stands below it: that is not read, and may be all.
func (o Others) takePNPM(to *[]npmrc.Naming) func(keys []string, value string) error {
	return func(keys []string, value string) error {
		name := keys[len(keys)-1]
		switch {
		case len(keys) == 1 && name != "registries":
			*to = o.take(*to, name, value)
		case keys[0] != "registries" || len(keys) > 2:
		case len(keys) == 1:
			scopes, _ := flowMap(value)
			for scope, value := range scopes {
				*to = o.take(*to, pnpmName(scope), value)
			}
		case strings.Contains(name, "://"):
			*to = o.take(*to, "registry", name)
		default:
			*to = o.take(*to, pnpmName(name), value)
		}
		return nil
	}
}

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
