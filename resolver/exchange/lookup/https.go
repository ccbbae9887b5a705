package lookup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// maxServices bounds the HTTPS records of one reply that are read.
const maxServices = 16

// LookupHTTPS asks what the HTTPS record of host (RFC 9460) offers: the protocols by their ALPN names, and the port, 443 if
// the record says nothing else. Only records that lead to host itself are read, not those that lead to another name. No
// such record is an error that wraps [ErrNotFound]. The answer is not kept here: ask seldom.
func (r *Resolver) LookupHTTPS(ctx context.Context, host string) (alpn []string, port uint16, err error) {
	name, err := canonical(host)
	if err != nil {
		return nil, 0, err
	}
	if r.Exchange == nil {
		return nil, 0, errors.New("there is no name server to ask; name one in the setting dns-upstream")
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	reply, err := r.Exchange.Exchange(ctx, new(dns.Msg).SetQuestion(name, dns.TypeHTTPS))
	if err != nil {
		return nil, 0, fmt.Errorf("look up the HTTPS record of %s: %w", host, err)
	}
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return nil, 0, fmt.Errorf("look up the HTTPS record of %s: the name server says %s", host, rcode(reply.Rcode))
	}
	best := service(reply, name)
	if best == nil {
		return nil, 0, fmt.Errorf("%s has no HTTPS record that we can use: %w", host, ErrNotFound)
	}
	alpn, port, _ = parameters(best)
	return alpn, port, nil
}

// service is the usable record of the smallest priority; nil: none.
func service(reply *dns.Msg, name string) (best *dns.HTTPS) {
	if reply.Rcode != dns.RcodeSuccess {
		return nil
	}
	end, _ := chase(reply.Answer, name)
	seen := 0
	for _, record := range reply.Answer {
		h, ok := record.(*dns.HTTPS)
		if !ok || h.Hdr.Class != dns.ClassINET || !strings.EqualFold(h.Hdr.Name, end) {
			continue
		}
		if seen++; seen > maxServices {
			break
		}
		here := h.Target == "." || strings.EqualFold(dns.Fqdn(h.Target), end) || strings.EqualFold(dns.Fqdn(h.Target), name)
		_, _, known := parameters(h)
		if h.Priority > 0 && here && known && (best == nil || h.Priority < best.Priority) { // 0 is an alias
			best = h
		}
	}
	return best
}

// parameters reads a record. known is false if it demands what we do not know (RFC 9460, 8).
func parameters(h *dns.HTTPS) (alpn []string, port uint16, known bool) {
	port, known = 443, true
	alone := false
	for _, value := range h.Value {
		switch v := value.(type) {
		case *dns.SVCBAlpn:
			alpn = append(alpn, v.Alpn...)
		case *dns.SVCBPort:
			port = v.Port
		case *dns.SVCBNoDefaultAlpn:
			alone = true
		case *dns.SVCBMandatory:
			for _, key := range v.Code {
				known = known && slices.Contains([]dns.SVCBKey{dns.SVCB_ALPN, dns.SVCB_NO_DEFAULT_ALPN, dns.SVCB_PORT, dns.SVCB_IPV4HINT, dns.SVCB_IPV6HINT}, key)
			}
		}
	}
	if !alone && !slices.Contains(alpn, "http/1.1") {
		alpn = append(alpn, "http/1.1") // the default of https (RFC 9460, 9.5)
	}
	return alpn, port, known
}
