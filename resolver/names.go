package resolver

import (
	"maps"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Names are the hosts that get our address. They do not change; who has others stores another *Names where Server.Names
// finds it. A nil *Names has no hosts. It may be used from many goroutines.
type Names struct {
	hosts map[string]struct{} // by name in wire form and lower case
	v4    netip.Addr
	v6    netip.Addr
	view  View
}

// View is what one client is told instead. v4 and v6 are our addresses as that client can reach them; an invalid one means
// that there is none of that family; v6 may be one of IPv4 in IPv6 (::ffff:127.0.7.90). ours is false for clients that must get the real answer. It is called for each
// question about our hosts, must be quick, and may be called from many goroutines.
type View func(client netip.Addr) (v4, v6 netip.Addr, ours bool)

// NewNames makes the set of hosts, matched exactly and in any letter case, and the addresses they get. An invalid address:
// the hosts have none of that family (NODATA). What is no name of a host (a pattern, an address) is left out.
//
// A client beyond this machine is never told a loopback address, which would be its own: it gets the real answer, unless a
// [View] gives it another address of ours.
func NewNames(hosts []string, v4, v6 netip.Addr) *Names {
	n := &Names{hosts: make(map[string]struct{}, len(hosts)), v4: v4.Unmap(), v6: v6}
	var wire [maxName]byte
	for _, host := range hosts {
		if _, err := netip.ParseAddr(host); err == nil || host == "" || strings.Contains(host, "*") {
			continue
		}
		end, err := dns.PackDomainName(dns.CanonicalName(host), wire[:], 0, nil, false)
		if err == nil && end > 1 {
			n.hosts[string(wire[:end])] = struct{}{}
		}
	}
	return n
}

// Seen returns the same hosts, of which each client is told what view says.
func (n *Names) Seen(view View) *Names {
	seen := *n
	seen.hosts, seen.view = maps.Clone(n.hosts), view
	return &seen
}

// Len is how many hosts there are.
func (n *Names) Len() int {
	if n == nil {
		return 0
	}
	return len(n.hosts)
}

// has says whether the name (wire form, lower case) is one of the hosts, for whomever.
func (n *Names) has(name []byte) bool {
	if n == nil {
		return false
	}
	_, ours := n.hosts[string(name)]
	return ours
}

// lookup says what to tell client about the name (wire form, lower case). host is true for processes of this machine.
func (n *Names) lookup(name []byte, client netip.Addr, host bool) (v4, v6 netip.Addr, ours bool) {
	if !n.has(name) {
		return v4, v6, false
	}
	v4, v6 = n.v4, n.v6
	if n.view != nil {
		if v4, v6, ours = n.view(client); !ours {
			return v4, v6, false
		}
		v4 = v4.Unmap()
	}
	if !host && v4.IsLoopback() {
		v4 = netip.Addr{}
	}
	if !host && v6.IsLoopback() {
		v6 = netip.Addr{}
	}
	return v4, v6, v4.IsValid() || v6.IsValid()
}
