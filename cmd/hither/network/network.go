// Package network is the way out: who is asked for names, and how connections are dialled, past ourselves. Self knows which
// addresses are our own.
//
//	out, err := network.New(settings, self, version, offersH3, log)
//	defer out.Close()
package network

import (
	"context"
	"errors"
	"fmt"
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
	"hither/forward/bearer"
	"hither/forward/dial"
	"hither/forward/fetch"
	"hither/forward/measure"
	"hither/forward/redirect"
	"hither/forward/transport"
	"hither/resolver/exchange/lookup"
)

// Network is the way out: names resolved and connections dialled past ourselves. New makes it, Close ends it; all else may be
// called at once.
type Network struct {
	Names  *Upstreams
	Dialer *dial.Dialer
	Pool   *transport.Pool
	Follow http.RoundTripper // goes where an answer leads
	Tokens *bearer.Tokens    // anonymous, for registries that want some
	Bearer http.RoundTripper // that with tokens
	keep   func()            // what was learnt of realms, for the next start; nil: nothing is kept
	Pass   http.RoundTripper // what goes as it came: no redirects, no tokens
}

// New is told of which version we are, and which upstreams offer HTTP/3 although they may not say so.
func New(s settings.Settings, self Self, version string, offersH3 func(host string) bool, log *slog.Logger) (*Network, error) {
	roots, err := transport.Roots(s.CAFiles...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Place("ca-files"), err)
	}
	names, err := newUpstreams(s, self, roots, log)
	if err != nil {
		return nil, err
	}
	proxy, err := upstreamProxy(s, self, log)
	if err != nil {
		return nil, err
	}
	n := &Network{Names: names, Dialer: &dial.Dialer{
		Resolver: names.Resolver, Self: self.address, Proxy: proxy, Bypass: dial.BypassFromEnvironment(), RootCAs: roots,
	}}
	config := transport.Config{
		Dial: n.Dialer.DialContext, Datagrams: n.Dialer.Datagrams, HeadStart: n.Dialer.HeadStart, Doubt: n.Dialer.Doubt, Proxy: n.Dialer.PlainProxy, RootCAs: roots,
		UserAgent: "hither/" + version + " (registry accelerator on a developer's machine)",
		Offers:    offersH3, HTTPS: names.Resolver.LookupHTTPS, Log: log,
	}
	if s.State != "" {
		config.Sessions = filepath.Join(s.State, "sessions.json")
	}
	n.Pool = transport.New(config)
	n.Dialer.Short = n.Pool.CloseIdle
	n.Follow = &redirect.Follow{Next: n.Pool}
	n.Tokens = &bearer.Tokens{Next: n.Pool, Connect: n.Pool.Warm}
	n.Bearer = &redirect.Follow{Next: n.Tokens} // each hop has tokens of its own
	n.Pass = n.Tokens.Overhear(n.Pool)
	if s.State != "" {
		n.keepRealms(filepath.Join(s.State, "realms.json"), log)
	}
	return n, nil
}

// Prober measures upstreams, by the same ways out as traffic.
func (n *Network) Prober() *measure.Prober { return &measure.Prober{Single: n.Pool.Single} }

// Reach implements fetch.Fetcher's: why the host of base cannot be connected to now.
func (n *Network) Reach(ctx context.Context, base string) error {
	err := n.Dialer.Reach(ctx, base)
	for _, final := range []error{lookup.ErrNotFound, dial.ErrSelf, dial.ErrPrivate} {
		if errors.Is(err, final) {
			return fmt.Errorf("%w: %w", fetch.ErrInVain, err)
		}
	}
	return err
}

// Forget is for another network: nothing that was found out on the one before is true on this one.
func (n *Network) Forget() {
	n.Pool.CloseIdleConnections()
	n.Dialer.Forget()
	n.Names.forget()
}

// keepRealms takes up what registries said of their realms before this start, and has it kept for the next one.
func (n *Network) keepRealms(file string, log *slog.Logger) {
	if err := n.Tokens.Load(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("who gives tokens for registries is not known from last time", "error", err)
	}
	n.keep = func() {
		if err := n.Tokens.Save(file); err != nil {
			log.Warn("who gives tokens for registries cannot be kept for the next start; look at the folder's permissions and the disk", "error", err)
		}
	}
}

// Close keeps what was learnt, and closes all connections.
func (n *Network) Close() {
	if n.keep != nil {
		n.keep()
	}
	n.Pool.Close()
	n.Names.close()
}

// upstreamProxy reads the setting. Ourselves as our own upstream would be a loop, and is what an environment made by
// `hither env` looks like.
func upstreamProxy(s settings.Settings, self Self, log *slog.Logger) (*url.URL, error) {
	if s.UpstreamProxy == "" {
		return nil, nil
	}
	proxy, err := dial.ParseProxy(s.UpstreamProxy)
	if err != nil {
		return nil, s.Wrong("upstream-proxy", err)
	}
	if self.Host(dial.HostPort(proxy)) {
		log.Warn("the upstream proxy is Hither itself, so it is not used", "from", s.From["upstream-proxy"])
		return nil, nil
	}
	return proxy, nil
}

// Self is our own listeners.
type Self []netip.AddrPort

// NewSelf is those that listen on TCP.
func NewSelf(listeners []net.Listener) (s Self) {
	for _, l := range listeners {
		if addr, ok := l.Addr().(*net.TCPAddr); ok {
			at := addr.AddrPort()
			s = append(s, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
		}
	}
	return s
}

// With adds listeners that are known by their addresses.
func (s Self) With(more ...[]netip.AddrPort) Self {
	return slices.Concat(append([][]netip.AddrPort{s}, more...)...)
}

// address says whether at is one of our listeners. The systems take the unspecified address for loopback.
func (s Self) address(at netip.AddrPort) bool {
	addr := at.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s, func(own netip.AddrPort) bool {
		bound := own.Addr()
		return own.Port() == at.Port() && (bound == addr || addr.IsUnspecified() || bound.IsUnspecified() && addr.IsLoopback())
	})
}

// door says whether addr itself is that of a door for programs that know nothing of us: who wrote it into the hosts file meant
// to bring others here.
func (s Self) door(addr netip.Addr) bool {
	return slices.Contains(s, netip.AddrPortFrom(addr, 443)) || slices.Contains(s, netip.AddrPortFrom(addr, 80))
}

// Host says whether HOST:PORT is one of our listeners, by any name that every machine has for itself.
func (s Self) Host(hostport string) bool {
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

// Addresses are HOST:PORT as bound.
func (s Self) Addresses() (out []string) {
	for _, at := range s {
		out = append(out, at.String())
	}
	return out
}
