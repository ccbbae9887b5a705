package nameserver

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// Private says whether name is in the reverse zone of addresses that mean something only here: RFC 6303, 4; RFC 7793;
// RFC 6761, 6.1. Nobody far away knows the answer, and the question tells them of our network.
func Private(name string) bool {
	return privateZone(name) != ""
}

// privateZone is the zone of RFC 6303 that name is in; empty: none.
func privateZone(name string) string {
	name = strings.ToLower(dns.Fqdn(name))
	v4 := strings.HasSuffix(name, ".in-addr.arpa.")
	if !v4 && !strings.HasSuffix(name, ".ip6.arpa.") {
		return ""
	}
	for _, zone := range privateZones() {
		if dns.IsSubDomain(zone, name) {
			return zone
		}
	}
	if v4 {
		return sliced(name)
	}
	return ""
}

// cut says whether q is about where a private zone begins (DS), which is for the public zone above to answer: it proves to who
// validates that the private one is not signed.
func cut(q dns.Question) bool {
	return q.Qtype == dns.TypeDS && strings.EqualFold(privateZone(q.Name), dns.Fqdn(q.Name))
}

// privateZones are the zones that lie on label boundaries.
func privateZones() [18]string {
	const nibble = ".0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."
	return [...]string{
		"0.in-addr.arpa.", "10.in-addr.arpa.", "127.in-addr.arpa.", "254.169.in-addr.arpa.", "168.192.in-addr.arpa.",
		"2.0.192.in-addr.arpa.", "100.51.198.in-addr.arpa.", "113.0.203.in-addr.arpa.", "255.255.255.255.in-addr.arpa.",
		"0" + nibble, "1" + nibble, "c.f.ip6.arpa.", "d.f.ip6.arpa.", "8.e.f.ip6.arpa.", "9.e.f.ip6.arpa.",
		"a.e.f.ip6.arpa.", "b.e.f.ip6.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.",
	}
}

// sliced finds 172.16.0.0/12 and 100.64.0.0/10, each of which is many zones.
func sliced(name string) string {
	labels := dns.SplitDomainName(name)
	if len(labels) < 4 {
		return ""
	}
	first, second := labels[len(labels)-3], labels[len(labels)-4]
	n, err := strconv.ParseUint(second, 10, 8)
	if err != nil {
		return ""
	}
	if first == "172" && n >= 16 && n < 32 || first == "100" && n >= 64 && n < 128 {
		return second + "." + first + ".in-addr.arpa."
	}
	return ""
}

// ofNetwork says whether name is below a domain that is reserved for what networks have themselves: home.arpa (RFC 8375, 3), and
// internal, by ICANN. Containers find their host there, which no search domain tells.
func ofNetwork(name string) bool {
	name = strings.ToLower(dns.Fqdn(name))
	return dns.IsSubDomain("internal.", name) || dns.IsSubDomain("home.arpa.", name)
}

// near says whether a server stands in a private network, on this machine or on this link.
func near(server netip.AddrPort) bool {
	addr := server.Addr().Unmap()
	return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || netip.MustParsePrefix("100.64.0.0/10").Contains(addr)
}

// nobody is the answer for a private reverse zone that no server here knows (RFC 6303, 3).
func nobody(q *dns.Msg) *dns.Msg {
	reply := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
	reply.RecursionAvailable = true
	zone := privateZone(q.Question[0].Name)
	reply.Ns = []dns.RR{&dns.SOA{
		Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 10}, // short: the network may change
		Ns:  zone, Mbox: "nobody.invalid.", Serial: 1, Refresh: 3600, Retry: 1200, Expire: 604800, Minttl: 10,
	}}
	return reply
}
