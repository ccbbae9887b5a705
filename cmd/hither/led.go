package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"hither/forward"
	"hither/forward/listener"
	"hither/install"
	"hither/resolver"
	"hither/rules"
)

// led is how programs come that know nothing of Hither: a name server that gives them our address for the registries'
// names, and doors at that address. The zero value has neither.
type led struct {
	sockets []*resolver.Sockets
	doors   []*listener.Listener
	server  *resolver.Server // nil: DNS is not answered
	probe   func(context.Context)

	named atomic.Pointer[func(*rules.Set)] // told of new rules; nil: nobody is

	now  atomic.Pointer[resolver.Names] // whose address is ours
	full atomic.Pointer[resolver.Names] // the same while we are well
	sick atomic.Bool                    // our doors do not answer, so nobody is led to them
}

// Where doors are unless the user says: an address of our own, so that a web server of the user's stays undisturbed. macOS
// has no loopback address but one.
const ownAddress = "127.0.7.90"

// openLed opens what the settings say, and else what `hither install` left word of. The caller closes it.
func openLed(ctx context.Context, s Settings, keep upkeep, inherited *listener.Inherited) (l *led, err error) {
	l = new(led)
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	dns, doors := ledAddresses(s, keep.DNS, runtime.GOOS)
	for _, addr := range dns {
		sockets, err := resolver.Listen(ctx, addr)
		if resolver.Taken(err) {
			err = errors.Join(err, inspectDNSPort(ctx, addr))
		}
		if err != nil {
			return l, fmt.Errorf("dns: %w", err)
		}
		l.sockets = append(l.sockets, sockets)
	}
	for _, addr := range doors {
		door, err := listener.Listen(ctx, addr, listener.Options{Inherited: inherited})
		if err != nil {
			return l, fmt.Errorf("transparent: %w", err)
		}
		l.doors = append(l.doors, door)
	}
	return l, nil
}

// ledAddresses are where DNS is answered and where doors are.
func ledAddresses(s Settings, mode install.Mode, system string) (dns, doors []string) {
	dns, doors = s.DNS, s.Transparent
	if mode == "" {
		return dns, doors
	}
	own, port := ownAddress, "53"
	if system == "darwin" {
		own = "127.0.0.1"
	}
	if mode == install.Scoped && system != "windows" {
		port = "0" // the system is told which
	}
	if len(dns) == 0 {
		dns = []string{net.JoinHostPort(own, port)}
	}
	if len(doors) == 0 {
		doors = []string{own}
	}
	return dns, doors
}

// inspectDNSPort says who has a port of DNS.
func inspectDNSPort(ctx context.Context, addr string) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil
	}
	owner := portOwner(ctx, at)
	if owner.PID == 0 {
		return nil
	}
	return fmt.Errorf("it is taken by %s (pid %d): give dns another address, such as %s, or end that program", owner.Name, owner.PID, net.JoinHostPort(ownAddress, "53"))
}

// addresses are all of ours, DNS first.
func (l *led) addresses() (dns, doors []netip.AddrPort) {
	for _, s := range l.sockets {
		dns = append(dns, s.Addr())
	}
	for _, d := range l.doors {
		doors = append(doors, d.Addrs()...)
	}
	return dns, doors
}

func (l *led) close() {
	for _, s := range l.sockets {
		s.Close()
	}
	for _, d := range l.doors {
		d.Close()
	}
}

// answer makes the name server. It answers when run is called.
func (l *led) answer(s Settings, set *rules.Set, names *upstreams, log *slog.Logger) {
	l.setNames(set)
	l.probe = names.probe
	if len(l.sockets) == 0 {
		return
	}
	l.server = &resolver.Server{
		Names: l.now.Load, Exchange: names, Private: names.split.Local, Hosts: names.resolver.Hosts, LoopSeen: names.seen,
		Clients: l.serves, Canary: s.DNSCanary, Rebinding: s.DNSRebinding, Allow: s.DNSAllow, State: s.State, Log: log,
	}
}

// namesServer is for the control socket; nil: DNS is not answered.
func (l *led) namesServer() *names {
	if l.server == nil {
		return nil
	}
	return &names{server: l.server}
}

// setNames follows a change of the rules.
func (l *led) setNames(set *rules.Set) {
	_, doors := l.addresses()
	if len(doors) == 0 {
		return
	}
	v4, v6, _ := view(doors, netip.Addr{})
	names := resolver.NewNames(dnsNames(set), v4, v6)
	if slices.ContainsFunc(doors, func(d netip.AddrPort) bool { return !d.Addr().IsLoopback() }) {
		names = names.Seen(func(client netip.Addr) (v4, v6 netip.Addr, ours bool) { return view(doors, client) })
	}
	l.full.Store(names)
	l.show()
	if named := l.named.Load(); named != nil {
		(*named)(set)
	}
}

// setSick leads nobody to us while we do not answer ourselves.
func (l *led) setSick(sick bool) {
	l.sick.Store(sick)
	l.show()
}

func (l *led) show() {
	names := l.full.Load()
	if l.sick.Load() {
		names = nil
	}
	l.now.Store(names)
}

// view is where a client finds our doors: on its own network, or on loopback if it is a program of this machine. The zero
// client is one.
func view(doors []netip.AddrPort, client netip.Addr) (v4, v6 netip.Addr, ours bool) {
	local := !client.IsValid() || client.IsLoopback() || slices.ContainsFunc(doors, func(d netip.AddrPort) bool { return d.Addr() == client })
	for _, d := range doors {
		addr := d.Addr().Unmap()
		switch {
		case d.Port() != 443 || !local && (addr.IsLoopback() || !neighbours(addr, client)):
		case addr.Is4() && !v4.IsValid():
			v4 = addr
		case addr.Is6() && !v6.IsValid():
			v6 = addr
		}
	}
	return v4, v6, v4.IsValid() || v6.IsValid()
}

// serves says which other machines are answered: the containers of a bridge that we listen on.
func (l *led) serves(client netip.Addr) bool {
	for _, s := range l.sockets {
		if own := s.Addr().Addr(); own == client || client.IsLoopback() || !own.IsLoopback() && neighbours(own, client) {
			return true
		}
	}
	return false
}

// networks are those that this machine is in, read again after a while: they are asked for with each question of a container.
type networks struct {
	prefixes []netip.Prefix
	read     time.Time
}

// networksAge is for how long they are believed.
const networksAge = 5 * time.Second

var seenNetworks atomic.Pointer[networks]

// neighbours says that client is on the network of one of our own addresses.
func neighbours(own, client netip.Addr) bool {
	known := seenNetworks.Load()
	if known == nil || time.Since(known.read) > networksAge {
		known = &networks{read: time.Now()}
		addrs, _ := net.InterfaceAddrs() // none are known then
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				known.prefixes = append(known.prefixes, prefix)
			}
		}
		seenNetworks.Store(known)
	}
	return slices.ContainsFunc(known.prefixes, func(p netip.Prefix) bool {
		return p.Addr().Unmap() == own.Unmap() && p.Contains(client.Unmap())
	})
}

// forget is for another network.
func (l *led) forget(ctx context.Context) {
	if l.server != nil {
		l.server.Forget(resolver.NetworkChanged)
		go l.probe(ctx)
	}
}

// serve lets clients in by the doors, and answers DNS until ctx ends.
func (l *led) serve(ctx context.Context, doors *forward.Server, start func(func() error)) {
	for _, door := range l.doors {
		start(func() error { return ignoreClosed(doors.Serve(door)) })
	}
	if l.server != nil {
		start(func() error { return l.server.Serve(ctx, l.sockets...) })
		go l.probe(ctx)
	}
}
