package sysdns

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hither/install"
)

// flushMac makes macOS forget what it has resolved. It reads /etc/resolver by itself.
func flushMac() [][]string {
	return [][]string{{"dscacheutil", "-flushcache"}, {"killall", "-HUP", "mDNSResponder"}}
}

// resolverFiles are files below /etc/resolver, one a name (resolver(5)). They hold for the name and all below it, on any
// port, and also beside a VPN that has taken the rest of DNS.
//
// BUG: macOS 15.6 was seen to pass over the port with 127.0.0.1 (Homebrew/homebrew-core#256659); a resolver that listens on
// port 53 is safe, so that of several addresses one on port 53 is preferred.
func resolverFiles(m *install.Machine, r Resolver) (steps []install.Step) {
	server := r.Addrs[0]
	if i := slices.IndexFunc(r.Addrs, func(a netip.AddrPort) bool { return a.Port() == 53 }); i >= 0 {
		server = r.Addrs[i]
	}
	text := fmt.Appendf(nil, "# Written by Hither. `hither restore` removes it.\nnameserver %s\nport %d\ntimeout 2\n", server.Addr(), server.Port())
	for i, name := range r.Names {
		e := install.Edit{
			On: m, Name: "lead " + name + " to Hither in /etc/resolver", Path: "/etc/resolver/" + name, Volatile: true,
			Change: func(old []byte, exists bool) ([]byte, error) {
				if exists && !bytes.HasPrefix(old, []byte("# Written by Hither.")) {
					return nil, fmt.Errorf("/etc/resolver/%s is somebody else's: remove it, or take %s out of the rules", name, name)
				}
				return text, nil
			},
		}
		if i == len(r.Names)-1 { // the cache is emptied once, when all are there
			e.After = flushMac()
		}
		steps = append(steps, e)
	}
	return steps
}

// networkServices puts our resolver before the others in each network service of macOS (networksetup(8)).
func networkServices(ctx context.Context, m *install.Machine, addrs []netip.Addr) (steps []install.Step, err error) {
	listed, err := m.Command(ctx, "networksetup", "-listallnetworkservices")
	if err != nil {
		return nil, fmt.Errorf("list the network services: %w: set the DNS servers in the System Settings", err)
	}
	for _, service := range install.ServiceNames(listed) {
		steps = append(steps, networkService(m, service, addrs))
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("macOS has no network service that is switched on: set the DNS servers in the System Settings")
	}
	return steps, nil
}

func networkService(m *install.Machine, service string, addrs []netip.Addr) install.Step {
	check := []string{"networksetup", "-getdnsservers", service}
	set := func(servers []string) []string {
		return append([]string{"networksetup", "-setdnsservers", service}, servers...)
	}
	return install.Setting{
		On: m, Name: "ask Hither's resolver first on the network service " + service, Volatile: true, Check: check, After: flushMac(),
		Get: func(ctx context.Context) (string, bool, error) {
			out, err := m.Command(ctx, check...)
			servers := addrsIn(string(out))
			return strings.Join(servers, " "), len(servers) > 0, err
		},
		Want: func(old string, _ bool) string {
			return strings.Join(oursFirst(addrs, strings.Fields(old)), " ")
		},
		Set: func(ctx context.Context, value string) error {
			servers := strings.Fields(value)
			if len(servers) == len(addrs) { // the network gave the servers, so macOS would no longer ask them
				out, err := m.Command(ctx, "scutil", "--dns")
				if err == nil {
					servers = oursFirst(addrs, scutilServers(string(out)))
				}
			}
			_, err := m.Command(ctx, set(servers)...)
			return err
		},
		UndoSet:   func(old string) []string { return set(strings.Fields(old)) },
		UndoUnset: func(string) []string { return set([]string{"Empty"}) },
	}
}

// oursFirst keeps the others' servers behind ours.
func oursFirst(ours []netip.Addr, others []string) (all []string) {
	for _, a := range ours {
		all = append(all, a.String())
	}
	for _, o := range others {
		if !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	return all
}

// addrsIn are the words that are addresses. macOS says in a sentence that there are none.
func addrsIn(text string) (addrs []string) {
	for word := range strings.FieldsSeq(text) {
		if a, err := netip.ParseAddr(word); err == nil {
			addrs = append(addrs, a.String())
		}
	}
	return addrs
}

// scutilServers are the servers of the first resolver of `scutil --dns`, which is the one for all names.
func scutilServers(text string) (servers []string) {
	_, first, found := strings.Cut(text, "resolver #1")
	if !found {
		return nil
	}
	first, _, _ = strings.Cut(first, "resolver #2")
	for line := range strings.Lines(first) {
		name, value, _ := strings.Cut(line, ":")
		if !strings.HasPrefix(strings.TrimSpace(name), "nameserver[") {
			continue
		}
		// One that is only good on one link (fe80::1%en0) cannot be set.
		if a, err := netip.ParseAddr(strings.TrimSpace(value)); err == nil && a.Zone() == "" {
			servers = append(servers, a.String())
		}
	}
	return servers
}
