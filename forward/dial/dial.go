// Package dial makes connections past ourselves, by our own resolver, which may not lead back to us, or by the user's upstream
// proxy: to where requests may go, and to the address of a name that answers soonest.
//
//	dialer := &dial.Dialer{Resolver: resolver, Self: isOurs}
//	transport := &http.Transport{DialContext: dialer.DialContext, Proxy: dialer.PlainProxy}
//
// A request that is marked with [mark.Public] reaches public addresses only.
package dial

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hither/cache/wholefile"
	"hither/forward/mark"
	"hither/forward/race"
	"hither/forward/terse"
)

const (
	// Patience is for a whole dial: the look-up, the connection, the upstream proxy's consent.
	Patience = 10 * time.Second
	// keepAlive is when a silent connection is probed, so that one that a router forgot is noticed in about a minute.
	keepAlive = 15 * time.Second
	// maxCandidates bounds how many addresses of one name are tried.
	maxCandidates = 16
)

var (
	// ErrSelf reports an address that is our own listener: the request would come back to us for ever.
	ErrSelf = errors.New("that is Hither itself")
	// ErrPrivate reports an address that may not be reached in this way: a public name that leads to this machine, or a
	// stranger's redirect into the private network.
	ErrPrivate = errors.New("that address is not a public one")
	// ErrProxied reports a host that is reached by an upstream proxy, for packets of UDP.
	ErrProxied = errors.New("HTTP/3 is not possible behind an upstream proxy, which carries no UDP; measure h1 or h2")
	// ErrDenied reports what the upstream proxy has refused, by its own word: a host, or anything without a password.
	ErrDenied = errors.New("the upstream proxy refuses")
)

// Resolver finds the addresses of names. lookup.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, host string) ([]netip.Addr, error)
}

// doubter is a Resolver that remembers what it found, and looks again if that was wrong.
type doubter interface {
	Doubt(host string, since time.Time) bool
}

// Dialer makes connections past ourselves, to the address of a name that answers soonest: it remembers how long each took.
// Fields are set before first use; then it may be used from many goroutines.
// The zero value reaches addresses and localhost.
type Dialer struct {
	// Resolver finds names. The system's resolver is never asked: it may be us. nil: names are an error.
	Resolver Resolver
	// Self says which addresses are our own listeners. nil: none.
	Self func(netip.AddrPort) bool
	// Proxy is an upstream proxy: http, https (CONNECT), socks5 or socks5h, with a user and password if it wants them.
	// It resolves the names. nil: none.
	Proxy *url.URL
	// Bypass says which hosts are reached without Proxy, beside this machine and private ones. nil: no others.
	Bypass func(host string) bool
	// RootCAs vouch for an https proxy; nil: the system's.
	RootCAs *x509.CertPool
	// Timeout is for a whole dial; 0: 10 s.
	Timeout time.Duration
	// Connect opens one connection to an address; nil: TCP with keep-alive.
	Connect func(ctx context.Context, network, addr string) (net.Conn, error)
	// Short is called where this process has as many files open as it may, before it is tried once more to look up or to connect: whoever
	// keeps connections for later lets go of them. nil: it is not tried again.
	Short func()

	memory race.Memory
	opened opened
}

// Forget is for a change of the network: how long addresses took to answer says nothing any more.
func (d *Dialer) Forget() { d.memory.Forget() }

// Doubt is for when nobody answers at the addresses that host had at a time, or somebody else. It says whether to look them up anew may
// help.
func (d *Dialer) Doubt(host string, since time.Time) bool {
	r, ok := d.Resolver.(doubter)
	return ok && r.Doubt(host, since)
}

// HeadStart is how long an address is waited for before the next one is tried, by how long its connections took lately.
func (d *Dialer) HeadStart(addr netip.AddrPort) time.Duration {
	return d.memory.HeadStart(addr, time.Now())
}

// DialContext connects to addr, which is HOST:PORT, over "tcp", "tcp4" or "tcp6". The caller closes the connection.
// Errors wrap [ErrSelf], [ErrPrivate] or [ErrDenied] if it was refused.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.Timeout, Patience))
	defer cancel()
	host, port, err := split(addr)
	if err != nil {
		return nil, err
	}
	if d.Proxy != nil && addr == HostPort(d.Proxy) { // on behalf of PlainProxy
		return d.viaProxy(ctx, network, d.toProxy)
	}
	if !d.proxied(host) {
		return d.dialDirect(ctx, network, host, port)
	}
	if mark.IsPublic(ctx) && ownOrOdd(host) {
		return nil, fmt.Errorf("connect to %s: %w", addr, ErrPrivate)
	}
	return d.viaProxy(ctx, network, func(ctx context.Context) (net.Conn, error) { return d.dialProxy(ctx, addr) })
}

// Datagrams tells where UDP packets for addr, which is HOST:PORT, may be sent: to the addresses that DialContext would
// connect to, best first. A host that is reached by the upstream proxy is [ErrProxied]. Errors wrap [ErrSelf] or
// [ErrPrivate] if it was refused.
func (d *Dialer) Datagrams(ctx context.Context, addr string) ([]netip.AddrPort, error) {
	host, port, err := split(addr)
	if err != nil {
		return nil, err
	}
	if d.proxied(host) {
		return nil, ErrProxied
	}
	candidates, err := d.candidates(ctx, "udp", host, port)
	if err != nil {
		return nil, fmt.Errorf("send to %s: %w", addr, err)
	}
	return candidates, nil
}

// Reach says why the host of base cannot be connected to now, past all connections that are; nil: it can, or refuses, or the proxy does,
// so that it is there. What it finds says nothing about which address is best. Of a proxy that is given plain requests no tunnel is asked, see
// PlainProxy: that it can be connected to must do.
func (d *Dialer) Reach(ctx context.Context, base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	probe := &Dialer{Resolver: d.Resolver, Self: d.Self, Proxy: d.Proxy, Bypass: d.Bypass, RootCAs: d.RootCAs, Timeout: d.Timeout, Connect: d.Connect, Short: d.Short}
	proxy, err := d.PlainProxy((&http.Request{URL: u}).WithContext(ctx))
	if err != nil {
		return err
	}
	if proxy != nil {
		u = proxy
	}
	conn, err := probe.DialContext(ctx, "tcp", HostPort(u))
	switch {
	case errors.Is(err, refused), errors.Is(err, ErrDenied):
		return nil
	case err != nil:
		return err
	}
	return conn.Close()
}

// viaProxy tells a listening httptrace one connection of what is really several steps: the proxy's name, its address, its
// TLS and its consent. Where the request's own host is, is the proxy's to find out.
func (d *Dialer) viaProxy(ctx context.Context, network string, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	listener, proxy := traceOf(ctx), HostPort(d.Proxy)
	listener.connectStart(network, proxy)
	var bare context.Context = untraced{ctx}
	if mark.IsTight(ctx) {
		bare = mark.Tight(bare)
	}
	conn, err := dial(bare)
	err = terse.Error(err)
	listener.connectDone(network, proxy, err)
	return conn, err
}

func split(addr string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	odd := func(c rune) bool { return c <= ' ' || c == 0x7f } // a proxy is told the host in a line
	if err != nil || host == "" || n == 0 || strings.ContainsFunc(host, odd) {
		return "", 0, fmt.Errorf("%q is not HOST:PORT", addr)
	}
	return host, uint16(n), nil
}

func (d *Dialer) dialDirect(ctx context.Context, network, host string, port uint16) (net.Conn, error) {
	addr := net.JoinHostPort(host, strconv.Itoa(int(port)))
	candidates, err := d.candidates(ctx, network, host, port)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	since := time.Now()
	conn, err := d.race(ctx, network, candidates)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) && d.Doubt(host, since) {
		others, wrong := d.candidates(ctx, network, host, port)
		others = slices.DeleteFunc(others, func(to netip.AddrPort) bool { return slices.Contains(candidates, to) })
		if wrong == nil && len(others) > 0 {
			conn, err = d.race(ctx, network, others)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return conn, nil
}

func (d *Dialer) race(ctx context.Context, network string, candidates []netip.AddrPort) (net.Conn, error) {
	return race.Remembering(ctx, &d.memory, candidates, func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		return d.connect(ctx, network, to)
	})
}

// candidates are the addresses that host may be reached at, whom to try first in front, or why there are none.
func (d *Dialer) candidates(ctx context.Context, network, host string, port uint16) ([]netip.AddrPort, error) {
	addrs, named, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var good []netip.AddrPort
	var refused error
	for _, addr := range addrs {
		if network == "tcp4" && !addr.Is4() || network == "tcp6" && !addr.Is6() {
			continue
		}
		to := netip.AddrPortFrom(addr, port)
		if err := d.permit(ctx, to, named); err != nil {
			refused = errors.Join(refused, err)
		} else {
			good = append(good, to)
		}
	}
	if len(good) == 0 {
		return nil, cmp.Or(refused, errors.New("the host has no address of that kind"))
	}
	good = d.memory.Rank(good, time.Now())
	return good[:min(len(good), maxCandidates)], nil
}

// lookup finds the addresses of host. named says that somebody else chose them.
func (d *Dialer) lookup(ctx context.Context, host string) (addrs []netip.Addr, named bool, err error) {
	loopback4 := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if addr, err := netip.ParseAddr(host); err == nil {
		switch addr = addr.Unmap(); addr { // the systems take "unspecified" for loopback
		case netip.IPv4Unspecified():
			addr = loopback4
		case netip.IPv6Unspecified():
			addr = netip.IPv6Loopback()
		}
		return []netip.Addr{addr}, false, nil
	}
	if IsLocalhost(host) {
		return []netip.Addr{netip.IPv6Loopback(), loopback4}, false, nil
	}
	if d.Resolver == nil {
		return nil, true, errors.New("there is no resolver for names")
	}
	listener := traceOf(ctx)
	listener.dnsStart(host)
	addrs, err = d.Resolver.LookupNetIP(untraced{ctx}, host)
	if d.letGo(err) {
		addrs, err = d.Resolver.LookupNetIP(untraced{ctx}, host)
	}
	listener.dnsDone(addrs, err)
	addrs = slices.Clone(addrs)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, true, err
}

// permit says whether to may be connected to, and why not.
func (d *Dialer) permit(ctx context.Context, to netip.AddrPort, named bool) error {
	addr := embedded(to.Addr())
	switch {
	case d.Self != nil && d.Self(to):
		return fmt.Errorf("%s: %w, so the request would come back to us for ever; look at the hosts file, the name servers and the proxy settings", to, ErrSelf)
	case named && (addr.IsLoopback() || addr.IsUnspecified() || addr.IsLinkLocalUnicast()):
		return fmt.Errorf("the name leads to %s: %w; look at the hosts file and the name servers", to.Addr(), ErrPrivate)
	case mark.IsPublic(ctx) && !reachable(addr):
		return fmt.Errorf("an upstream sends us to %s: %w", to.Addr(), ErrPrivate)
	}
	return nil
}

func (d *Dialer) connect(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	listener, addr := traceOf(ctx), to.String()
	listener.connectStart(network, addr)
	open := d.Connect
	if open == nil {
		plain := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 4}}
		if mark.IsTight(ctx) {
			plain.Control = shorten
		}
		open = plain.DialContext
	}
	conn, err := open(untraced{ctx}, network, addr)
	if d.letGo(err) {
		conn, err = open(untraced{ctx}, network, addr)
	}
	listener.connectDone(network, addr, err)
	if err == nil {
		d.opened.add(conn, to, time.Now())
	}
	return conn, err
}

// letGo says whether something failed for want of files, and has others let go of theirs then.
func (d *Dialer) letGo(err error) bool {
	short := d.Short != nil && wholefile.OutOfFiles(err)
	if short {
		d.Short()
	}
	return short
}
