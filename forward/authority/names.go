package authority

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// nowhere is permitted when there is no DNS name to permit: an empty list would permit all. RFC 6761 keeps .invalid free.
const nowhere = "hither.invalid"

// names are the hosts that leaves are made for.
type names struct {
	dns   []string // sorted, lower case
	addrs []netip.Addr
}

func parseNames(hosts []string) (names, error) {
	var n names
	for _, host := range hosts {
		host, err := clean(host)
		if err != nil {
			return n, err
		}
		if addr, err := netip.ParseAddr(host); err == nil {
			n.addrs = append(n.addrs, addr)
		} else {
			n.dns = append(n.dns, host)
		}
	}
	slices.Sort(n.dns)
	slices.SortFunc(n.addrs, netip.Addr.Compare)
	n.dns, n.addrs = slices.Compact(n.dns), slices.Compact(n.addrs)
	return n, nil
}

// clean spells a host in one way: lower case, without port, brackets and the dot at the end.
func clean(host string) (string, error) {
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err == nil {
			name = h
		}
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if addr, err := netip.ParseAddr(name); err == nil && addr.Zone() == "" {
		return addr.Unmap().String(), nil
	}
	if !isDNSName(name) {
		return "", fmt.Errorf("%.300q is not a host that a certificate can be made for; write a DNS name or an address", host)
	}
	return name, nil
}

// isDNSName knows what may stand in a certificate: letters, digits, hyphens, and underscores, which happen.
func isDNSName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		odd := func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_'
		}
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, odd) {
			return false
		}
	}
	return true
}

// has says whether host, cleaned, is one of the names.
func (n names) has(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return slices.Contains(n.addrs, addr)
	}
	return slices.Contains(n.dns, host)
}

// all lists the names as they are written.
func (n names) all() []string {
	list := slices.Clone(n.dns)
	for _, a := range n.addrs {
		list = append(list, a.String())
	}
	return list
}

// constrain writes the names into a root. A family of addresses without a name in it is excluded as a whole.
func (n names) constrain(root *x509.Certificate) {
	root.PermittedDNSDomainsCritical = true
	root.PermittedDNSDomains = n.dns
	if len(n.dns) == 0 {
		root.PermittedDNSDomains = []string{nowhere}
	}
	v4, v6 := true, true // nothing permitted
	for _, a := range n.addrs {
		root.PermittedIPRanges = append(root.PermittedIPRanges, &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())})
		v4, v6 = v4 && !a.Is4(), v6 && !a.Is6()
	}
	if v4 {
		root.ExcludedIPRanges = append(root.ExcludedIPRanges, &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)})
	}
	if v6 {
		root.ExcludedIPRanges = append(root.ExcludedIPRanges, &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)})
	}
}

// missing lists the names that root does not permit.
func (n names) missing(root *x509.Certificate) []string {
	var list []string
	for _, name := range n.dns {
		covers := func(permitted string) bool { return name == permitted || strings.HasSuffix(name, "."+permitted) }
		if !slices.ContainsFunc(root.PermittedDNSDomains, covers) {
			list = append(list, name)
		}
	}
	for _, addr := range n.addrs {
		covers := func(permitted *net.IPNet) bool { return permitted.Contains(addr.AsSlice()) }
		if !slices.ContainsFunc(root.PermittedIPRanges, covers) {
			list = append(list, addr.String())
		}
	}
	return list
}
