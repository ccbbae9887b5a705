package resolver

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"hither/resolver/exchange/group"
)

const (
	// ruleTTL is that of answers by rule, in seconds: a rule may be changed by the user (Private, the hosts file).
	ruleTTL = 60
	// hostsTTL is that of the hosts file's addresses.
	hostsTTL = 5
)

// canonical is name in lower case. It is in presentation form, and has its last dot.
func canonical(name string) string { return strings.ToLower(name) }

// byRule answers what must or need not be asked of anybody: probes of our own, the hosts file, special-use names (RFC 6761
// and the registry it began). nil: pass it on.
func (s *Server) byRule(name string, q *question) (m *dns.Msg, how string) {
	name = canonical(name)
	labels := dns.SplitDomainName(name)
	if len(labels) == 0 {
		return nil, ""
	}
	if strings.HasSuffix(name, "."+group.LoopZone) {
		if s.LoopSeen != nil && q.qtype == dns.TypeTXT {
			s.LoopSeen(name)
		}
		return missing(group.LoopZone), "special"
	}
	if addrs := s.Hosts.Lookup(strings.TrimSuffix(name, ".")); len(addrs) > 0 && labels[len(labels)-1] != "localhost" {
		if m := fromHosts(name, q, addrs); m != nil {
			return m, "hosts"
		}
	}
	if s.Private != nil && s.Private(name) && labels[len(labels)-1] != "localhost" && name != localhostV4 && name != oneV6 {
		return nil, ""
	}
	return s.special(name, labels, q), "special"
}

// fromHosts answers for a name of the hosts file. HTTPS, SVCB and all records at once would lead past it; what else the name has
// is not the file's affair.
func fromHosts(name string, q *question, addrs []netip.Addr) *dns.Msg {
	m := none(name, hostsTTL)
	switch q.qtype {
	case dns.TypeHTTPS, dns.TypeSVCB, dns.TypeANY:
		return m
	case dns.TypeA, dns.TypeAAAA:
		m.Answer = addresses(name, q.qtype, hostsTTL, addrs...)
		if len(m.Answer) > 0 {
			m.Ns = nil
		}
		return m
	}
	return nil
}

// addresses are records of those in addrs that are of the type asked for.
func addresses(name string, qtype uint16, ttl uint32, addrs ...netip.Addr) (records []dns.RR) {
	h := dns.RR_Header{Name: name, Rrtype: qtype, Class: dns.ClassINET, Ttl: ttl}
	for _, addr := range addrs {
		switch {
		case qtype == dns.TypeA && addr.Is4():
			records = append(records, &dns.A{Hdr: h, A: addr.AsSlice()})
		case qtype == dns.TypeAAAA && addr.Is6():
			records = append(records, &dns.AAAA{Hdr: h, AAAA: addr.AsSlice()})
		}
	}
	return records
}

// special answers for names that the public DNS knows nothing of; asked there, they would only tell strangers about us.
func (s *Server) special(name string, labels []string, q *question) *dns.Msg {
	top := labels[len(labels)-1] + "."
	switch top {
	case "localhost.": // RFC 6761, 6.3
		return loopback(name, q)
	case "invalid.", "test.", // RFC 6761, 6.4 and 6.2
		"local.",    // RFC 6762, 22.1: asked by multicast
		"onion.",    // RFC 7686
		"alt.",      // RFC 9476
		"internal.": // reserved by ICANN for private use
		return missing(top)
	case "arpa.":
		return specialArpa(name, labels, q)
	case "net.":
		if s.Canary && name == "use-application-dns.net." {
			return missing(name)
		}
	}
	return nil
}

// loopback is this machine by name.
func loopback(name string, q *question) *dns.Msg {
	m := none("localhost.", ruleTTL)
	if found := addresses(name, q.qtype, ruleTTL, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()); len(found) > 0 {
		m.Answer, m.Ns = found, nil
	}
	return m
}

// specialArpa answers for the names below arpa.
func specialArpa(name string, labels []string, q *question) *dns.Msg {
	var zone string
	switch labels[max(0, len(labels)-2)] {
	case "home": // RFC 8375, 4
		zone = "home.arpa."
	case "resolver": // RFC 9462, 6.4: we have no encrypted door to tell of
		return none("resolver.arpa.", ruleTTL)
	case "in-addr":
		zone = localV4(labels)
	case "ip6":
		zone = localV6(labels)
	}
	if zone == "" || name == zone && q.qtype == dns.TypeDS { // the parent's to answer
		return nil
	}
	if name == localhostV4 || name == oneV6 {
		return reverse(name, zone, q)
	}
	if name != zone || zone == zeroV6 || zone == everyV4 {
		return missing(zone)
	}
	m := none(zone, ruleTTL)
	switch q.qtype { // RFC 6303, 3
	case dns.TypeSOA:
		m.Answer, m.Ns = m.Ns, nil
	case dns.TypeNS:
		m.Answer, m.Ns = []dns.RR{&dns.NS{Hdr: header(zone, dns.TypeNS, ruleTTL), Ns: zone}}, nil
	}
	return m
}

func reverse(name, zone string, q *question) *dns.Msg {
	m := none(zone, ruleTTL)
	if q.qtype == dns.TypePTR {
		m.Answer, m.Ns = []dns.RR{&dns.PTR{Hdr: header(name, dns.TypePTR, ruleTTL), Ptr: "localhost."}}, nil
	}
	return m
}

// localV4 is the zone of addresses that are everybody's (RFC 6303, 4.1 and 4.2; RFC 7793), empty if name is in none.
func localV4(labels []string) string {
	part := func(i int) string { // the i-th number of the address
		if at := len(labels) - 2 - i; at >= 0 {
			return labels[at]
		}
		return ""
	}
	first, second := part(1), part(2)
	keep := 0
	switch {
	case first == "10", first == "0", first == "127":
		keep = 1
	case first == "192" && second == "168", first == "169" && second == "254",
		first == "172" && between(second, 16, 31), first == "100" && between(second, 64, 127):
		keep = 2
	case first == "192" && second == "0" && part(3) == "2", first == "198" && second == "51" && part(3) == "100",
		first == "203" && second == "0" && part(3) == "113":
		keep = 3
	case first == "255" && second == "255" && part(3) == "255" && part(4) == "255":
		keep = 4
	default:
		return ""
	}
	return strings.Join(labels[len(labels)-2-keep:], ".") + "."
}

// between reads a number as reverse names have it.
func between(text string, from, to int) bool {
	n := 0
	for _, r := range []byte(text) {
		if r < '0' || r > '9' || n > 255 {
			return false
		}
		n = n*10 + int(r-'0')
	}
	return text != "" && text[0] != '0' && from <= n && n <= to
}

const (
	zeroV6 = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."
	// everyV4 and zeroV6 are zones of one address each, which has no name.
	everyV4 = "255.255.255.255.in-addr.arpa."
	// localhostV4 and oneV6 are what localhost is called backwards (RFC 6303, 3): no network knows more of it.
	localhostV4 = "1.0.0.127.in-addr.arpa."
	oneV6       = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."
)

// localV6 is the same for IPv6 (RFC 6303, 4.3 to 4.6).
func localV6(labels []string) string {
	name := strings.Join(labels, ".") + "."
	for _, zone := range [...]string{
		zeroV6, oneV6, "d.f.ip6.arpa.",
		"8.e.f.ip6.arpa.", "9.e.f.ip6.arpa.", "a.e.f.ip6.arpa.", "b.e.f.ip6.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.",
	} {
		if name == zone || strings.HasSuffix(name, "."+zone) && dns.IsSubDomain(zone, name) {
			return zone
		}
	}
	return ""
}

func header(name string, rrtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}

// none says that the name has nothing of that kind; zone is what the SOA speaks for.
func none(zone string, ttl uint32) *dns.Msg {
	return &dns.Msg{Ns: []dns.RR{&dns.SOA{
		Hdr: header(zone, dns.TypeSOA, ttl), Ns: zone, Mbox: "nobody.invalid.",
		Serial: 1, Refresh: 3600, Retry: 1200, Expire: 604800, Minttl: ttl,
	}}}
}

// missing says that there is no such name.
func missing(zone string) *dns.Msg {
	m := none(zone, ruleTTL)
	m.Rcode = dns.RcodeNameError
	return m
}
