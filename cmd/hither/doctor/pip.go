package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hither/install/lines"
	"hither/install/toolfile"
)

// pipClient is pip; uv reads some of the same variables.
type pipClient struct{}

// Name implements client.
func (pipClient) Name() string { return "pip" }

// Host implements client.
func (pipClient) Host() string { return "pypi.org" }

// pipSetting looks where pip does: PIP_NAME, then the configuration files, the strongest first (pip's documentation,
// "Configuration").
func (p *Patient) pipSetting(name string) setting {
	if s := p.first("PIP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))); s.said() {
		return s
	}
	files := toolfile.Pip(p.machine())
	for _, section := range []string{"install", "global"} { // a command's own section goes before [global], of whatever file
		for _, file := range slices.Backward(files) {
			if s := findPip(p.text(file), section, name); s.said() {
				s.Name = fmt.Sprintf("%s in %s", name, file)
				return s
			}
		}
	}
	return setting{}
}

// findPip reads one section of one file; one that pip would not read says nothing.
func findPip(text, section, name string) setting {
	file, err := lines.ParseINI([]byte(text), lines.PipStyle())
	if err != nil {
		return setting{}
	}
	entry, _ := file.Get(section, name)
	return setting{Name: name, Value: entry.Value}
}

// Registry implements client.
func (c pipClient) Registry(p *Patient) setting {
	s := p.pipSetting("index-url")
	if strings.HasPrefix(s.Value, "https://"+c.Host()+"/") {
		return setting{}
	}
	return s
}

// Proxy implements client: requests reads the small letters first.
func (pipClient) Proxy(p *Patient) setting {
	if s := p.pipSetting("proxy"); s.said() {
		return s
	}
	return p.first("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
}

// Bypass implements client.
func (pipClient) Bypass(p *Patient) setting { return p.first("no_proxy", "NO_PROXY") }

// Roots implements client. From 24.2 on pip asks the system; before it had roots of its own.
func (pipClient) Roots(ctx context.Context, p *Patient) (shelf, string, bool) {
	if s := p.pipSetting("cert"); s.said() {
		return p.shelf(s.Name, s.Value), p.appendRemedy(s.Value), true
	}
	return p.environmentRoots(ctx, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
}

// More implements client.
func (c pipClient) More(p *Patient) (out []Finding) {
	if s := p.pipSetting("trusted-host"); s.said() && slices.ContainsFunc(strings.Fields(s.Value), func(h string) bool { return h == c.Host() || h == "files.pythonhosted.org" }) {
		out = append(out, warn("pip checks no certificate of a host in "+s.Name, "Take it back: `pip config unset global.trusted-host`; Hither needs no such thing."))
	}
	return out
}
