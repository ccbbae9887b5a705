package rules

import (
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Independent reports that two upstreams of the rule, by their base URLs, are run by different people as far as can be
// told: other registrable domains, and not the same operator in the file. Subdomains and ports of one domain are one
// voice; so are two domains that the file gives one operator. What cannot be read is independent of nothing.
func (r *Rule) Independent(a, b string) bool {
	one, two := domain(a), domain(b)
	if one == "" || two == "" || one == two {
		return false
	}
	operator := r.operator(a)
	return operator == "" || operator != r.operator(b)
}

// operator is what the file says of a base; empty: nothing.
func (r *Rule) operator(base string) string {
	for _, m := range r.Mirrors {
		if m.URL == base {
			return m.Operator
		}
	}
	return ""
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
