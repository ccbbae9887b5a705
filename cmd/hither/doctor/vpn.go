package doctor

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"hither/cmd/hither/doctor/kernel"
)

// vpn looks for what stands between this machine and the network: tunnels, and answers that are no real addresses.
type vpn struct{}

// Name implements Check.
func (vpn) Name() string { return "vpn" }

// Run implements Check.
func (vpn) Run(ctx context.Context, p *Patient) (out []Finding) {
	if names := tunnels(p); len(names) > 0 {
		out = append(out, note("a VPN is up ("+strings.Join(names, ", ")+"): it may have name servers and routes of its own", "If registries are slow or not to be reached, compare: `"+p.call("mirrors")+"` with the VPN and without."))
	}
	if p.Quick {
		return out
	}
	hosts := p.registries()
	fake := make([]bool, len(hosts))
	var all sync.WaitGroup
	for i, host := range hosts {
		all.Go(func() {
			addrs, _ := p.look(ctx, host)
			fake[i] = slices.ContainsFunc(addrs, func(addr netip.Addr) bool { return isFake(addr) && !p.isDoor(addr) })
		})
	}
	all.Wait()
	if i := slices.Index(fake, true); i >= 0 {
		out = append(out, warn(hosts[i]+" has an address in 198.18.0.0/15 here: Clash or another tunnel answers with fake ones (fake-IP)",
			"Hither must not learn these: name a real server with "+p.set("dns-upstream", "1.1.1.1")+", or put the registries into Clash's fake-ip-filter."))
	}
	return out
}

func tunnels(p *Patient) (names []string) {
	for _, l := range p.links() {
		if isTunnel(l) {
			names = append(names, l.Name)
		}
	}
	return names
}

// vpnCause names a VPN that is up; empty: there is none.
func vpnCause(p *Patient) string {
	if names := tunnels(p); len(names) > 0 {
		return "a VPN is up (" + strings.Join(names, ", ") + "), which"
	}
	return ""
}

// links are the interfaces that are up; none if the system does not tell.
func (p *Patient) links() (up []kernel.Link) {
	list := p.Links
	if list == nil {
		list = kernel.Links
	}
	all, _ := list()
	for _, l := range all {
		if l.Up {
			up = append(up, l)
		}
	}
	return up
}

// isTunnel says whether an interface is one of a VPN, by the names that VPNs give, and not our own.
func isTunnel(l kernel.Link) bool {
	name := strings.ToLower(l.Name)
	if strings.HasPrefix(name, "hither") {
		return false
	}
	for _, known := range []string{"tun", "tap", "wg", "ppp", "utun", "tailscale", "zt", "nordlynx", "proton", "mihomo", "meta", "clash", "sing-box"} {
		if strings.HasPrefix(name, known) {
			return true
		}
	}
	return false
}
