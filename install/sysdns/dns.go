// Package sysdns leads the system's names to Hither's resolver, all of them or the registries' alone, by what decides on this
// machine: systemd-resolved, NetworkManager, resolv.conf, macOS's resolver files and network services, Windows' name resolution
// policy. Steps are changes as any others; where systemd-resolved runs there are none, and a running daemon calls HoldScoped.
// Watch makes steps again that another program writes over.
package sysdns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hither/install"
)

// Mode says how much of the machine's DNS is led to Hither.
type Mode string

// The modes.
const (
	Scoped Mode = "scoped" // the names of the rules and nothing else: the default
	Full   Mode = "full"   // every name; the servers of before stay behind ours
)

// Resolver is ours, as the system is to find it.
type Resolver struct {
	Addrs []netip.AddrPort // where it listens, the first choice first; full mode, and Windows, need port 53
	Names []string         // for Scoped: each without a dot at the end
}

// ErrHeld says that nothing is to be changed for good: on this machine the running daemon leads names to itself
// (HoldScoped), and the kernel undoes it.
var ErrHeld = errors.New("the running daemon holds the names itself")

// Steps returns the steps that lead names to our resolver; all are volatile, so that the guard undoes them when the daemon
// dies. It looks at the machine to find out who decides about its DNS, and changes nothing.
//
// ErrHeld comes with no steps where systemd-resolved runs: the daemon calls HoldScoped, for Full with All. A resolv.conf of
// ours would make systemd-resolved ask us, and us ask it. Other errors say what the user can choose instead.
func Steps(ctx context.Context, m *install.Machine, mode Mode, r Resolver) ([]install.Step, error) {
	if len(r.Addrs) == 0 {
		return nil, errors.New("no DNS is changed while Hither's resolver does not listen: give it an address with --dns")
	}
	for _, a := range r.Addrs {
		if !a.IsValid() || a.Addr().IsUnspecified() || a.Port() == 0 {
			return nil, fmt.Errorf("the system cannot ask %s: give --dns an address of this machine and a port", a)
		}
	}
	names, err := cleanNames(r.Names)
	if err != nil {
		return nil, err
	}
	r.Names = names
	switch {
	case mode == Scoped && len(names) == 0:
		return nil, errors.New("no name is to be led to Hither: the rules have no hosts; see `hither mirrors`")
	case mode == Scoped:
		return scopedSteps(ctx, m, r)
	case mode == Full:
		return fullSteps(ctx, m, r)
	}
	return nil, fmt.Errorf("there is no DNS mode %q: choose scoped or full", mode)
}

func scopedSteps(ctx context.Context, m *install.Machine, r Resolver) ([]install.Step, error) {
	switch m.System() {
	case "darwin":
		return resolverFiles(m, r), nil
	case "windows":
		return nrptRules(ctx, m, r)
	case "linux":
		if err := MayScope(m); err != nil {
			return nil, err
		}
		if resolvedRuns(m) {
			return nil, ErrHeld
		}
		return networkManagerNames(m, r), nil
	}
	return nil, fmt.Errorf("single names cannot be led to Hither on %s: point resolv.conf to %s by hand, or use `hither run`", m.System(), r.Addrs[0])
}

// MayScope says why single names cannot be led to us by what this machine runs now (ErrNoResolved); nil: nothing is known against it.
func MayScope(m *install.Machine) error {
	if m.System() == "linux" && !resolvedRuns(m) && !dnsmasqByNetworkManager(m) {
		return ErrNoResolved
	}
	return nil
}

func fullSteps(ctx context.Context, m *install.Machine, r Resolver) ([]install.Step, error) {
	system := m.System()
	if system == "linux" && resolvedRuns(m) {
		return nil, ErrHeld
	}
	addrs, err := onPort53(r)
	if err != nil {
		return nil, err
	}
	switch system {
	case "darwin":
		return networkServices(ctx, m, addrs)
	case "windows":
		return adapters(ctx, m, addrs)
	}
	return []install.Step{resolvConf(m, addrs)}, nil
}

// onPort53 returns the addresses on the one port that resolv.conf, macOS and Windows can ask.
func onPort53(r Resolver) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, a := range r.Addrs {
		if a.Port() == 53 {
			addrs = append(addrs, a.Addr())
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("the system asks port 53 alone, and Hither's resolver listens on %s: give it --dns 127.0.0.1:53, "+
			"which needs root, its systemd unit or CAP_NET_BIND_SERVICE", r.Addrs[0])
	}
	return addrs, nil
}

// cleanNames puts names in order and refuses what no resolver can be asked for, or what would be more than a name in a
// file or a command.
func cleanNames(names []string) ([]string, error) {
	clean := make([]string, 0, len(names))
	for _, name := range names {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if !isName(name) {
			return nil, fmt.Errorf("%q is no name that DNS can be asked for: give host names of letters, digits and hyphens", name)
		}
		clean = append(clean, name)
	}
	slices.Sort(clean)
	return slices.Compact(clean), nil
}

// isName keeps to the letters, digits and hyphens of RFC 1123 (section 2.1), and the underscore that some hosts have. A
// name of one label is refused: a whole top-level domain would be led to us.
func isName(name string) bool {
	labels := strings.Split(name, ".")
	if len(name) > 253 || len(labels) < 2 {
		return false
	}
	return !slices.ContainsFunc(labels, func(label string) bool {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return true
		}
		return strings.ContainsFunc(label, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_'
		})
	})
}
