package told

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Docker is Docker's engine, which pulls images; the docker command only asks it to.
type Docker struct {
	Reader
	Ours func(address string) bool // says of a mirror that it is the one that is looked for; nil: of none
}

// Host implements Tool.
func (Docker) Host() string { return "registry-1.docker.io" }

// Registry implements Tool: the first mirror, which is asked before the registry, or ours, as another one before it still leaves
// it the rest.
func (d Docker) Registry() Setting {
	e := d.Engine()
	if len(e.Mirrors) == 0 {
		return Setting{}
	}
	if i := slices.IndexFunc(e.Mirrors, func(m string) bool { return d.Ours != nil && d.Ours(FromDesktop(m)) }); i >= 0 {
		return Setting{"registry-mirrors in " + e.File, FromDesktop(e.Mirrors[i])}
	}
	return Setting{"registry-mirrors in " + e.File, e.Mirrors[0]}
}

// Proxy implements Tool: its own file goes before its environment.
func (d Docker) Proxy() Setting {
	if e := d.Engine(); e.Proxies.HTTPS != "" {
		return Setting{"proxies in " + e.File, FromDesktop(e.Proxies.HTTPS)}
	}
	return d.unit("HTTPS_PROXY", "https_proxy")
}

// Bypass implements Tool.
func (d Docker) Bypass() Setting {
	if e := d.Engine(); e.Proxies.NoProxy != "" {
		return Setting{"no-proxy in " + e.File, e.Proxies.NoProxy}
	}
	return d.unit("NO_PROXY", "no_proxy")
}

// FromDesktop is an address as this machine has it: Docker Desktop's own machine has another name for this one.
func FromDesktop(text string) string {
	if u, err := url.Parse(text); err == nil && (u.Hostname() == "host.docker.internal" || u.Hostname() == "gateway.docker.internal") {
		u.Host = "127.0.0.1:" + u.Port()
		return u.String()
	}
	return text
}

// Engine is what matters of Docker's daemon.json (docs.docker.com, "dockerd").
type Engine struct {
	Mirrors  []string `json:"registry-mirrors"`
	Insecure []string `json:"insecure-registries"`
	DNS      []string `json:"dns"`
	Proxies  struct {
		HTTPS   string `json:"https-proxy"`
		NoProxy string `json:"no-proxy"`
	} `json:"proxies"`

	File string `json:"-"` // where it was read; empty: there is none
	Err  error  `json:"-"` // it does not parse
}

// parseEngine reads a daemon.json. An empty file is one without settings, and one may begin with a byte order mark, as for
// dockerd.
func parseEngine(data []byte) (e Engine, err error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(strings.TrimSpace(string(data))) == 0 {
		return e, nil
	}
	return e, json.Unmarshal(data, &e)
}

// Engine reads daemon.json where this system keeps it: the machine's, a rootless engine's, Docker Desktop's.
func (r Reader) Engine() Engine {
	for _, file := range []string{"/etc/docker/daemon.json", r.configFile("docker", "daemon.json"), r.AtHome(".docker", "daemon.json")} {
		data, err := r.Read(file)
		if file == "" || err != nil {
			continue
		}
		e, err := parseEngine(data)
		e.File, e.Err = file, err
		return e
	}
	return Engine{}
}

// unit reads a variable from the drop-ins of Docker's unit (docs.docker.com, "Daemon proxy configuration").
func (d Docker) unit(names ...string) Setting {
	for _, dir := range []string{"/etc/systemd/system/docker.service.d", d.configFile("systemd", "user", "docker.service.d")} {
		if dir == "" {
			continue
		}
		for _, file := range d.On.Glob(filepath.Join(dir, "*.conf")) {
			for _, want := range names {
				if value := unitVariable(d.text(file), want); value != "" {
					return Setting{Name: want + " in " + file, Value: value}
				}
			}
		}
	}
	return Setting{}
}

// unitVariable finds one variable in the Environment= lines of a unit (systemd.exec(5)): words, perhaps quoted.
func unitVariable(text, name string) (value string) {
	for raw := range strings.Lines(text) {
		list, ok := strings.CutPrefix(strings.TrimSpace(raw), "Environment=")
		if !ok {
			continue
		}
		for _, word := range splitWords(list) {
			if n, v, ok := strings.Cut(word, "="); ok && n == name {
				value = strings.ReplaceAll(v, "%%", "%")
			}
		}
	}
	return value
}

// splitWords breaks a line at blanks that are not in quotes, and takes the quotes off.
func splitWords(text string) (words []string) {
	var word strings.Builder
	var open rune
	inside := false
	for _, r := range text {
		switch {
		case open != 0 && r == open:
			open = 0
		case open == 0 && (r == '"' || r == '\''):
			open, inside = r, true
		case open == 0 && (r == ' ' || r == '\t' || r == '\r' || r == '\n'):
			if inside {
				words = append(words, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words
}

// Guests are what containers are told of, in the user's ~/.docker/config.json.
type Guests struct {
	Proxies map[string]struct { // by engine
		HTTP  string `json:"httpProxy"`
		HTTPS string `json:"httpsProxy"`
	} `json:"proxies"`

	File string `json:"-"` // where it was read; empty: there is none
	Err  error  `json:"-"` // it does not parse
}

// Guests reads the file.
func (r Reader) Guests() Guests {
	file := r.AtHome(".docker", "config.json")
	if dir := r.On.Getenv("DOCKER_CONFIG"); dir != "" {
		file = filepath.Join(dir, "config.json")
	}
	data, err := r.Read(file)
	if err != nil {
		return Guests{}
	}
	g, err := parseGuests(data)
	g.File, g.Err = file, err
	return g
}

func parseGuests(data []byte) (g Guests, err error) { return g, json.Unmarshal(data, &g) }

// Mirrors are the mirrors of the engine that runs, as `docker info` prints them in JSON.
func Mirrors(info []byte) ([]string, error) {
	var said struct {
		RegistryConfig struct{ Mirrors []string }
		ServerErrors   []string
	}
	if err := json.Unmarshal(info, &said); err != nil {
		return nil, fmt.Errorf("docker info: %w", err)
	}
	if len(said.ServerErrors) > 0 {
		return nil, fmt.Errorf("docker info: %s", said.ServerErrors[0])
	}
	return said.RegistryConfig.Mirrors, nil
}
