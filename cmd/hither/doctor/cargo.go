package doctor

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

// cargoClient is cargo.
type cargoClient struct{}

// Name implements client.
func (cargoClient) Name() string { return "cargo" }

// Host implements client.
func (cargoClient) Host() string { return "index.crates.io" }

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

// cargoFile is the user's configuration, with where it is; the project's own is cargo's to merge.
func (p *Patient) cargoFile() (cargoConfig, string) {
	m := p.machine()
	file := toolfile.CargoConfig(m, toolfile.CargoHome(m))
	data, err := p.read(file)
	if err != nil || !filepath.IsAbs(file) { // there is none, or no home
		return cargoConfig{}, ""
	}
	c, _ := parseCargo(data)
	if c.HTTP.CAInfo != "" && !filepath.IsAbs(c.HTTP.CAInfo) {
		c.HTTP.CAInfo = filepath.Join(toolfile.CargoBase(file), c.HTTP.CAInfo)
	}
	return c, file
}

// Registry implements client: what stands for crates-io.
func (cargoClient) Registry(p *Patient) setting {
	c, file := p.cargoFile()
	name := "crates-io"
	for range 8 { // sources may stand for sources
		next := c.Source[name].ReplaceWith
		if next == "" {
			break
		}
		name = next
	}
	if name == "crates-io" {
		return setting{}
	}
	return setting{Name: "source." + name + " in " + file, Value: strings.TrimPrefix(c.Source[name].Registry, "sparse+")}
}

// Proxy implements client: its own setting, git's, then libcurl's variables.
func (cargoClient) Proxy(p *Patient) setting {
	if s := p.first("CARGO_HTTP_PROXY"); s.said() {
		return s
	}
	if c, file := p.cargoFile(); c.HTTP.Proxy != "" {
		return setting{Name: "http.proxy in " + file, Value: c.HTTP.Proxy}
	}
	if s := p.gitProxy(); s.said() {
		return s
	}
	return p.first("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
}

// gitWait bounds what git takes to read its own settings: a few milliseconds, unless a disk of the network is away.
const gitWait = 3 * time.Second

// gitProxy is what git's files of the user and of the machine say; cargo reads no project's. On macOS, a git that is not
// installed asks for that on the screen, so it is not called where there are none.
func (p *Patient) gitProxy() setting {
	m := p.machine()
	if !p.has("git") || !slices.ContainsFunc(toolfile.Git(m), m.Exists) {
		return setting{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), gitWait)
	defer cancel()
	for _, scope := range []string{"--global", "--system"} {
		if value := strings.TrimSpace(p.run(ctx, "git", "config", scope, "--includes", "--get", "http.proxy")); value != "" {
			return setting{Name: "git's http.proxy", Value: value}
		}
	}
	return setting{}
}

// Bypass implements client.
func (cargoClient) Bypass(p *Patient) setting { return p.first("no_proxy", "NO_PROXY") }

// Roots implements client.
func (cargoClient) Roots(ctx context.Context, p *Patient) (shelf, string, bool) {
	if c, file := p.cargoFile(); c.HTTP.CAInfo != "" && p.lookup("CARGO_HTTP_CAINFO") == "" {
		return p.shelf("http.cainfo in "+file, c.HTTP.CAInfo), p.appendRemedy(c.HTTP.CAInfo), true
	}
	return p.environmentRoots(ctx, "CARGO_HTTP_CAINFO", "SSL_CERT_FILE")
}

// More implements client.
func (cargoClient) More(p *Patient) []Finding {
	_, file := p.cargoFile()
	if file == "" {
		return nil
	}
	if _, err := parseCargo([]byte(p.text(file))); err != nil {
		return []Finding{warn("cargo's configuration "+file+" does not parse: "+err.Error(), "Correct it: `$EDITOR "+p.Shell.Quote(file)+"`.")}
	}
	return nil
}
