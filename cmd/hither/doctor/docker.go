package doctor

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"hither/cmd/hither/doctor/told"
	"hither/forward/dial"
)

// dockerClient is Docker's engine, which pulls images; the docker command only asks it to.
type dockerClient struct{}

// Name implements client.
func (dockerClient) Name() string { return "docker" }

// Told implements client.
func (dockerClient) Told(p *Patient) told.Tool {
	return told.Docker{Reader: p.reader(), Ours: p.isOursURL}
}

// Roots implements client: /etc/docker/certs.d/HOST/*.crt stand beside the system's.
func (c dockerClient) Roots(ctx context.Context, p *Patient) (shelf, string, bool) {
	dir := "/etc/docker/certs.d/" + c.Told(p).Host()
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
	file, address := p.reader().Engine().File, p.proxyAddress()
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
	engine := p.reader().Engine()
	if engine.Err != nil {
		return []Finding{fail(engine.File+" does not parse, so Docker's engine will not start again: "+engine.Err.Error(), "Correct it: `sudo dockerd --validate --config-file "+p.Shell.Quote(engine.File)+"`.")}
	}
	for _, mirror := range engine.Mirrors {
		u, err := url.Parse(mirror)
		if err == nil && p.isOurs(dial.HostPort(u)) && p.system() != "linux" {
			out = append(out, fail("Docker Desktop's engine runs in a machine of its own, where "+mirror+" is not Hither", "Write `\"registry-mirrors\": [\"http://host.docker.internal:"+u.Port()+"\"]` in "+engine.File+" and restart Docker."))
		}
	}
	if host := c.Told(p).Host(); slices.Contains(engine.Insecure, host) || slices.Contains(engine.Insecure, "0.0.0.0/0") {
		out = append(out, warn("Docker checks no certificate of "+host+": insecure-registries in "+engine.File, "Take it out of "+engine.File+"; Hither needs no such thing."))
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
	guests := p.reader().Guests()
	if guests.Err != nil {
		return []Finding{warn(guests.File+" does not parse: "+guests.Err.Error(), "Correct it: `$EDITOR "+p.Shell.Quote(guests.File)+"`.")}
	}
	for engine, set := range guests.Proxies {
		for _, text := range []string{set.HTTP, set.HTTPS} {
			u, ok := parseProxy(text)
			at, isAddress := netip.AddrPort{}, false
			if text != "" && ok {
				at, isAddress = local(dial.HostPort(u))
			}
			if isAddress && at.Addr().IsLoopback() {
				out = append(out, fail(guests.File+" tells containers ("+engine+") of the proxy "+bare(text)+", which in a container is the container itself",
					"Take it out of "+guests.File+", or name an address that containers reach, such as the bridge's: `docker network inspect bridge`."))
				break
			}
		}
	}
	return out
}

// names finds name servers that containers cannot reach, and answers of ours that mean nothing in a container.
func (containers) names(p *Patient) (out []Finding) {
	engine := p.reader().Engine()
	for _, text := range engine.DNS {
		if addr, err := netip.ParseAddr(text); err == nil && addr.IsLoopback() {
			out = append(out, fail("dns in "+engine.File+" is "+text+", which in a container is the container itself", "Name the network's own servers there: `\"dns\": [\"192.0.2.1\"]` with the addresses of `resolvectl dns`, or of resolv.conf."))
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
	inForce, err := told.Mirrors([]byte(p.run(ctx, "docker", "info", "--format", "{{json .}}")))
	if err != nil {
		return []Finding{note("Docker's engine does not answer, so only its files were looked at", "")}
	}
	isOurs := func(mirror string) bool { return p.isOursURL(strings.TrimRight(told.FromDesktop(mirror), "/")) }
	if slices.ContainsFunc(p.reader().Engine().Mirrors, isOurs) && !slices.ContainsFunc(inForce, isOurs) {
		out = append(out, warn("daemon.json names Hither as a mirror, and the running engine does not know it yet", "Let it read its file: `sudo systemctl reload docker`."))
	}
	return out
}
