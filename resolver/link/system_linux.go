package link

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/godbus/dbus/v5"
)

const (
	resolvedName = "org.freedesktop.resolve1"
	resolvedPath = dbus.ObjectPath("/org/freedesktop/resolve1")
	// resolvedRun is there while systemd-resolved has run since the start of the machine.
	resolvedRun = "/run/systemd/resolve"
)

// System asks systemd-resolved, where it runs, which servers each link has for which names, past its stub, which may
// send our own names to us; else it reads resolv.conf.
func System(ctx context.Context) ([]Link, error) {
	if _, err := os.Stat(resolvedRun); err == nil {
		if conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx)); err == nil {
			defer conn.Close()
			if links, err := resolvedLinks(ctx, conn); err == nil && len(links) > 0 {
				return links, nil
			}
		}
	}
	return resolvConfLinks()
}

// The shapes of org.freedesktop.resolve1(5).
type (
	resolvedServer struct {
		Index, Family int32
		Addr          []byte
		Port          uint16
		ServerName    string
	}
	resolvedDomain struct {
		Index  int32
		Domain string
		Route  bool // for routing alone, not for search
	}
)

// resolvedLinks reads what systemd-resolved tells on the bus. It is not started for that.
func resolvedLinks(ctx context.Context, conn *dbus.Conn) ([]Link, error) {
	manager := conn.Object(resolvedName, resolvedPath)
	var servers []resolvedServer
	if err := property(ctx, manager, "Manager", "DNSEx", &servers); err != nil {
		return nil, err
	}
	var domains []resolvedDomain
	if err := property(ctx, manager, "Manager", "Domains", &domains); err != nil {
		return nil, err
	}
	return joinResolved(servers, domains, func(index int32) (route, tls bool) {
		return resolvedLink(ctx, conn, index)
	}), nil
}

// resolvedLink says whether a link is asked for what no link claims, and whether nobody but DNS over TLS will do there.
func resolvedLink(ctx context.Context, conn *dbus.Conn, index int32) (route, tls bool) {
	manager, mode := conn.Object(resolvedName, resolvedPath), ""
	if index == 0 {
		err := property(ctx, manager, "Manager", "DNSOverTLS", &mode)
		return true, err == nil && mode == "yes"
	}
	var path dbus.ObjectPath
	if manager.CallWithContext(ctx, resolvedName+".Manager.GetLink", dbus.FlagNoAutoStart, index).Store(&path) != nil {
		return true, false
	}
	link := conn.Object(resolvedName, path)
	if property(ctx, link, "Link", "DefaultRoute", &route) != nil {
		route = true // before systemd 240 every link with servers was one
	}
	err := property(ctx, link, "Link", "DNSOverTLS", &mode)
	return route, err == nil && mode == "yes"
}

func property(ctx context.Context, object dbus.BusObject, part, name string, into any) error {
	var value dbus.Variant
	call := object.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, resolvedName+"."+part, name)
	if err := call.Store(&value); err != nil {
		return fmt.Errorf("ask systemd-resolved for %s: %w", name, err)
	}
	return value.Store(into)
}

// joinResolved makes links of the two lists. Index 0 is what holds for all links.
func joinResolved(servers []resolvedServer, domains []resolvedDomain, look func(index int32) (route, tls bool)) []Link {
	var order []int32
	links := map[int32]*Link{}
	for _, s := range servers {
		l := links[s.Index]
		if l == nil {
			if len(order) == Max {
				break
			}
			l = &Link{Name: fmt.Sprintf("link %d", s.Index)}
			var secure bool
			if l.Default, secure = look(s.Index); secure {
				l.TLS = map[netip.AddrPort]string{}
			}
			links[s.Index] = l
			order = append(order, s.Index)
		}
		l.add(s)
	}
	for _, d := range domains {
		if l := links[d.Index]; l != nil {
			l.Domains = append(l.Domains, d.Domain)
		}
	}
	out := make([]Link, 0, len(order))
	for _, index := range order {
		out = append(out, *links[index])
	}
	return out
}

func (l *Link) add(s resolvedServer) {
	addr, ok := netip.AddrFromSlice(s.Addr)
	if !ok {
		return
	}
	if addr.Is6() && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(fmt.Sprint(s.Index))
	}
	port := cmp.Or(s.Port, plainPort)
	if l.TLS != nil {
		port = cmp.Or(s.Port, tlsPort)
	}
	at := netip.AddrPortFrom(addr.Unmap(), port)
	if l.TLS != nil {
		l.TLS[at] = cmp.Or(s.ServerName, addr.WithZone("").Unmap().String())
	}
	if !slices.Contains(l.Servers, at) {
		l.Servers = append(l.Servers, at)
	}
}
