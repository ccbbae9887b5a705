package sysdns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// firstNet is the third byte of the first address that freeAddr tries. Clash and its kin give out fake addresses from
// 198.18.0.1 upwards.
const firstNet = 53

// freeAddr finds 198.18.x.1 that nobody here uses. RFC 2544 (section C.2.2) keeps 198.18.0.0/15 for bench tests, so that it leads
// nowhere in the Internet. If a VPN has taken the whole range, an address that only its route covers will do: ours, of one
// host, is the nearer.
//
// The address before, if it is one, is taken unless somebody has it.
func freeAddr(before netip.Addr) (netip.Addr, error) {
	taken, err := takenNets()
	if err != nil {
		return netip.Addr{}, err
	}
	if before.IsValid() && !anyCovers(taken, before, isHost) {
		return before, nil
	}
	for _, covers := range []func(netip.Prefix, netip.Addr) bool{
		netip.Prefix.Contains, isHost,
	} {
		for n := range 512 {
			third := (firstNet + n) % 512
			addr := netip.AddrFrom4([4]byte{198, byte(18 + third/256), byte(third % 256), 1})
			if !anyCovers(taken, addr, covers) {
				return addr, nil
			}
		}
	}
	return netip.Addr{}, errors.New("each 198.18.x.1 and 198.19.x.1 is taken: free one of them (`ip -4 address`)")
}

func isHost(p netip.Prefix, a netip.Addr) bool { return p.Addr() == a }

func anyCovers(taken []netip.Prefix, addr netip.Addr, covers func(netip.Prefix, netip.Addr) bool) bool {
	for _, p := range taken {
		if covers(p, addr) {
			return true
		}
	}
	return false
}

// takenNets are the networks of all links and routes but the default ones (and the halves that VPNs put in their place).
func takenNets() (nets []netip.Prefix, err error) {
	addrs, err := netlink.AddrList(nil, unix.AF_INET)
	if err != nil {
		return nil, fmt.Errorf("list the addresses: %w", err)
	}
	for _, a := range addrs {
		if p, ok := prefixOf(a.IPNet); ok {
			nets = append(nets, p)
		}
	}
	routes, err := netlink.RouteListFiltered(unix.AF_INET, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list the routes: %w", err)
	}
	for _, r := range routes {
		if p, ok := prefixOf(r.Dst); ok && p.Bits() > 1 && r.Protocol != routeMark {
			nets = append(nets, p)
		}
	}
	return nets, nil
}

// prefixOf keeps the address as it is written: 198.18.0.1/16 is both a host and its network.
func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), ones), true
}

// ReleaseScoped removes the link of a Hither that no longer answers, and the route that outlived it: systemd-resolved asks
// its other servers at once. Who calls it must know that no Hither works, for it does not ask. Nothing there: nil. An empty
// name means hither0.
func ReleaseScoped(name string) error {
	if name == "" {
		name = ScopedLink
	}
	var faults []error
	if link, err := netlink.LinkByName(name); err == nil {
		if _, ok := link.(*netlink.Tuntap); ok { // nobody else's by chance of its name
			err = netlink.LinkDel(link)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("remove the link %s: %w: as root, `ip link delete %s`", name, err, name))
		}
	}
	return errors.Join(append(faults, releaseRoutes())...)
}

// releaseRoutes removes what is marked as ours.
func releaseRoutes() error {
	routes, err := netlink.RouteListFiltered(unix.AF_INET, &netlink.Route{Protocol: routeMark}, netlink.RT_FILTER_PROTOCOL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return fmt.Errorf("list the routes: %w", err)
	}
	var faults []error
	for _, r := range routes {
		if r.Type != unix.RTN_UNREACHABLE {
			continue
		}
		faults = append(faults, dropRoute(&r))
	}
	return errors.Join(faults...)
}

// dropRoute removes a route that need not be there.
func dropRoute(r *netlink.Route) error {
	if err := netlink.RouteDel(r); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("remove the route to %s: %w: as root, `ip route flush proto %d`", r.Dst, err, routeMark)
	}
	return nil
}
