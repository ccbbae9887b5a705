package link

import (
	"net/netip"
	"strings"
)

// nrptServers is the bit of ConfigOptions that says that a rule names servers ([MS-GPNRPT], 2.2.2.1).
const nrptServers = 0x8

// parseNRPT reads one rule of Windows' name resolution policy table: names, of which those with a dot before are suffixes,
// and servers with semicolons between. A name without a dot before is a whole name; here it stands for what is below it
// too. ok is false if the rule is not about servers.
func parseNRPT(id string, names []string, servers string, options uint64) (l Link, ok bool) {
	l.Name = id
	for word := range strings.SplitSeq(servers, ";") {
		if addr, err := netip.ParseAddr(strings.TrimSpace(word)); err == nil {
			l.Servers = append(l.Servers, netip.AddrPortFrom(addr.Unmap(), plainPort))
		}
	}
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" {
			l.Domains = append(l.Domains, name) // "." is all names
		}
	}
	return l, options&nrptServers != 0 && len(l.Servers) > 0 && len(l.Domains) > 0
}
