package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"hither/forward/measure"
	"hither/forward/transport"
	"hither/resolver/exchange"
)

// network is the way out: names resolved and connections dialled past ourselves.
type network struct {
	dialer *transport.Dialer
	pool   *transport.Pool
	follow http.RoundTripper
	bearer http.RoundTripper
	single func(proto string) (http.RoundTripper, func(), error) // for measuring: each request on a connection of its own
}

// newNetwork is told which upstreams offer HTTP/3 although they may not say so.
func newNetwork(s Settings, self self, offersH3 func(host string) bool, log *slog.Logger) (*network, error) {
	roots, err := transport.Roots(s.CAFiles...)
	if err != nil {
		return nil, err
	}
	names, err := newResolver(s, self, log)
	if err != nil {
		return nil, err
	}
	proxy, err := upstreamProxy(s, self, log)
	if err != nil {
		return nil, err
	}
	n := &network{dialer: &transport.Dialer{
		Resolver: names, Self: self.address, Proxy: proxy, Bypass: transport.BypassFromEnvironment(), RootCAs: roots,
	}}
	config := transport.Config{
		Dial: n.dialer.DialContext, Datagrams: n.dialer.Datagrams, Proxy: n.dialer.PlainProxy, RootCAs: roots,
		UserAgent: "hither/" + version() + " (registry accelerator on a developer's machine)",
		Offers:    offersH3, HTTPS: names.LookupHTTPS, Log: log,
	}
	if s.State != "" {
		config.Sessions = filepath.Join(s.State, "sessions.json")
	}
	n.pool, n.single = transport.New(config), config.Single
	n.follow = &transport.Follow{Next: n.pool}
	n.bearer = &transport.Follow{Next: &transport.Bearer{Next: n.pool}} // each hop has tokens of its own
	return n, nil
}

// prober measures upstreams, by the same ways out as traffic.
func (n *network) prober() *measure.Prober { return &measure.Prober{Single: n.single} }

func (n *network) close() { n.pool.Close() }

// upstreamProxy reads the setting. Ourselves as our own upstream would be a loop, and is what an environment made by
// `hither env` looks like.
func upstreamProxy(s Settings, self self, log *slog.Logger) (*url.URL, error) {
	if s.UpstreamProxy == "" {
		return nil, nil
	}
	proxy, err := transport.ParseProxy(s.UpstreamProxy)
	if err != nil {
		return nil, fmt.Errorf("%s: upstream-proxy: %w", s.From["upstream-proxy"], err)
	}
	if self.host(transport.HostPort(proxy)) {
		log.Warn("the upstream proxy is Hither itself, so it is not used", "from", s.From["upstream-proxy"])
		return nil, nil
	}
	return proxy, nil
}

// newResolver asks the servers the user named, else those of the machine; the hosts file before either.
func newResolver(s Settings, self self, log *slog.Logger) (*exchange.Resolver, error) {
	r := &exchange.Resolver{Hosts: new(exchange.Hosts)}
	var servers exchange.Fallback
	for _, text := range s.DNS {
		server, err := parseServer(text)
		if err != nil {
			return nil, fmt.Errorf("%s: dns: %w", s.From["dns"], err)
		}
		servers = append(servers, exchange.Plain{Server: server})
	}
	if len(servers) > 0 {
		r.Exchange = servers
		return r, nil
	}
	machine, err := exchange.System(self.address)
	if err != nil {
		log.Warn("no DNS server is known yet; what is kept is served meanwhile", "error", err)
	}
	r.Exchange = machine
	return r, nil
}

// parseServer reads ADDRESS or ADDRESS:PORT.
func parseServer(text string) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(addr, 53), nil
	}
	server, err := netip.ParseAddrPort(text)
	if err != nil || server.Port() == 0 {
		return server, fmt.Errorf("%q is not the address of a DNS server: write 192.0.2.1 or 192.0.2.1:53", text)
	}
	return server, nil
}

// self is our own listeners.
type self []netip.AddrPort

func newSelf(listeners []net.Listener) (s self) {
	for _, l := range listeners {
		if addr, ok := l.Addr().(*net.TCPAddr); ok {
			at := addr.AddrPort()
			s = append(s, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
		}
	}
	return s
}

// address says whether at is one of our listeners. The systems take the unspecified address for loopback.
func (s self) address(at netip.AddrPort) bool {
	addr := at.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s, func(own netip.AddrPort) bool {
		bound := own.Addr()
		return own.Port() == at.Port() && (bound == addr || addr.IsUnspecified() || bound.IsUnspecified() && addr.IsLoopback())
	})
}

// host says whether HOST:PORT is one of our listeners, by any name that every machine has for itself.
func (s self) host(hostport string) bool {
	host, text, err := net.SplitHostPort(hostport)
	if err != nil {
		return false
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return false
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761, section 6.3
		v4, v6 := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
		return s.address(netip.AddrPortFrom(v4, uint16(port))) || s.address(netip.AddrPortFrom(v6, uint16(port)))
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && s.address(netip.AddrPortFrom(addr, uint16(port)))
}

// addresses are HOST:PORT as bound.
func (s self) addresses() (out []string) {
	for _, at := range s {
		out = append(out, at.String())
	}
	return out
}
