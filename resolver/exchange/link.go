package exchange

import (
	"bufio"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"
)

const (
	// maxLinks, maxDomains bound what is believed of the system's settings.
	maxLinks, maxDomains = 64, 1024
	// maxSettings bounds what is read of resolv.conf, in bytes.
	maxSettings = 64 << 10
)

// Link is what the system knows of DNS on one way out: a network interface, a VPN, or a rule for some names.
type Link struct {
	Name    string           // for people: eth0
	Servers []netip.AddrPort // none: the link is of no use
	Domains []string         // whose names are asked here, lower case without a dot at the end; "." is all names
	Default bool             // asked for what no link claims
	// Implied says that nobody wrote the servers down. Between two networks there are none either, so those known before stay.
	Implied bool
	// TLS is those of Servers that are asked by DNS over TLS because the system does so too, with the names that their
	// certificates must be for. nil: none.
	TLS map[netip.AddrPort]string
}

// tidy makes links fit for use: known spelling, no more than can be right, nothing that would hand whole top-level domains
// to whoever runs the network.
func tidy(links []Link, self func(netip.AddrPort) bool) []Link {
	var out []Link
	for _, l := range links[:min(len(links), maxLinks)] {
		if l.Servers = others(l.Servers, self); len(l.Servers) == 0 {
			continue
		}
		var domains []string
		for _, d := range l.Domains[:min(len(l.Domains), maxDomains)] {
			d = strings.ToLower(strings.Trim(strings.TrimPrefix(d, "~"), "."))
			if d == "" {
				l.Default = true
				continue
			}
			if _, ok := dns.IsDomainName(d); ok && !public(d) && !slices.Contains(domains, d) {
				domains = append(domains, d)
			}
		}
		l.Domains = domains
		out = append(out, l)
	}
	return out
}

// public says whether a domain is one under which strangers register names, such as com or co.uk. DHCP can hand out any
// search domain; with this one a network would get all names below it.
func public(domain string) bool {
	suffix, icann := publicsuffix.PublicSuffix(domain)
	return icann && suffix == domain
}

// ParseResolvConf reads nameserver, search and domain of resolv.conf(5) as one link. What it does not understand it passes
// over, and a file without a server means the one on this machine, as with the C library.
func ParseResolvConf(r io.Reader) (Link, error) {
	l := Link{Name: "resolv.conf", Default: true}
	lines := bufio.NewScanner(io.LimitReader(r, maxSettings))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			addr, err := netip.ParseAddr(fields[1])
			if err != nil {
				continue
			}
			if s := netip.AddrPortFrom(addr.Unmap(), plainPort); !slices.Contains(l.Servers, s) {
				l.Servers = append(l.Servers, s)
			}
		case "search", "domain": // the last one counts
			l.Domains = nil
			for _, d := range fields[1:] {
				if d = strings.Trim(d, "."); d != "" { // a root here only ends the search: it is no route
					l.Domains = append(l.Domains, d)
				}
			}
		}
	}
	if l.Implied = len(l.Servers) == 0; l.Implied {
		l.Servers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), plainPort)}
	}
	return l, lines.Err()
}
