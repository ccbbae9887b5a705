package link

import (
	"bufio"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// parseScutil reads what `scutil --dns` of macOS prints: numbered resolvers, each with its servers, those with a domain for
// that domain alone. It ends before the resolvers for scoped queries, which repeat the others by interface.
func parseScutil(r io.Reader) ([]Link, error) {
	var links []Link
	var now *scutilResolver
	lines := bufio.NewScanner(io.LimitReader(r, maxSettings))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "DNS configuration (for scoped") {
			break
		}
		if strings.HasPrefix(line, "resolver #") {
			links = now.appendTo(links)
			now = &scutilResolver{name: line, port: plainPort}
			continue
		}
		key, value, ok := strings.Cut(line, " : ")
		if ok && now != nil {
			now.set(strings.TrimSpace(key), strings.TrimSpace(value))
		}
	}
	return now.appendTo(links), lines.Err()
}

// scutilResolver is one paragraph.
type scutilResolver struct {
	name    string
	domains []string
	own     bool // it is for domains alone
	addrs   []netip.Addr
	port    uint16
	mdns    bool
}

func (s *scutilResolver) set(key, value string) {
	key, _, _ = strings.Cut(key, "[")
	switch key {
	case "domain":
		s.domains, s.own = append(s.domains, value), true
	case "search domain":
		s.domains = append(s.domains, value)
	case "nameserver":
		if addr, err := netip.ParseAddr(value); err == nil {
			s.addrs = append(s.addrs, addr.Unmap())
		}
	case "port":
		if n, err := strconv.ParseUint(value, 10, 16); err == nil && n != 0 {
			s.port = uint16(n)
		}
	case "options":
		s.mdns = strings.Contains(value, "mdns")
	case "if_index":
		if _, name, ok := strings.Cut(value, "("); ok {
			s.name = strings.TrimSuffix(name, ")")
		}
	}
}

func (s *scutilResolver) appendTo(links []Link) []Link {
	if s == nil || s.mdns || len(s.addrs) == 0 {
		return links
	}
	l := Link{Name: s.name, Domains: s.domains, Default: !s.own}
	for _, addr := range s.addrs {
		l.Servers = append(l.Servers, netip.AddrPortFrom(addr, s.port))
	}
	return append(links, l)
}
