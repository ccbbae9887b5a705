// Package chain follows the aliases of a reply, from the question to the name that has the answer, and drops what the chain
// does not lead to.
//
//	chain.Prune(reply)
//	next := chain.Next(reply.Answer, "www.example.")
package chain

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Max bounds a chain of CNAMEs. Longer ones end there.
const Max = 16

// Prune drops the records that nobody asked for: answers beside the chain of aliases that begins at the question, word of
// zones that the chain does not pass through, and additional records that no other record points to. A server has no
// business telling them, and whoever keeps them can be made to believe anything (RFC 5452, 6). A reply without exactly one question
// stays as it is.
func Prune(reply *dns.Msg) {
	if len(reply.Question) != 1 || len(reply.Answer)+len(reply.Ns)+len(reply.Extra) == 0 {
		return
	}
	chain := links(reply.Answer, reply.Question[0])
	reply.Answer = slices.DeleteFunc(reply.Answer, func(r dns.RR) bool { return !chain.answers(r) })
	reply.Ns = slices.DeleteFunc(reply.Ns, func(r dns.RR) bool { return !chain.below(r) })
	wanted := chain.names
	for _, r := range slices.Concat(reply.Answer, reply.Ns) {
		wanted = append(wanted, target(r))
	}
	reply.Extra = slices.DeleteFunc(reply.Extra, func(r dns.RR) bool {
		return r.Header().Rrtype != dns.TypeOPT && !slices.ContainsFunc(wanted, func(n string) bool { return strings.EqualFold(n, r.Header().Name) })
	})
}

// aliases is the names from the question to the end of its aliases.
type aliases struct {
	names []string
	class uint16
}

// links follows the aliases of the question. DNAME needs no step of its own: a server that sends one sends the CNAME made
// of it too (RFC 6672, 3.1).
func links(records []dns.RR, question dns.Question) aliases {
	c := aliases{names: []string{question.Name}, class: question.Qclass}
	if question.Qtype == dns.TypeCNAME || question.Qtype == dns.TypeANY {
		return c
	}
	for range Max {
		next := Next(records, c.names[len(c.names)-1])
		if next == nil || slices.ContainsFunc(c.names, func(n string) bool { return strings.EqualFold(n, next.Target) }) {
			break
		}
		c.names = append(c.names, next.Target)
	}
	return c
}

// Next is the record that says what name is another name for; nil: none does.
func Next(records []dns.RR, name string) *dns.CNAME {
	for _, record := range records {
		if c, ok := record.(*dns.CNAME); ok && c.Hdr.Class == dns.ClassINET && strings.EqualFold(c.Hdr.Name, name) {
			return c
		}
	}
	return nil
}

// answers says whether r belongs to a name of the chain, or is the DNAME above one.
func (c aliases) answers(r dns.RR) bool {
	h := r.Header()
	if h.Class != c.class && c.class != dns.ClassANY {
		return false
	}
	above := h.Rrtype == dns.TypeDNAME
	if sig, ok := r.(*dns.RRSIG); ok {
		above = sig.TypeCovered == dns.TypeDNAME
	}
	return slices.ContainsFunc(c.names, func(n string) bool {
		return strings.EqualFold(n, h.Name) || above && dns.IsSubDomain(h.Name, n)
	})
}

// below says whether r speaks of a zone that a name of the chain is in: the owner is above it, or r is one of the proofs
// of absence, whose owners are anywhere in the zone.
func (c aliases) below(r dns.RR) bool {
	owner, kind := r.Header().Name, r.Header().Rrtype
	if sig, ok := r.(*dns.RRSIG); ok {
		owner, kind = sig.SignerName, dns.TypeRRSIG
	}
	if kind == dns.TypeNSEC || kind == dns.TypeNSEC3 {
		return true // proves nothing without a signature that somebody checks
	}
	return slices.ContainsFunc(c.names, func(n string) bool { return dns.IsSubDomain(owner, n) })
}

// target is the name that r points to, as far as additional records are sent for it (RFC 1035, 3.3; RFC 2782; RFC 9460, 4).
func target(r dns.RR) string {
	switch r := r.(type) {
	case *dns.NS:
		return r.Ns
	case *dns.MX:
		return r.Mx
	case *dns.SRV:
		return r.Target
	case *dns.SVCB:
		return r.Target
	case *dns.HTTPS:
		return r.Target
	case *dns.NAPTR:
		return r.Replacement
	}
	return ""
}
