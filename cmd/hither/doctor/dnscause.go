package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// resolvConf is what matters of resolv.conf(5).
type resolvConf struct {
	Servers []netip.Addr
	Search  []string
	Dots    int // 0: not said
	Rotate  bool
	Target  string // where the link leads; empty: it is no link
	Writer  string // who says in a comment that it wrote the file; empty: nobody
	ours    []netip.AddrPort
}

// maxServers is how many servers the C library reads (MAXNS).
const maxServers = 3

func (p *Patient) resolvConf() resolvConf {
	r := parseResolvConf(p.text("/etc/resolv.conf"))
	r.Target, _ = os.Readlink(p.path("/etc/resolv.conf"))
	r.ours = servers(p.Daemon.DNS)
	return r
}

// parseResolvConf passes over what it does not understand, as the C library does.
func parseResolvConf(text string) (r resolvConf) {
	for raw := range strings.Lines(text) {
		raw = strings.TrimSpace(raw)
		if strings.HasPrefix(raw, "#") || strings.HasPrefix(raw, ";") {
			if by := writer(raw); by != "" && r.Writer == "" {
				r.Writer = by
			}
			continue
		}
		fields := strings.Fields(raw)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if addr, err := netip.ParseAddr(fields[1]); err == nil && len(r.Servers) < maxServers {
				r.Servers = append(r.Servers, addr.Unmap())
			}
		case "search", "domain":
			r.Search = fields[1:]
		case "options":
			for _, option := range fields[1:] {
				r.Rotate = r.Rotate || option == "rotate"
				if n, ok := strings.CutPrefix(option, "ndots:"); ok {
					r.Dots, _ = strconv.Atoi(n)
				}
			}
		}
	}
	return r
}

// writer knows the programs that write resolv.conf.
func writer(comment string) string {
	lower := strings.ToLower(comment)
	for _, known := range []string{"NetworkManager", "systemd-resolved", "resolvconf", "dhclient", "tailscale", "docker", "wsl", "connman", "netconfig", "hither"} {
		if strings.Contains(lower, strings.ToLower(known)) {
			return known
		}
	}
	return ""
}

// resolved says whether systemd-resolved answers this machine.
func (r resolvConf) resolved() bool {
	return slices.Contains(r.Servers, netip.AddrFrom4([4]byte{127, 0, 0, 53})) || slices.Contains(r.Servers, netip.AddrFrom4([4]byte{127, 0, 0, 54}))
}

// place is the position of our server, from 0; -1: it is not there.
func (r resolvConf) place() int {
	return slices.IndexFunc(r.Servers, func(addr netip.Addr) bool {
		return slices.ContainsFunc(r.ours, func(at netip.AddrPort) bool { return at.Addr() == addr && at.Port() == dnsPort })
	})
}

// owner says who keeps the file.
func (r resolvConf) owner() string {
	switch {
	case r.Writer != "":
		return ", which " + r.Writer + " writes,"
	case r.Target != "":
		return ", a link to " + r.Target + ","
	}
	return ""
}

// directly says how the machine comes to ask Hither itself.
func (r resolvConf) directly(p *Patient) string {
	mode := "full"
	if p.Daemon.Mode == "scoped" && p.canScope() {
		mode = "scoped"
	}
	if command := p.installs("--dns " + mode); command != "" {
		return "`" + command + "`."
	}
	for _, at := range r.ours {
		if at.Port() == dnsPort {
			return fmt.Sprintf("`sudo sed -i '1i nameserver %s' /etc/resolv.conf`%s.", at.Addr(), r.lasting())
		}
	}
	return "start Hither on the port that resolv.conf means, " + p.set("dns", "127.0.0.1:53") + ", then `sudo sed -i '1i nameserver 127.0.0.1' /etc/resolv.conf`."
}

// lasting warns of a program that will undo it.
func (r resolvConf) lasting() string {
	if r.Writer == "" {
		return ""
	}
	return ", and tell " + r.Writer + " too, which writes the file anew when the network changes"
}

// fakeNet is what Clash and its like answer with in fake-IP mode (RFC 2544's block for benchmarks).
var fakeNet = [...]netip.Prefix{netip.MustParsePrefix("198.18.0.0/15")}

func isFake(addr netip.Addr) bool { return fakeNet[0].Contains(addr) }

// explain says why a registry's name does not lead to us, from the most certain cause to the least.
func (c dnsPath) explain(ctx context.Context, p *Patient, set resolvConf, past []string, addrs []netip.Addr, err error) Finding {
	host := past[0]
	what := "DNS goes past Hither: " + strings.Join(past, ", ") + " leads to " + join(addrs, netip.Addr.String)
	if len(addrs) == 0 {
		what = fmt.Sprintf("DNS goes past Hither: %s cannot be looked up (%v)", host, err)
	}
	cause, remedy := c.cause(ctx, p, set, host, addrs)
	holder := p.holder(ctx, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort))
	f := fail(what+"; "+cause, remedy)
	if p.Daemon.Mode != "scoped" && p.Daemon.Mode != "full" { // nobody asked Hither to lead the machine's names to it
		f.Level = Warn
	}
	return f.with("port 53", holder).with("servers", join(set.Servers, netip.Addr.String)).with("resolv.conf", set.Target).
		with("hither", strings.Join(p.Daemon.DNS, ", ")).with("mode", p.Daemon.Mode)
}

func (c dnsPath) cause(ctx context.Context, p *Patient, set resolvConf, host string, addrs []netip.Addr) (cause, remedy string) {
	if entry := hostsEntry(p.text("/etc/hosts"), host); entry.IsValid() {
		return "/etc/hosts has " + entry.String() + " for " + host, "Take the line out: `sudo sed -i '/" + strings.ReplaceAll(host, ".", `\.`) + "/d' /etc/hosts`."
	}
	if slices.ContainsFunc(addrs, isFake) {
		return "addresses in 198.18.0.0/15 are Clash's fake ones", "Name the registries under fake-ip-filter and dns in Clash's configuration, or let tools use the proxy: `" + p.thisShell() + "`."
	}
	if hosts := nsswitch(p.text("/etc/nsswitch.conf")); hosts != "" && !strings.Contains(hosts, "dns") && !strings.Contains(hosts, "resolve") {
		return "/etc/nsswitch.conf asks no DNS at all (hosts: " + hosts + ")", "Add dns to its hosts line: `sudo sed -i 's/^hosts:.*/& dns/' /etc/nsswitch.conf`."
	}
	if set.resolved() || p.system() == "linux" && p.Daemon.Mode == "scoped" && p.exists(resolvedStub) {
		return c.causeResolved(ctx, p, set, host)
	}
	if p.Daemon.Mode == "scoped" && !p.canScope() {
		return "systemd-resolved, which alone can lead single names here, does not run, and /etc/resolv.conf" + set.owner() + " names " + join(set.Servers, netip.Addr.String),
			"Start it: `sudo systemctl enable --now systemd-resolved`; or have every name asked of Hither: " + set.directly(p)
	}
	if p.system() == "darwin" && !p.exists("/etc/resolver/"+host) {
		return "/etc/resolver/" + host + " is not there", "Install it: " + set.directly(p)
	}
	if cause := vpnCause(p); cause != "" && set.place() < 0 {
		return cause + " has a resolver of its own (" + join(set.Servers, netip.Addr.String) + ")", "Give the VPN a split tunnel, or let tools use the proxy: `" + p.thisShell() + "`."
	}
	switch place := set.place(); {
	case len(set.Servers) == 0:
		return "/etc/resolv.conf names no server", "Name Hither there: " + set.directly(p)
	case place < 0:
		return "/etc/resolv.conf" + set.owner() + " names " + join(set.Servers, netip.Addr.String) + " and not Hither", "Name Hither first: " + set.directly(p)
	case place > 0:
		return fmt.Sprintf("/etc/resolv.conf%s names %s before Hither", set.owner(), set.Servers[0]), "Name Hither first: " + set.directly(p)
	}
	return "programs have a resolver of their own, such as DNS over HTTPS", "Switch it off there, or let tools use the proxy: `" + p.thisShell() + "`."
}

// resolvedStub is there as long as systemd-resolved runs.
const resolvedStub = "/run/systemd/resolve/stub-resolv.conf"

// canScope says that something here can lead single names to us, which on Linux are systemd-resolved and the dnsmasq of NetworkManager.
func (p *Patient) canScope() bool {
	return p.system() != "linux" || p.exists(resolvedStub) || p.exists("/etc/NetworkManager/dnsmasq.d/hither.conf")
}

// causeResolved looks at systemd-resolved's routes.
func (dnsPath) causeResolved(ctx context.Context, p *Patient, set resolvConf, host string) (cause, remedy string) {
	domains := p.run(ctx, "resolvectl", "domain")
	switch {
	case !set.resolved():
		return "systemd-resolved has Hither's route, and /etc/resolv.conf" + set.owner() + " names " + join(set.Servers, netip.Addr.String) + " instead of it",
			"Let programs ask systemd-resolved: `sudo ln -sf " + resolvedStub + " /etc/resolv.conf`."
	case !strings.Contains(domains, "hither") && p.Service != nil && !p.Service.User:
		return "systemd-resolved has no route to Hither (`resolvectl domain` lists no link of ours)", "Start Hither again, so that it makes one: " + p.again() + "."
	case !strings.Contains(domains, "hither"):
		return "systemd-resolved has no route to Hither (`resolvectl domain` lists no link of ours)", "Start Hither with the right to make one: `sudo setcap cap_net_admin,cap_net_bind_service+ep \"$(command -v hither)\"`, then `" + p.call("up") + "` again."
	case !strings.Contains(domains, host):
		return "systemd-resolved does not lead " + host + " to Hither", "Start Hither again, so that it names every registry of the rules: " + p.again() + "."
	case strings.Contains(p.run(ctx, "resolvectl", "dnssec"), "yes"):
		return "systemd-resolved has DNSSEC=yes, so that it gets the true answer for a name that is signed, past Hither", "Let it validate where it can: `sudo resolvectl dnssec hither0 no`."
	}
	return "systemd-resolved has the route and still answers otherwise, perhaps from its memory", "Empty that: `resolvectl flush-caches`."
}

// hostsEntry is the address that the hosts file has for a host; invalid: none.
func hostsEntry(text, host string) netip.Addr {
	for raw := range strings.Lines(text) {
		raw, _, _ = strings.Cut(raw, "#")
		fields := strings.Fields(raw)
		if len(fields) < 2 || !slices.ContainsFunc(fields[1:], func(name string) bool { return strings.EqualFold(strings.TrimSuffix(name, "."), host) }) {
			continue
		}
		if addr, err := netip.ParseAddr(fields[0]); err == nil {
			return addr
		}
	}
	return netip.Addr{}
}

// nsswitch is the list of the line hosts; empty: there is none.
func nsswitch(text string) string {
	for raw := range strings.Lines(text) {
		raw, _, _ = strings.Cut(raw, "#")
		if list, ok := strings.CutPrefix(strings.TrimSpace(raw), "hosts:"); ok {
			return strings.Join(strings.Fields(list), " ")
		}
	}
	return ""
}
