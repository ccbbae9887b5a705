package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
)

// engineConfig is what matters of Docker's daemon.json (docs.docker.com, "dockerd").
type engineConfig struct {
	Mirrors  []string `json:"registry-mirrors"`
	Insecure []string `json:"insecure-registries"`
	DNS      []string `json:"dns"`
	Proxies  struct {
		HTTP    string `json:"http-proxy"`
		HTTPS   string `json:"https-proxy"`
		NoProxy string `json:"no-proxy"`
	} `json:"proxies"`

	file string // where it was read; empty: there is none
	err  error  // it does not parse
}

// parseEngine reads a daemon.json. An empty file is one without settings, and one may begin with a byte order mark, as for
// dockerd.
func parseEngine(data []byte) (c engineConfig, err error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(strings.TrimSpace(string(data))) == 0 {
		return c, nil
	}
	return c, json.Unmarshal(data, &c)
}

// engine reads daemon.json where this system keeps it: the machine's, a rootless engine's, Docker Desktop's.
func (p *Patient) engine() engineConfig {
	for _, file := range []string{"/etc/docker/daemon.json", p.configFile("docker", "daemon.json"), p.home(".docker", "daemon.json")} {
		data, err := p.read(file)
		if file == "" || err != nil {
			continue
		}
		c, err := parseEngine(data)
		c.file, c.err = file, err
		return c
	}
	return engineConfig{}
}

// unitProxy reads a variable from the drop-ins of Docker's unit (docs.docker.com, "Daemon proxy configuration").
func (p *Patient) unitProxy(names ...string) setting {
	for _, dir := range []string{"/etc/systemd/system/docker.service.d", p.configFile("systemd", "user", "docker.service.d")} {
		if dir == "" {
			continue
		}
		files, _ := filepath.Glob(filepath.Join(p.path(dir), "*.conf"))
		for _, file := range files {
			name := filepath.Join(dir, filepath.Base(file))
			for _, want := range names {
				if value := unitVariable(p.text(name), want); value != "" {
					return setting{Name: want + " in " + name, Value: value}
				}
			}
		}
	}
	return setting{}
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

// guestConfig is what matters of the user's ~/.docker/config.json: the proxies that containers are told of.
type guestConfig struct {
	Proxies map[string]struct {
		HTTP  string `json:"httpProxy"`
		HTTPS string `json:"httpsProxy"`
		No    string `json:"noProxy"`
	} `json:"proxies"`
}

func parseGuest(data []byte) (c guestConfig, err error) { return c, json.Unmarshal(data, &c) }

// engineInfo is what matters of `docker info`.
type engineInfo struct {
	RegistryConfig struct {
		Mirrors []string
	}
	HTTPSProxy   string `json:"HttpsProxy"`
	ServerErrors []string
}

func parseInfo(data []byte) (i engineInfo, err error) {
	if err := json.Unmarshal(data, &i); err != nil {
		return i, fmt.Errorf("docker info: %w", err)
	}
	return i, nil
}
