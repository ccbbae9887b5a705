package told

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"hither/install/toolfile"
)

// Cargo is cargo.
type Cargo struct{ Reader }

// Host implements Tool.
func (Cargo) Host() string { return "index.crates.io" }

// cargoConfig is what matters of a config.toml (The Cargo Book, "Configuration").
type cargoConfig struct {
	HTTP struct {
		Proxy  string `toml:"proxy"`
		CAInfo string `toml:"cainfo"`
	} `toml:"http"`
	Source map[string]struct {
		ReplaceWith string `toml:"replace-with"`
		Registry    string `toml:"registry"`
	} `toml:"source"`
}

// parseCargo reads a config.toml; one that is broken says nothing, as cargo itself will complain. It may begin with a byte
// order mark.
func parseCargo(data []byte) (c cargoConfig, err error) {
	return c, toml.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &c)
}

// config is the user's configuration, with where it is, and what is wrong with it; the project's own is cargo's to merge.
func (c Cargo) config() (config cargoConfig, file string, broken error) {
	file = toolfile.CargoConfig(c.On, toolfile.CargoHome(c.On))
	data, err := c.Read(file)
	if err != nil || !filepath.IsAbs(file) { // there is none, or no home
		return cargoConfig{}, "", nil
	}
	config, broken = parseCargo(data)
	return config, file, broken
}

// Broken is the file that cargo will not read, and why; nil: it will.
func (c Cargo) Broken() (file string, err error) {
	_, file, err = c.config()
	return file, err
}

// CAInfo is the file of roots that its file names.
func (c Cargo) CAInfo() Setting {
	config, file, _ := c.config()
	path := config.HTTP.CAInfo
	if path == "" {
		return Setting{}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(toolfile.CargoBase(file), path)
	}
	return Setting{Name: "http.cainfo in " + file, Value: path}
}

// Registry implements Tool: what stands for crates-io.
func (c Cargo) Registry() Setting {
	config, file, _ := c.config()
	name := "crates-io"
	for range 8 { // sources may stand for sources
		next := config.Source[name].ReplaceWith
		if next == "" {
			break
		}
		name = next
	}
	if name == "crates-io" {
		return Setting{}
	}
	return Setting{Name: "source." + name + " in " + file, Value: strings.TrimPrefix(config.Source[name].Registry, "sparse+")}
}

// Proxy implements Tool: its own setting, git's, then libcurl's variables.
func (c Cargo) Proxy() Setting {
	if s := c.First("CARGO_HTTP_PROXY"); s.Said() {
		return s
	}
	if config, file, _ := c.config(); config.HTTP.Proxy != "" {
		return Setting{Name: "http.proxy in " + file, Value: config.HTTP.Proxy}
	}
	if s := c.gitProxy(); s.Said() {
		return s
	}
	return c.First("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
}

// gitWait bounds what git takes to read its own settings: a few milliseconds, unless a disk of the network is away.
const gitWait = 3 * time.Second

// gitProxy is what git's files of the user and of the machine say; cargo reads no project's. On macOS, a git that is not
// installed asks for that on the screen, so it is not called where there are none.
func (c Cargo) gitProxy() Setting {
	if !c.Has("git") || !slices.ContainsFunc(toolfile.Git(c.On), c.On.Exists) {
		return Setting{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), gitWait)
	defer cancel()
	for _, scope := range []string{"--global", "--system"} {
		if value := strings.TrimSpace(c.Print(ctx, "git", "config", scope, "--includes", "--get", "http.proxy")); value != "" {
			return Setting{Name: "git's http.proxy", Value: value}
		}
	}
	return Setting{}
}

// Bypass implements Tool.
func (c Cargo) Bypass() Setting { return c.First("no_proxy", "NO_PROXY") }
