package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hither/cmd/hither/doctor/told"
	"hither/cmd/hither/port"
	"hither/forward/dial"
)

// clash looks for another proxy on this machine: Clash, mihomo and their like sit on port 7890 too.
type clash struct{}

// Name implements Check.
func (clash) Name() string { return "clash" }

// strangerWait bounds the question to the controller of a stranger on this machine.
const strangerWait = time.Second

// stranger is another proxy on this machine.
type stranger struct {
	At      netip.AddrPort
	HTTP    bool   // it agrees to, or reports of, a CONNECT
	SOCKS   bool   // it speaks SOCKS5 on the same port
	Holder  string // who has the port, in words
	Version string // of Clash, as its controller says; empty: there is none, or it does not say
	API     string // HOST:PORT of the controller; empty: none was found
}

// Run implements Check.
func (c clash) Run(ctx context.Context, p *Patient) (out []Finding) {
	for _, at := range c.candidates(p) {
		if s, ok := c.meet(ctx, p, at); ok {
			out = append(out, s.finding(p))
		}
	}
	return out
}

// candidates are the addresses where a proxy may be: where we want to be, Clash's usual ones, what the variables name.
func (clash) candidates(p *Patient) (list []netip.AddrPort) {
	texts := append(slices.Clone(p.Listen), "127.0.0.1:7890", "127.0.0.1:7897")
	for _, s := range proxySettings(p) {
		if u, ok := parseProxy(s.Value); ok {
			texts = append(texts, dial.HostPort(u))
		}
	}
	for _, text := range texts {
		at, ok := local(text)
		if ok && at.Port() != 0 && at.Addr().IsLoopback() && !slices.Contains(list, at) && !(p.Daemon.Running && p.isOurs(text)) {
			list = append(list, at)
		}
	}
	return list
}

// meet asks what is there, by what every proxy answers.
func (c clash) meet(ctx context.Context, p *Patient, at netip.AddrPort) (s stranger, found bool) {
	s = stranger{At: at, HTTP: port.AnswersConnect(ctx, p.dial, at.String()), SOCKS: port.AnswersSOCKS(ctx, p.dial, at.String())}
	if !s.HTTP && !s.SOCKS {
		return s, false
	}
	s.Holder = p.holder(ctx, at)
	for _, api := range controllers(p) {
		if version, ok := askController(ctx, p, api); ok {
			s.API, s.Version = api, version
			break
		}
	}
	return s, true
}

// isClash: its controller answers, or its name says so, or it speaks both on the port that Clash calls mixed.
func (s stranger) isClash() bool {
	name := strings.ToLower(s.Holder)
	return s.API != "" || strings.Contains(name, "clash") || strings.Contains(name, "mihomo")
}

func (s stranger) title() string {
	switch {
	case s.isClash() && s.Version != "":
		return "Clash (" + s.Version + ")"
	case s.isClash():
		return "Clash"
	case s.HTTP && s.SOCKS:
		return "another proxy, which speaks HTTP and SOCKS on one port as Clash does"
	}
	return "another proxy"
}

func (s stranger) finding(p *Patient) Finding {
	title := s.title() + ", held by " + s.Holder
	var f Finding
	switch {
	case !p.Daemon.Running && slices.ContainsFunc(p.Listen, func(text string) bool { at, ok := local(text); return ok && at == s.At }):
		f = fail(fmt.Sprintf("%s, where Hither is set to listen, is %s", s.At, title),
			fmt.Sprintf("Let both live: %s; Hither then goes out through it.", p.set("listen", port.Next(s.At.String()), "upstream-proxy", "http://"+s.At.String())))
	case s.named(p).Said():
		f = fail(fmt.Sprintf("%s is %s, and %s sends tools there instead of to Hither", s.At, title, s.named(p).Name),
			fmt.Sprintf("Send this shell to Hither: `%s`; for Hither to go out through the other one: %s.", p.thisShell(), p.set("listen", p.proxyAddress(), "upstream-proxy", "http://"+s.At.String())))
	default:
		f = note(fmt.Sprintf("%s is %s; Hither runs beside it", s.At, title),
			fmt.Sprintf("If registries are only to be reached through it: %s.", p.set("listen", p.proxyAddress(), "upstream-proxy", "http://"+s.At.String())))
	}
	return f.with("port", s.At.String()).with("controller", s.API).with("version", s.Version)
}

// named is the proxy variable that leads to it.
func (s stranger) named(p *Patient) told.Setting {
	for _, v := range proxySettings(p) {
		if u, ok := parseProxy(v.Value); ok {
			if at, ok := local(dial.HostPort(u)); ok && at == s.At {
				return v
			}
		}
	}
	return told.Setting{}
}

// controllers are where Clash's API may be: as its configuration says, else at the usual ports. Of that file nothing else
// is read; the secret in it least of all.
func controllers(p *Patient) (list []string) {
	files := []string{"/etc/mihomo/config.yaml", "/etc/clash/config.yaml"}
	for _, name := range []string{"mihomo", "clash"} {
		files = append(files, p.home(".config", name, "config.yaml"))
	}
	files = append(files, p.home(".local", "share", "io.github.clash-verge-rev.clash-verge-rev", "config.yaml"))
	for _, file := range files {
		for line := range strings.Lines(p.text(file)) {
			if value, ok := strings.CutPrefix(line, "external-controller:"); ok {
				list = append(list, strings.Trim(strings.TrimSpace(value), `"'`))
			}
		}
	}
	list = append(list, "127.0.0.1:9090", "127.0.0.1:9097")
	return slices.DeleteFunc(list, func(text string) bool {
		at, ok := local(text)
		return !ok || !at.Addr().IsLoopback() && !at.Addr().IsUnspecified()
	})
}

// askController asks /version of Clash's API. One that wants its secret is one, too.
func askController(ctx context.Context, p *Patient, api string) (version string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, strangerWait)
	defer cancel()
	transport := &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+api+"/version", nil)
	if err != nil {
		return "", false
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	var said struct {
		Version string `json:"version"`
		Meta    bool   `json:"meta"`
		Message string `json:"message"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, 4<<10)).Decode(&said) != nil {
		return "", false
	}
	if resp.StatusCode == http.StatusUnauthorized && said.Message == "Unauthorized" {
		return "", true
	}
	if said.Version == "" || resp.StatusCode != http.StatusOK {
		return "", false
	}
	if said.Meta {
		return "mihomo " + said.Version[:min(len(said.Version), 40)], true
	}
	return said.Version[:min(len(said.Version), 40)], true
}

// holder says in words who has a port.
func (p *Patient) holder(ctx context.Context, at netip.AddrPort) string {
	if p.Owner == nil {
		return port.Process{}.String()
	}
	return p.Owner(ctx, at).String()
}
