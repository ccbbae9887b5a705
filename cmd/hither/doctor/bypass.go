package doctor

import (
	"context"
	"net/url"
	"strings"

	"hither/cmd/hither/doctor/told"

	"golang.org/x/net/http/httpproxy"
)

// bypasses looks at NO_PROXY.
type bypasses struct{}

// Name implements Check.
func (bypasses) Name() string { return "no-proxy" }

// Run implements Check.
func (bypasses) Run(_ context.Context, p *Patient) (out []Finding) {
	upper, lower := p.first("NO_PROXY"), p.first("no_proxy")
	if upper.Said() && lower.Said() && !sameList(upper.Value, lower.Value) && p.system() != "windows" {
		out = append(out, warn("NO_PROXY and no_proxy differ, and each tool reads the one it likes: "+upper.Value+" against "+lower.Value,
			"Make them equal: `"+p.Shell.Copy("no_proxy", "NO_PROXY")+"`."))
	}
	for _, s := range []told.Setting{upper, lower} {
		out = append(out, judgeBypass(p, s)...)
	}
	if len(out) == 0 && (upper.Said() || lower.Said()) {
		out = append(out, well("NO_PROXY hides no registry from Hither"))
	}
	return out
}

// judgeBypass looks at one list.
func judgeBypass(p *Patient, s told.Setting) (out []Finding) {
	if !s.Said() {
		return nil
	}
	hidden := map[string][]string{} // by entry
	for _, host := range p.registries() {
		if entry := hides(s.Value, host); entry != "" {
			hidden[entry] = append(hidden[entry], host)
		}
	}
	for _, entry := range entries(s.Value) {
		hosts := hidden[entry]
		if len(hosts) == 0 {
			continue
		}
		out = append(out, fail(s.Name+" has "+entry+", which hides "+strings.Join(hosts, ", ")+" from Hither: tools go there directly",
			"Take it out: `"+p.export(s.Name, without(s.Value, entry))+"`, also where your shell's profile sets it.").with("entry", entry).with("list", s.Value))
	}
	proxied := p.first("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy").Said()
	if proxied && hides(s.Value, "localhost") == "" && len(hidden) == 0 {
		out = append(out, note(s.Name+" lacks localhost, so some tools send even requests to this machine through the proxy",
			"Add it: `"+p.export(s.Name, s.Value+",localhost,127.0.0.1,::1")+"`."))
	}
	return out
}

// hides is the entry of a NO_PROXY list because of which host is asked directly; empty: none. Tools differ in the corners;
// this is curl's and Go's common ground.
func hides(list, host string) string {
	target := &url.URL{Scheme: "https", Host: host}
	for _, entry := range entries(list) {
		if entry == "*" || strings.EqualFold(entry, host) {
			return entry
		}
		direct := httpproxy.Config{HTTPSProxy: "http://192.0.2.1:1", NoProxy: entry}
		if host == "localhost" { // which httpproxy never sends to a proxy
			continue
		}
		if via, err := direct.ProxyFunc()(target); err == nil && via == nil {
			return entry
		}
	}
	return ""
}

func entries(list string) (out []string) {
	for _, entry := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if entry = strings.TrimSpace(entry); entry != "" {
			out = append(out, entry)
		}
	}
	return out
}

// without is the list without an entry.
func without(list, entry string) string {
	var out []string
	for _, other := range entries(list) {
		if other != entry {
			out = append(out, other)
		}
	}
	return strings.Join(out, ",")
}

func sameList(a, b string) bool {
	return strings.Join(entries(a), ",") == strings.Join(entries(b), ",")
}
