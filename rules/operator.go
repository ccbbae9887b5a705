package rules

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Independent reports that two upstreams of the rule, by their base URLs, are run by different people as far as can be
// told: other registrable domains, and not the same operator in the file. Subdomains and ports of one domain are one
// voice; so are two domains that the file gives one operator, at whichever mirror of theirs. What cannot be read is
// independent of nothing.
func (r *Rule) Independent(a, b string) bool {
	one, two := domain(a), domain(b)
	if one == "" || two == "" || one == two {
		return false
	}
	known := r.operators(one)
	return !slices.ContainsFunc(r.operators(two), func(operator string) bool { return slices.Contains(known, operator) })
}

// operators are those whom the file names at mirrors of a domain, also at those that are off.
func (r *Rule) operators(registered string) (all []string) {
	for _, m := range r.Mirrors {
		if m.Operator != "" && domain(m.URL) == registered {
			all = append(all, m.Operator)
		}
	}
	return all
}

// domain is what somebody had to register to own a base's host: example.co.uk for cdn.example.co.uk. An address and a name
// with nothing to register, such as localhost, are their own.
func domain(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().WithZone("").String()
	}
	if registered, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return registered
	}
	return host
}
