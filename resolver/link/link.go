// Package link knows what this machine is set up with for DNS: which servers, and for which names. [System] reads it from
// where the system keeps it (systemd-resolved, scutil, adapters and policies of Windows, else resolv.conf), [ParseResolvConf]
// from a file. [Tidy] leaves what is to be believed of it, which may have been handed out by a network.
//
//	links, err := link.System(ctx)
//	servers := link.Defaults(link.Tidy(links, isOurs))
package link

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
	// Max is how many links are believed at the most, maxDomains how many domains of each.
	Max, maxDomains = 64, 1024
	// plainPort and tlsPort are asked where the settings say no port: in the clear, and over TLS (RFC 7858, 3.1).
	plainPort, tlsPort = 53, 853
	// maxServers bounds how many of a list are asked. resolv.conf(5) stops at 3.
	maxServers = 8
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

// Tidy makes links fit for use: known spelling, no more than can be right, nothing that would hand whole top-level domains
// to whoever runs the network. Links without a server left are dropped. self says which servers are we; nil: none.
func Tidy(links []Link, self func(netip.AddrPort) bool) []Link {
	var out []Link
	for _, l := range links[:min(len(links), Max)] {
		if l.Servers = Usable(l.Servers, self); len(l.Servers) == 0 {
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

// Usable is servers without us, each once, and not too many. self says which are we; nil: none.
func Usable(servers []netip.AddrPort, self func(netip.AddrPort) bool) []netip.AddrPort {
	var out []netip.AddrPort
	for _, s := range servers {
		if s.IsValid() && (self == nil || !self(s)) && !slices.Contains(out, s) && len(out) < maxServers {
			out = append(out, s)
		}
	}
	return out
}

// Defaults lists the servers of the links that are Default, each once and not too many.
func Defaults(links []Link) []netip.AddrPort {
	var servers []netip.AddrPort
	for _, l := range links {
		if l.Default {
			servers = append(servers, l.Servers...)
		}
	}
	return Usable(servers, nil)
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
