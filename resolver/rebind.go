package resolver

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange/group"
)

// rebinds says whether a reply leads into this machine or its networks though a stranger may own the name, by which a web
// page could have the browser talk to what stands there. What of it the network itself says is left alone: names that a link
// claims (Private, which the caller has asked), those that only a network has, and those that its sign-in page answers for.
// But a network is a stranger, too, to what listens on this machine only, and has no reason to lead there. Whose server spoke tells nothing: the router hands on what strangers say, too. Names of developers' helpers lead inside on
// purpose: Allow is for them.
func (s *Server) rebinds(name string, reply *dns.Msg) bool {
	forbidden := inside
	if ofNetwork(name) || group.PortalCheck(name) {
		forbidden = onThisMachine
	}
	for _, spared := range s.Allow {
		if dns.IsSubDomain(dns.CanonicalName(spared), canonical(name)) {
			return false
		}
	}
	for _, record := range reply.Answer {
		for _, ip := range leadsTo(record) {
			if addr, ok := netip.AddrFromSlice(ip); ok && forbidden(addr.Unmap()) {
				s.warnOfRebinding(name, addr.Unmap())
				return true
			}
		}
	}
	return false
}

// ofNetwork says whether no stranger can own name, because the public DNS has none like it: it has one label, or a top-level
// domain of those that networks use for themselves (RFC 6762, appendix G).
func ofNetwork(name string) bool {
	labels := dns.SplitDomainName(canonical(name))
	return len(labels) == 1 || len(labels) > 1 &&
		slices.Contains([]string{"corp", "home", "internal", "intranet", "lan", "private"}, labels[len(labels)-1])
}

// warnEach is the least time between two warnings: a hostile page has any number of names.
const warnEach = 10 * time.Second

func (s *Server) warnOfRebinding(name string, addr netip.Addr) {
	now, last := s.now(), s.warned.Load()
	if !lately(last, now, warnEach) && s.warned.CompareAndSwap(last, now.UnixNano()) {
		s.Log.Warn("an answer of the public DNS leads to a private address and is withheld; spare the name with the setting dns-rebinding-allow if it is meant to",
			"name", name, "address", addr)
	}
}

// leadsTo are the addresses in a record.
func leadsTo(record dns.RR) (ips []net.IP) {
	switch r := record.(type) {
	case *dns.A:
		return []net.IP{r.A}
	case *dns.AAAA:
		return []net.IP{r.AAAA}
	case *dns.HTTPS:
		return hints(r.Value)
	case *dns.SVCB:
		return hints(r.Value)
	}
	return nil
}

func hints(values []dns.SVCBKeyValue) (ips []net.IP) {
	for _, value := range values {
		switch v := value.(type) {
		case *dns.SVCBIPv4Hint:
			ips = append(ips, v.Hint...)
		case *dns.SVCBIPv6Hint:
			ips = append(ips, v.Hint...)
		}
	}
	return ips
}

// inside says whether addr is this machine or on its networks. 100.64.0.0/10 is where overlay networks live; 198.18.0.0/15,
// which proxies make up for every name, is spared.
func inside(addr netip.Addr) bool {
	overlay := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10)
	return onThisMachine(addr) || addr.IsPrivate() || addr.IsLinkLocalUnicast() || overlay.Contains(addr)
}

// onThisMachine knows its addresses that no other has. 0.0.0.0 reaches it too.
func onThisMachine(addr netip.Addr) bool {
	this := netip.PrefixFrom(netip.AddrFrom4([4]byte{}), 8)
	return addr.IsLoopback() || addr.IsUnspecified() || this.Contains(addr)
}

// withhold is what is said instead: that the name has no address.
func withhold(name string, q *question) *dns.Msg {
	m := none(name, maxNegative)
	m.Response = true
	m.Question = []dns.Question{{Name: name, Qtype: q.qtype, Qclass: dns.ClassINET}}
	m.SetEdns0(ednsSize, false)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeFiltered, ExtraText: "a private address from the public DNS"}}
	return m
}
