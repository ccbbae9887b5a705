package doctor

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// dockerClient is Docker's engine, which pulls images; the docker command only asks it to.
type dockerClient struct{}

// Name implements client.
func (dockerClient) Name() string { return "docker" }

// Host implements client.
func (dockerClient) Host() string { return "registry-1.docker.io" }

// Registry implements client: the first mirror, which is asked before the registry.
func (dockerClient) Registry(p *Patient) setting {
	c := p.engine()
	if len(c.Mirrors) == 0 {
		return setting{}
	}
	for _, mirror := range c.Mirrors { // another one before us still leaves us the rest
		if s := (setting{"registry-mirrors in " + c.file, throughDesktop(mirror)}); p.isOursURL(s.Value) {
			return s
		}
	}
	return setting{"registry-mirrors in " + c.file, c.Mirrors[0]}
}

// throughDesktop is the name that Docker Desktop's machine has for this one.
func throughDesktop(text string) string {
	if u, err := url.Parse(text); err == nil && (u.Hostname() == "host.docker.internal" || u.Hostname() == "gateway.docker.internal") {
		u.Host = "127.0.0.1:" + u.Port()
		return u.String()
	}
	return text
}

// Proxy implements client: its own file goes before its environment.
func (dockerClient) Proxy(p *Patient) setting {
	if c := p.engine(); c.Proxies.HTTPS != "" {
		return setting{"proxies in " + c.file, throughDesktop(c.Proxies.HTTPS)}
	}
	return p.unitProxy("HTTPS_PROXY", "https_proxy")
}

// Bypass implements client.
func (dockerClient) Bypass(p *Patient) setting {
	if c := p.engine(); c.Proxies.NoProxy != "" {
		return setting{"no-proxy in " + c.file, c.Proxies.NoProxy}
	}
	return p.unitProxy("NO_PROXY", "no_proxy")
}

// Roots implements client: /etc/docker/certs.d/HOST/*.crt stand beside the system's.
func (c dockerClient) Roots(ctx context.Context, p *Patient) (shelf, string, bool) {
	dir := "/etc/docker/certs.d/" + c.Host()
	remedy := "Name Hither as a mirror instead, which needs no certificate (see below), or `sudo install -Dm 644 " + p.Shell.Quote(p.rootFile()) + " " + dir + "/hither.crt`."
	if p.exists(dir) {
		if s := p.shelf("certs.d", dir); s.Ours || s.wrong() != "" {
			return s, remedy, true
		}
	}
	s, known := p.systemShelf(ctx)
	if s.Late = p.engineBefore(s.Path); s.Late && s.Ours {
		remedy = "Start Docker's engine anew, which ends its containers unless live-restore is set: `sudo systemctl restart docker`."
	}
	return s, remedy, known
}

// anchors are where `hither install --trust`, and the commands of remedies, put the root.
func anchors() []string {
	return []string{
		"/usr/local/share/ca-certificates/hither.crt", "/etc/pki/ca-trust/source/anchors/hither.pem", "/etc/ca-certificates/trust-source/anchors/hither.crt",
		"/etc/pki/trust/anchors/hither.pem", "/usr/share/pki/trust/anchors/hither.pem",
	}
}

// engineBefore says that the running engine began before our root came into a file. As every Go program it reads the system's
// roots once, when it first needs them.
func (p *Patient) engineBefore(file string) bool {
	for _, own := range anchors() { // by which the root comes into that file, which changes for other roots, too
		if p.shelf("", own).Ours {
			file = own
		}
	}
	engine, err := os.Stat(p.path("/run/docker.pid"))
	written, err2 := os.Stat(p.path(file))
	return err == nil && err2 == nil && engine.ModTime().Before(written.ModTime())
}

// Advice implements advised: the engine does not see this shell's variables.
func (dockerClient) Advice(p *Patient) string {
	file, address := p.engine().file, p.proxyAddress()
	if file == "" {
		file = "/etc/docker/daemon.json"
	}
	if command := p.installs("--tools docker"); command != "" && p.system() == "linux" {
		return "Name Hither as a mirror: `" + command + "`."
	}
	if _, port, err := net.SplitHostPort(address); err == nil && p.system() != "linux" {
		address = "host.docker.internal:" + port
	}
	return "Name Hither as a mirror: `\"registry-mirrors\": [\"http://" + address + "\"]` in " + file + ", then `sudo systemctl reload docker`."
}

// More implements client.
func (c dockerClient) More(p *Patient) (out []Finding) {
	engine := p.engine()
	if engine.err != nil {
		return []Finding{fail(engine.file+" does not parse, so Docker's engine will not start again: "+engine.err.Error(), "Correct it: `sudo dockerd --validate --config-file "+p.Shell.Quote(engine.file)+"`.")}
	}
	for _, mirror := range engine.Mirrors {
		u, err := url.Parse(mirror)
		if err == nil && p.isOurs(hostPort(u)) && p.system() != "linux" {
			out = append(out, fail("Docker Desktop's engine runs in a machine of its own, where "+mirror+" is not Hither", "Write `\"registry-mirrors\": [\"http://host.docker.internal:"+u.Port()+"\"]` in "+engine.file+" and restart Docker."))
		}
	}
	if slices.Contains(engine.Insecure, c.Host()) || slices.Contains(engine.Insecure, "0.0.0.0/0") {
		out = append(out, warn("Docker checks no certificate of "+c.Host()+": insecure-registries in "+engine.file, "Take it out of "+engine.file+"; Hither needs no such thing."))
	}
	return out
}

// containers looks at what Docker tells containers, whose loopback is not ours.
type containers struct{}

// Name implements Check.
func (containers) Name() string { return "containers" }

// Run implements Check.
func (c containers) Run(ctx context.Context, p *Patient) []Finding {
	if !p.has("docker") && !p.has("dockerd") {
		return nil
	}
	out := append(c.proxies(p), c.names(p)...)
	return append(out, c.engine(ctx, p)...)
}

// proxies finds proxies that containers are told of and cannot reach.
func (containers) proxies(p *Patient) (out []Finding) {
	file := filepath.Join(p.lookup("DOCKER_CONFIG"), "config.json")
	if p.lookup("DOCKER_CONFIG") == "" {
		file = p.home(".docker", "config.json")
	}
	data, err := p.read(file)
	if err != nil {
		return nil
	}
	guests, err := parseGuest(data)
	if err != nil {
		return []Finding{warn(file+" does not parse: "+err.Error(), "Correct it: `$EDITOR "+p.Shell.Quote(file)+"`.")}
	}
	for engine, set := range guests.Proxies {
		for _, text := range []string{set.HTTP, set.HTTPS} {
			u, ok := parseProxy(text)
			at, isAddress := netip.AddrPort{}, false
			if text != "" && ok {
				at, isAddress = local(hostPort(u))
			}
			if isAddress && at.Addr().IsLoopback() {
				out = append(out, fail(file+" tells containers ("+engine+") of the proxy "+bare(text)+", which in a container is the container itself",
					"Take it out of "+file+", or name an address that containers reach, such as the bridge's: `docker network inspect bridge`."))
				break
			}
		}
	}
	return out
}

// names finds name servers that containers cannot reach, and answers of ours that mean nothing in a container.
func (containers) names(p *Patient) (out []Finding) {
	engine := p.engine()
	for _, text := range engine.DNS {
		if addr, err := netip.ParseAddr(text); err == nil && addr.IsLoopback() {
			out = append(out, fail("dns in "+engine.file+" is "+text+", which in a container is the container itself", "Name the network's own servers there: `\"dns\": [\"192.0.2.1\"]` with the addresses of `resolvectl dns`, or of resolv.conf."))
		}
	}
	if p.Daemon.Mode != "full" || len(p.Daemon.DNS) == 0 || len(engine.DNS) > 0 {
		return out
	}
	loopback := slices.ContainsFunc(p.doorAddresses(), netip.Addr.IsLoopback)
	if loopback {
		out = append(out, warn("Hither answers this machine's DNS with a loopback address, and Docker's own DNS asks it for containers too, where loopback is the container itself",
			"Give containers the network's servers: `\"dns\": [\"192.0.2.1\"]` in /etc/docker/daemon.json, then `sudo systemctl restart docker`; pulls are the engine's and work either way."))
	}
	return append(out, note("containers on the default bridge do not use loopback name servers but 8.8.8.8, so their look-ups go past Hither", ""))
}

// engine compares the running engine with its file.
func (containers) engine(ctx context.Context, p *Patient) (out []Finding) {
	text := p.run(ctx, "docker", "info", "--format", "{{json .}}")
	info, err := parseInfo([]byte(text))
	if err != nil || len(info.ServerErrors) > 0 || text == "" {
		return []Finding{note("Docker's engine does not answer, so only its files were looked at", "")}
	}
	inFile := slices.ContainsFunc(p.engine().Mirrors, func(m string) bool { return p.isOursURL(throughDesktop(m)) })
	inForce := slices.ContainsFunc(info.RegistryConfig.Mirrors, func(m string) bool { return p.isOursURL(strings.TrimRight(throughDesktop(m), "/")) })
	if inFile && !inForce {
		out = append(out, warn("daemon.json names Hither as a mirror, and the running engine does not know it yet", "Let it read its file: `sudo systemctl reload docker`."))
	}
	return out
}
