package doctor

import (
	"net"
	"net/netip"
	"strings"
)

// links are the interfaces that are up; none if the system does not tell.
func (p *Patient) links() (up []Link) {
	list := p.Links
	if list == nil {
		list = systemLinks
	}
	all, _ := list()
	for _, l := range all {
		if l.Up {
			up = append(up, l)
		}
	}
	return up
}

func systemLinks() ([]Link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	links := make([]Link, 0, len(all))
	for _, i := range all {
		l := Link{Name: i.Name, MTU: i.MTU, Up: i.Flags&net.FlagUp != 0, Loopback: i.Flags&net.FlagLoopback != 0}
		addrs, _ := i.Addrs()
		for _, addr := range addrs {
			if prefix, err := netip.ParsePrefix(addr.String()); err == nil {
				l.Addrs = append(l.Addrs, prefix.Addr())
			}
		}
		links = append(links, l)
	}
	return links, nil
}

// tunnel says whether an interface is one of a VPN, by the names that VPNs give, and not our own.
func (l Link) tunnel() bool {
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
