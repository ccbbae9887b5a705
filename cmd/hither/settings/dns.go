package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"hither/resolver/exchange/nameserver"
)

// checkDNS finds addresses and upstreams that cannot be.
func (s *Settings) checkDNS() error {
	for _, list := range []*[]string{&s.DNS, &s.Transparent} {
		if len(*list) == 1 && strings.EqualFold((*list)[0], "off") {
			*list = nil
		}
	}
	for i, text := range s.DNS {
		if strings.EqualFold(text, "off") {
			return s.Wrong("dns", errors.New("off stands beside addresses: name addresses or say off"))
		}
		at, err := netip.ParseAddrPort(text)
		if err != nil {
			addr, bare := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
			if bare != nil {
				return s.Wrong("dns", fmt.Errorf("%q is no address: write 127.0.0.1:53, or off", text))
			}
			at = netip.AddrPortFrom(addr, 53)
		}
		s.DNS[i] = at.String()
	}
	for _, text := range s.DNSUpstream {
		if _, err := nameserver.Parse(text, nameserver.Options{}); err != nil {
			return s.Wrong("dns-upstream", err)
		}
	}
	for _, name := range s.DNSAllow {
		if !isPlainName(name) {
			return s.Wrong("dns-rebinding-allow", fmt.Errorf("%q is no name: write it as nip.io, which spares all names below it, too", name))
		}
	}
	if s.DNSStrict && len(s.DNSUpstream) == 0 {
		return s.Wrong("dns-strict", errors.New("it means nothing without dns-upstream: name one, or leave it out"))
	}
	return nil
}

// isPlainName says that text is a name of DNS, and no pattern of some: *.nip.io and .nip.io have nothing below them.
func isPlainName(text string) bool {
	_, ok := dns.IsDomainName(text)
	return ok && !strings.HasPrefix(text, ".") && !strings.Contains(text, "*")
}

// IsOff says that the user has turned off what `hither install` may have asked for, and has not only said nothing.
func (s *Settings) IsOff(key string, value []string) bool {
	from := s.From[key]
	return len(value) == 0 && from != "" && from != "default"
}
