package sysdns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// Names of systemd-resolved on D-Bus, org.freedesktop.resolve1(5).
const (
	resolveName    = "org.freedesktop.resolve1"
	resolvePath    = dbus.ObjectPath("/org/freedesktop/resolve1")
	resolveManager = resolveName + ".Manager."
	resolveLink    = resolveName + ".Link."
)

// linkServer is (iayqs): family, address, port, name for TLS.
type linkServer struct {
	Family  int32
	Address []byte
	Port    uint16
	Name    string
}

// linkDomain is (sb): a domain, and whether it only routes, instead of being searched too.
type linkDomain struct {
	Name        string
	RoutingOnly bool
}

func serverOf(server netip.AddrPort) linkServer {
	addr := server.Addr().Unmap()
	family := int32(unix.AF_INET)
	if addr.Is6() {
		family = unix.AF_INET6
	}
	return linkServer{Family: family, Address: addr.AsSlice(), Port: server.Port()}
}

// domains are what to ask us for. "." stands for all names, and is the least near of all domains.
func (h *Held) domains() []linkDomain {
	if h.scope.All {
		return []linkDomain{{Name: ".", RoutingOnly: true}}
	}
	domains := make([]linkDomain, len(h.names))
	for i, name := range h.names {
		domains[i] = linkDomain{Name: name, RoutingOnly: true}
	}
	return domains
}

// tell says what is to be asked over our link. Without names the link is not asked for anything.
func (h *Held) tell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, busTime)
	defer cancel()
	index := int32(h.tun.index)
	for _, call := range []struct {
		method string
		args   []any
	}{
		{"SetLinkDefaultRoute", []any{index, h.scope.All}},
		{"SetLinkDNSEx", []any{index, []linkServer{serverOf(h.scope.Server)}}},
		// Our answers for intercepted names are of our making, so they are signed by nobody and come over plain UDP,
		// whatever the user has chosen for the rest of the world.
		{"SetLinkDNSSEC", []any{index, "no"}},
		{"SetLinkDNSOverTLS", []any{index, "no"}},
		{"SetLinkLLMNR", []any{index, "no"}},
		{"SetLinkMulticastDNS", []any{index, "no"}},
		{"SetLinkDomains", []any{index, h.domains()}},
	} {
		err := h.resolved(resolvePath).CallWithContext(ctx, resolveManager+call.method, 0, call.args...).Err
		if err != nil && !isOptional(call.method, err) {
			return refusedBy(call.method, err)
		}
	}
	return nil
}

// isOptional says that a systemd-resolved built without something need not be told to leave it.
func isOptional(method string, err error) bool {
	switch method {
	case "SetLinkDNSSEC", "SetLinkDNSOverTLS", "SetLinkLLMNR", "SetLinkMulticastDNS":
		return isBusError(err, "org.freedesktop.DBus.Error.NotSupported", "org.freedesktop.DBus.Error.UnknownMethod")
	}
	return false
}

// knows tells whether systemd-resolved has our server and our names still.
func (h *Held) knows(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, busTime)
	defer cancel()
	var path dbus.ObjectPath
	err := h.resolved(resolvePath).CallWithContext(ctx, resolveManager+"GetLink", 0, int32(h.tun.index)).Store(&path)
	if err != nil {
		return false
	}
	var servers []linkServer
	var domains []linkDomain
	if h.property(ctx, path, "DNSEx", &servers) != nil || h.property(ctx, path, "Domains", &domains) != nil {
		return false
	}
	want := serverOf(h.scope.Server)
	slices.SortFunc(domains, func(a, b linkDomain) int { return strings.Compare(a.Name, b.Name) })
	return len(servers) == 1 && servers[0].Port == want.Port && slices.Equal(servers[0].Address, want.Address) &&
		slices.Equal(domains, h.domains())
}

func (h *Held) property(ctx context.Context, path dbus.ObjectPath, name string, into any) error {
	var value dbus.Variant
	err := h.resolved(path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0,
		strings.TrimSuffix(resolveLink, "."), name).Store(&value)
	if err != nil {
		return err
	}
	return dbus.Store([]any{value.Value()}, into)
}

func (h *Held) resolved(path dbus.ObjectPath) dbus.BusObject { return h.bus.Object(resolveName, path) }

// refusedBy turns what the bus said into what the user can do.
func refusedBy(method string, err error) error {
	switch {
	case isBusError(err, "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
		"org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.UnitMasked") ||
		isBusError(err, "org.freedesktop.DBus.Error.Spawn.*"):
		return fmt.Errorf("%w (%w)", ErrNoResolved, err)
	case isBusError(err, "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"):
		return fmt.Errorf("systemd-resolved refuses %s: %w: run Hither as root or by its systemd unit, which gives it CAP_NET_ADMIN", method, err)
	case isBusError(err, "org.freedesktop.DBus.Error.UnknownMethod"):
		return fmt.Errorf("this systemd-resolved has no %s: %w: Hither needs systemd 246 or newer; choose `--dns full`", method, err)
	}
	return fmt.Errorf("systemd-resolved did not take %s: %w: see `journalctl -u systemd-resolved`, or choose `--dns full`", method, err)
}

// isBusError compares the name of an error that came over the bus. A name that ends in * stands for all below it.
func isBusError(err error, names ...string) bool {
	var named dbus.Error
	if !errors.As(err, &named) {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool {
		prefix, all := strings.CutSuffix(name, "*")
		return named.Name == name || all && strings.HasPrefix(named.Name, prefix)
	})
}
