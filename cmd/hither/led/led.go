// Package led is how programs come that know nothing of Hither: a name server that gives them our address for the registries'
// names, and doors at that address.
//
//	way, err := led.Open(ctx, settings, keep, inherited, log)
//	defer way.Close()
package led

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"hither/cmd/hither/control"
	"hither/cmd/hither/network"
	"hither/cmd/hither/port"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/upkeep"
	"hither/forward"
	"hither/forward/listener"
	"hither/install/sysdns"
	"hither/resolver"
	"hither/resolver/socket"
	"hither/rules"
)

// Way is how programs come that know nothing of Hither: a name server that gives them our address for the registries'
// names, and doors at that address. The zero value has neither. Its methods may be called at once, but for Answer, which
// comes before Serve, and Close.
type Way struct {
	sockets  []*socket.Set
	doors    []*listener.Listener
	server   *resolver.Server // nil: DNS is not answered
	networks listener.Networks
	lacksV4  func() bool // the machine has no IPv4 but loopback; nil: it has
	probe    func(context.Context)
	again    chan struct{} // asks for a probe

	now atomic.Pointer[resolver.Names] // whose address is ours

	mu       sync.Mutex
	set      *rules.Set
	names    *resolver.Names   // what now is while we are well
	sick     bool              // our doors do not answer, so nobody is led to them
	follow   func()            // called after a change of the rules; nil: nobody is told
	troubles map[string]string // what is not as the user wants it, by what it is about
}

// Where doors are unless the user says: an address of our own, so that a web server of the user's stays undisturbed. macOS
// has no loopback address but one.
const ownAddress = "127.0.7.90"

// Open opens what the settings say, and else what `hither install` left word of. The latter is told and left out if it
// cannot be had: the proxy is of use without it. The caller closes it.
func Open(ctx context.Context, s settings.Settings, keep upkeep.Upkeep, inherited *listener.Inherited, log *slog.Logger) (*Way, error) {
	l := &Way{again: make(chan struct{}, 1)}
	l.lacksV4 = l.networks.LackIPv4
	dns, doors := addresses(s, keep.DNS, runtime.GOOS)
	for _, part := range []struct {
		setting string
		chosen  bool
		open    func() error
	}{
		{"dns", len(s.DNS) > 0, func() error { return l.openSockets(ctx, dns) }},
		{"transparent", len(s.Transparent) > 0, func() error { return l.openDoors(ctx, doors, inherited) }},
	} {
		err := part.open()
		switch {
		case err == nil:
		case part.chosen:
			l.Close()
			return nil, fmt.Errorf("%s: %w", s.Place(part.setting), err)
		default:
			l.Tell(part.setting, err.Error())
			log.ErrorContext(ctx, "what `hither install` asked for cannot be had; Hither goes on without it", "setting", part.setting, "reason", err)
		}
	}
	return l, nil
}

// openSockets opens all or none.
func (l *Way) openSockets(ctx context.Context, addrs []string) error {
	for _, addr := range addrs {
		sockets, err := socket.Listen(ctx, addr)
		if socket.Taken(err) {
			err = errors.Join(err, inspectDNSPort(ctx, addr))
		}
		if err != nil {
			l.closeSockets()
			return err
		}
		l.sockets = append(l.sockets, sockets)
	}
	return nil
}

// openDoors opens all or none.
func (l *Way) openDoors(ctx context.Context, addrs []string, inherited *listener.Inherited) error {
	for _, addr := range addrs {
		door, err := listener.Listen(ctx, addr, listener.Options{Inherited: inherited})
		if err != nil {
			l.closeDoors()
			return err
		}
		l.doors = append(l.doors, door)
	}
	return nil
}

// addresses are where DNS is answered and where doors are. The Hither of a single command has none that are for everybody:
// that command comes by the proxy.
func addresses(s settings.Settings, mode sysdns.Mode, system string) (dns, doors []string) {
	dns, doors = s.DNS, s.Transparent
	if s.Runner != 0 && s.From["dns"] != "--dns" {
		dns = nil
	}
	if s.Runner != 0 && s.From["transparent"] != "--transparent" {
		doors = nil
	}
	if mode == "" || s.Runner != 0 {
		return dns, doors
	}
	own, port := ownAddress, "53"
	if system == "darwin" {
		own = "127.0.0.1"
	}
	if mode == sysdns.Scoped && system != "windows" {
		port = "0" // the system is told which
	}
	if len(dns) == 0 {
		dns = []string{net.JoinHostPort(own, port)}
	}
	if len(doors) == 0 && !s.IsOff("transparent", s.Transparent) {
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
	owner := port.Owner(ctx, at)
	if owner.PID == 0 {
		return nil
	}
	return fmt.Errorf("that program is %s (pid %d)", owner.Name, owner.PID)
}

// Addresses are all of ours, DNS first.
func (l *Way) Addresses() (dns, doors []netip.AddrPort) {
	for _, s := range l.sockets {
		dns = append(dns, s.Addr())
	}
	for _, d := range l.doors {
		doors = append(doors, d.Addrs()...)
	}
	return dns, doors
}

// Close may be called more than once, when nothing else is called any more.
func (l *Way) Close() {
	l.closeSockets()
	l.closeDoors()
}

func (l *Way) closeSockets() {
	for _, s := range l.sockets {
		s.Close()
	}
	l.sockets = nil
}

func (l *Way) closeDoors() {
	for _, d := range l.doors {
		d.Close()
	}
	l.doors = nil
}

// Answer makes the name server. It answers when Serve is called.
func (l *Way) Answer(s settings.Settings, set *rules.Set, names *network.Upstreams, log *slog.Logger) {
	l.SetNames(set)
	l.probe = names.Probe
	if len(l.sockets) == 0 {
		return
	}
	l.server = &resolver.Server{
		Names: l.now.Load, Exchange: names, Private: names.Split.Local, Hosts: names.Resolver.Hosts, LoopSeen: names.Seen,
		Clients: l.serves, Canary: s.DNSCanary, Rebinding: s.DNSRebinding, Allow: s.DNSAllow, State: s.State, Log: log,
	}
}

// NamesServer is for the control socket; nil: DNS is not answered.
func (l *Way) NamesServer() *control.Names {
	if l.server == nil {
		return nil
	}
	return &control.Names{Server: l.server}
}

// Rules are those that were told last.
func (l *Way) Rules() *rules.Set {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.set
}

// SetNames follows a change of the rules. Call it when our certificates are good for their hosts.
func (l *Way) SetNames(set *rules.Set) {
	_, doors := l.Addresses()
	names := resolver.NewNames(upkeep.DNSNames(set), netip.Addr{}, netip.Addr{})
	names = names.Seen(func(client netip.Addr) (v4, v6 netip.Addr, ours bool) { return l.view(doors, client) })
	l.mu.Lock()
	l.set, l.names = set, names
	l.showLocked()
	follow := l.follow
	l.mu.Unlock()
	if follow != nil {
		follow()
	}
}

// OnNames has follow called after each change of the rules, by who changes them.
func (l *Way) OnNames(follow func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.follow = follow
}

// SetSick leads nobody to us while we do not answer ourselves.
func (l *Way) SetSick(sick bool) {
	why := ""
	if sick {
		why = "Hither does not answer itself, so no name is led to it until it does; see its log"
	}
	l.Tell("health", why)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sick = sick
	l.showLocked()
}

func (l *Way) showLocked() {
	if l.sick || len(l.doors) == 0 {
		l.now.Store(nil)
		return
	}
	l.now.Store(l.names)
}

// Tell notes what is not as the user wants it; nothing: it is.
func (l *Way) Tell(about, trouble string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.troubles == nil {
		l.troubles = map[string]string{}
	}
	l.troubles[about] = trouble
	if trouble == "" {
		delete(l.troubles, about)
	}
}

// Trouble is all that was told, in a line; empty: nothing. A nil Way has none.
func (l *Way) Trouble() string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, about := range slices.Sorted(maps.Keys(l.troubles)) {
		all = append(all, about+": "+l.troubles[about])
	}
	return strings.Join(all, "; ")
}

// SealedDoor is where TLS is spoken to us; false: nowhere that names could be led to.
func SealedDoor(doors []netip.AddrPort) (at netip.AddrPort, ok bool) {
	i := slices.IndexFunc(doors, func(d netip.AddrPort) bool { return d.Port() == 443 })
	if i < 0 {
		return at, false
	}
	return doors[i], true
}

// view is where a client finds our doors: on its own network, or anywhere if it is a program of this machine. The zero
// client is one.
func (l *Way) view(doors []netip.AddrPort, client netip.Addr) (v4, v6 netip.Addr, ours bool) {
	local := !client.IsValid() || l.networks.Ours(client)
	for _, d := range doors {
		addr := d.Addr().Unmap()
		if addr.IsUnspecified() {
			addr = l.reachable(addr, client, local)
		}
		switch {
		case d.Port() != 443 || !addr.IsValid() || addr.Zone() != "": // an address in DNS has no zone
		case !local && (addr.IsLoopback() || !l.networks.Neighbour(client, addr)):
		case addr.Is4() && !v4.IsValid():
			v4 = addr
		case addr.Is6() && !v6.IsValid():
			v6 = addr
		}
	}
	if local && v4.IsValid() && !v6.IsValid() && l.lacksV4 != nil && l.lacksV4() {
		v6 = mapped(v4)
	}
	return v4, v6, v4.IsValid() || v6.IsValid()
}

// reachable is the address at which a client finds a door that is bound to all of a family; invalid: there is none.
func (l *Way) reachable(all, client netip.Addr, local bool) netip.Addr {
	switch {
	case local && all.Is4():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case local:
		return netip.IPv6Loopback()
	}
	if own := l.networks.Facing(client); own.Is4() == all.Is4() {
		return own
	}
	return netip.Addr{}
}

// serves says who is answered: programs of this machine, and the containers of a bridge that we listen on.
func (l *Way) serves(client netip.Addr) bool {
	for _, s := range l.sockets {
		if own := s.Addr().Addr(); own == client || client.IsLoopback() || !own.IsLoopback() && l.networks.Neighbour(client, own) {
			return true
		}
	}
	return false
}

// Forget is for another network: neither what was answered on the one before, nor who asks us in turn, is true on this one.
func (l *Way) Forget() {
	if l.server == nil {
		return
	}
	l.server.Forget(resolver.NetworkChanged)
	select {
	case l.again <- struct{}{}:
	default: // one is asked for already
	}
}

// Serve lets clients in by the doors, and answers DNS until ctx ends.
func (l *Way) Serve(ctx context.Context, doors *forward.Server, start func(func() error)) {
	for _, door := range l.doors {
		start(func() error { return IgnoreClosed(doors.Serve(door)) })
	}
	if l.server == nil {
		return
	}
	start(func() error { return l.server.Serve(ctx, l.sockets...) })
	start(func() error {
		for {
			l.probe(ctx)
			select {
			case <-ctx.Done():
				return nil
			case <-l.again:
			}
		}
	})
}

// IgnoreClosed is err, but nil for what serving ends with when it is told to end.
func IgnoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
