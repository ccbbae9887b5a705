package doctor

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
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
		if l.tunnel() {
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
