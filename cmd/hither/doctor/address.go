package doctor

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// ours are HOST:PORT of the proxy: of the running Hither, else where it is set to listen.
func (p *Patient) ours() []string {
	if p.Daemon.Running && len(p.Daemon.Proxy) > 0 {
		return p.Daemon.Proxy
	}
	return p.Listen
}

// proxyAddress is the first of ours, to be put into commands.
func (p *Patient) proxyAddress() string {
	if list := p.ours(); len(list) > 0 {
		return list[0]
	}
	return "127.0.0.1:7890"
}

// isOurs says whether HOST:PORT is one of ours, by any name that a machine has for itself.
func (p *Patient) isOurs(hostport string) bool {
	at, ok := local(hostport)
	return ok && slices.ContainsFunc(p.ours(), func(own string) bool {
		here, ok := local(own)
		return ok && here.Port() == at.Port() && (here.Addr() == at.Addr() || at.Addr().IsUnspecified() || here.Addr().IsUnspecified() || isLocalName(hostport))
	})
}

func isLocalName(hostport string) bool {
	host, _, _ := net.SplitHostPort(hostport)
	return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
}

// local is HOST:PORT as an address; localhost is 127.0.0.1.
func local(hostport string) (netip.AddrPort, bool) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return netip.AddrPort{}, false
	}
	if isLocalName(hostport) {
		host = "127.0.0.1"
	}
	at, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), err == nil
}

// doorAddresses are where our DNS leads clients to.
func (p *Patient) doorAddresses() (addrs []netip.Addr) {
	for _, text := range p.Daemon.Transparent {
		at, err := netip.ParseAddrPort(text)
		addr := at.Addr()
		if err != nil {
			addr, err = netip.ParseAddr(text)
		}
		if err == nil && !slices.Contains(addrs, addr.Unmap()) {
			addrs = append(addrs, addr.Unmap())
		}
	}
	return addrs
}

// parseProxy reads a proxy setting as tools do: HOST:PORT is http. False: it is none.
func parseProxy(text string) (*url.URL, bool) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return nil, false
	}
	return u, true
}

// bare is a proxy without its password, for people.
func bare(text string) string {
	u, ok := parseProxy(text)
	if !ok {
		return text
	}
	if u.User != nil {
		u.User = url.User("…")
	}
	out := u.Scheme + "://"
	if u.User != nil {
		out += "…@"
	}
	return out + u.Host
}

// servers are the addresses of name servers, with port 53 where none is said.
func servers(texts []string) (out []netip.AddrPort) {
	for _, text := range texts {
		if at, err := netip.ParseAddrPort(text); err == nil {
			out = append(out, at)
		} else if addr, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.AddrPortFrom(addr, dnsPort))
		}
	}
	return out
}

const dnsPort = 53

func join[T any](list []T, show func(T) string) string {
	words := make([]string, len(list))
	for i, item := range list {
		words[i] = show(item)
	}
	return strings.Join(words, ", ")
}
