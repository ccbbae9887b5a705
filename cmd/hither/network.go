package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"hither/cmd/hither/settings"
	"hither/forward/measure"
	"hither/forward/transport"
)

// network is the way out: names resolved and connections dialled past ourselves.
type network struct {
	names  *upstreams
	dialer *transport.Dialer
	pool   *transport.Pool
	follow http.RoundTripper
	tokens *transport.Bearer
	bearer http.RoundTripper
	keep   func()                                                // what was learnt of realms, for the next start; nil: nothing is kept
	pass   http.RoundTripper                                     // what goes as it came: no redirects, no tokens
	single func(proto string) (http.RoundTripper, func(), error) // for measuring: each request on a connection of its own
}

// newNetwork is told which upstreams offer HTTP/3 although they may not say so.
func newNetwork(s settings.Settings, self self, offersH3 func(host string) bool, log *slog.Logger) (*network, error) {
	roots, err := transport.Roots(s.CAFiles...)
	if err != nil {
		return nil, err
	}
	names, err := newUpstreams(s, self, roots, log)
	if err != nil {
		return nil, err
	}
	proxy, err := upstreamProxy(s, self, log)
	if err != nil {
		return nil, err
	}
	n := &network{names: names, dialer: &transport.Dialer{
		Resolver: names.resolver, Self: self.address, Proxy: proxy, Bypass: transport.BypassFromEnvironment(), RootCAs: roots,
	}}
	config := transport.Config{
		Dial: n.dialer.DialContext, Datagrams: n.dialer.Datagrams, HeadStart: n.dialer.HeadStart, Proxy: n.dialer.PlainProxy, RootCAs: roots,
		UserAgent: "hither/" + version() + " (registry accelerator on a developer's machine)",
		Offers:    offersH3, HTTPS: names.resolver.LookupHTTPS, Log: log,
	}
	if s.State != "" {
		config.Sessions = filepath.Join(s.State, "sessions.json")
	}
	n.pool, n.single = transport.New(config), config.Single
	n.follow = &transport.Follow{Next: n.pool}
	n.tokens = &transport.Bearer{Next: n.pool, Connect: n.pool.Warm}
	n.bearer = &transport.Follow{Next: n.tokens} // each hop has tokens of its own
	n.pass = n.tokens.Overhear(n.pool)
	if s.State != "" {
		n.keepRealms(filepath.Join(s.State, "realms.json"), log)
	}
	return n, nil
}

// prober measures upstreams, by the same ways out as traffic.
func (n *network) prober() *measure.Prober { return &measure.Prober{Single: n.single} }

// forget is for another network: nothing that was found out on the one before is true on this one.
func (n *network) forget() {
	n.pool.CloseIdleConnections()
	n.dialer.Forget()
	n.names.forget()
}

// keepRealms takes up what registries said of their realms before this start, and has it kept for the next one.
func (n *network) keepRealms(file string, log *slog.Logger) {
	if err := n.tokens.Load(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("who gives tokens for registries is not known from last time", "error", err)
	}
	n.keep = func() {
		if err := n.tokens.Save(file); err != nil {
			log.Warn("who gives tokens for registries cannot be kept for the next start; look at the folder's permissions and the disk", "error", err)
		}
	}
}

func (n *network) close() {
	if n.keep != nil {
		n.keep()
	}
	n.pool.Close()
	n.names.close()
}

// upstreamProxy reads the setting. Ourselves as our own upstream would be a loop, and is what an environment made by
// `hither env` looks like.
func upstreamProxy(s settings.Settings, self self, log *slog.Logger) (*url.URL, error) {
	if s.UpstreamProxy == "" {
		return nil, nil
	}
	proxy, err := transport.ParseProxy(s.UpstreamProxy)
	if err != nil {
		return nil, s.Wrong("upstream-proxy", err)
	}
	if self.host(transport.HostPort(proxy)) {
		log.Warn("the upstream proxy is Hither itself, so it is not used", "from", s.From["upstream-proxy"])
		return nil, nil
	}
	return proxy, nil
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

// with adds listeners that are known by their addresses.
func (s self) with(more ...[]netip.AddrPort) self {
	return slices.Concat(append([][]netip.AddrPort{s}, more...)...)
}

// address says whether at is one of our listeners. The systems take the unspecified address for loopback.
func (s self) address(at netip.AddrPort) bool {
	addr := at.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s, func(own netip.AddrPort) bool {
		bound := own.Addr()
		return own.Port() == at.Port() && (bound == addr || addr.IsUnspecified() || bound.IsUnspecified() && addr.IsLoopback())
	})
}

// door says whether addr itself is that of a door for programs that know nothing of us: who wrote it into the hosts file meant
// to bring others here.
func (s self) door(addr netip.Addr) bool {
	return slices.Contains(s, netip.AddrPortFrom(addr, 443)) || slices.Contains(s, netip.AddrPortFrom(addr, 80))
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
