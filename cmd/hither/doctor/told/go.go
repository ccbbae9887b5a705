package told

import (
	"path/filepath"
	"strings"

	"hither/install/lines"
)

// Go is the go command.
type Go struct{ Reader }

// Host implements Tool.
func (Go) Host() string { return "proxy.golang.org" }

// Get looks where the go command does: the environment, the file of `go env -w`, GOROOT/go.env (cmd/go/internal/cfg).
func (g Go) Get(name string) Setting {
	if s := g.First(name); s.Said() {
		return s
	}
	for _, file := range g.files() {
		if value, _ := lines.GoSetting(g.text(file), name); value != "" {
			return Setting{Name: name + " in " + file, Value: value}
		}
	}
	return Setting{}
}

func (g Go) files() (files []string) {
	own := g.On.Getenv("GOENV")
	if own == "" {
		own = g.configFile("go", "env")
	}
	if own != "" && own != "off" {
		files = append(files, own)
	}
	if g.GoRoot != "" {
		files = append(files, filepath.Join(g.GoRoot, "go.env"))
	}
	return files
}

// Registry implements Tool: the first of GOPROXY that counts. What the public proxy stands before, Go asks only when that has
// nothing.
func (g Go) Registry() Setting {
	s := g.Get("GOPROXY")
	first := s.Value
	if i := strings.IndexAny(first, ",|"); i >= 0 {
		first = first[:i]
	}
	if s.Value = strings.TrimSpace(first); strings.TrimRight(s.Value, "/") == "https://"+g.Host() {
		return Setting{}
	}
	return s
}

// Proxy implements Tool (net/http.ProxyFromEnvironment).
func (g Go) Proxy() Setting { return g.First("HTTPS_PROXY", "https_proxy") }

// Bypass implements Tool.
func (g Go) Bypass() Setting { return g.First("NO_PROXY", "no_proxy") }
