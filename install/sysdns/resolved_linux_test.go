package sysdns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"hither/install/installtest"
)

const oursName = "reg.lab.example"

func holdForTest(t *testing.T) *Held {
	t.Helper()
	nameServer(t, oursAt, byUs)
	h, err := HoldScoped(t.Context(), Scope{Names: []string{oursName}, Server: netip.MustParseAddrPort(oursAt), Bus: installtest.SystemBus})
	must(t, err)
	t.Cleanup(func() { h.Close() })
	return h
}

func wantAsked(t *testing.T, table map[string]string) {
	t.Helper()
	for name, want := range table {
		until(t, name, func() string { return ask(stub, name) }, want)
	}
}

const byUs, bySystem = "198.51.100.9", "192.0.2.1"

func onlyNamesOfTheScopeComeToUs(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	systemdResolved(t)
	h := holdForTest(t)
	wantAsked(t, map[string]string{oursName: byUs, "deep." + oursName: byUs, "lab.example": bySystem, "other.example": bySystem})

	ln, err := net.Listen("tcp", netip.AddrPortFrom(h.Addr, 443).String())
	must(t, err)
	defer ln.Close()
	conn, err := net.DialTimeout("tcp", ln.Addr().String(), time.Second)
	must(t, err)
	conn.Close()

	must(t, h.SetNames(t.Context(), []string{"new.lab.example"}))
	wantAsked(t, map[string]string{oursName: bySystem, "new.lab.example": byUs})

	must(t, h.Close())
	wantAsked(t, map[string]string{"new.lab.example": bySystem})
	if left := command(t, "ip", "route", "show", "proto", "221"); left != "" {
		t.Errorf("routes after Close\ngot  %s\nwant none", left)
	}
}

func aScopeOfAllLeavesVPNsTheirs(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	systemdResolved(t)
	nameServer(t, oursAt, byUs)
	h, err := HoldScoped(t.Context(), Scope{All: true, Server: netip.MustParseAddrPort(oursAt), Bus: installtest.SystemBus})
	must(t, err)
	wantAsked(t, map[string]string{oursName: byUs, "other.example": byUs})
	if !h.knows(t.Context()) {
		t.Error("systemd-resolved\ngot  something else than we told it\nwant the same")
	}
	nameServer(t, "127.0.0.8:53", "203.0.113.8")
	vpn, err := HoldScoped(t.Context(), Scope{Names: []string{"corp.example"}, Server: netip.MustParseAddrPort("127.0.0.8:53"), Bus: installtest.SystemBus, Link: "vpn0"})
	must(t, err)
	wantAsked(t, map[string]string{"wiki.corp.example": "203.0.113.8", "other.example": byUs})
	must(t, vpn.Close())
	wantAsked(t, map[string]string{"wiki.corp.example": byUs})
	must(t, h.Close())
	wantAsked(t, map[string]string{oursName: bySystem, "other.example": bySystem})
}

func theScopeIsRenewed(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	_, resolved := systemdResolved(t)
	h := holdForTest(t)
	wantAsked(t, map[string]string{oursName: byUs})
	again := func(what string) {
		t.Helper()
		took := until(t, "after "+what, func() string { return ask(stub, oursName) }, byUs)
		t.Logf("after %s: ours again in %s", what, took)
	}

	command(t, "ip", "link", "delete", h.Link)
	again("the link was deleted")
	if got, want := command(t, "ip", "-brief", "address", "show", h.Link), h.Addr.String(); !strings.Contains(got, want) {
		t.Errorf("the address of the new link\ngot  %s\nwant %s", got, want)
	}

	resolved.Process.Kill()
	resolved.Wait()
	os.RemoveAll("/run/systemd/resolve/netif") // or it would remember by itself
	startResolved(t, resolved.Path)
	again("systemd-resolved started anew")

	must(t, h.resolved(resolvePath).Call(resolveManager+"RevertLink", 0, int32(h.tun.index)).Err)
	again("NetworkManager forgot our link")
}

func killingUsGivesTheNamesBack(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	systemdResolved(t)
	stateDir(t)
	noGuardsLeft(t)
	for _, row := range []struct {
		role string
		sig  syscall.Signal
	}{{"scoped", syscall.SIGKILL}, {"scoped", syscall.SIGTERM}, {"scopedGuarded", syscall.SIGKILL}} { // a guard must not keep the link alive
		sig := row.sig
		daemon := role(t, row.role)
		wantAsked(t, map[string]string{oursName: byUs})
		if row.role == "scopedGuarded" {
			signalGuard(t, syscall.SIGSTOP)
		}
		must(t, daemon.Process.Signal(sig))
		took := until(t, row.role+", after "+sig.String(), func() string { return ask(stub, oursName) }, bySystem)
		t.Logf("%s, after %s: the system's again in %s", row.role, sig, took)
		daemon.Wait()
		conn, err := net.DialTimeout("tcp", "198.18.53.1:443", 2*time.Second)
		if !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("who still has our address\ngot  %v %v\nwant no route, at once", conn, err)
		}
		must(t, ReleaseScoped(""))
		if left := command(t, "ip", "route", "show", "proto", "221"); left != "" {
			t.Errorf("routes after ReleaseScoped\ngot  %s\nwant none", left)
		}
	}
}

func withoutResolvedItSaysSo(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	_, err := HoldScoped(t.Context(), Scope{Names: []string{oursName}, Server: netip.MustParseAddrPort(oursAt), Bus: "unix:path=/run/nothing"})
	if !errors.Is(err, ErrNoResolved) {
		t.Errorf("without a bus\ngot  %v\nwant %v", err, ErrNoResolved)
	}
	if left := command(t, "ip", "-brief", "link"); strings.Contains(left, ScopedLink) {
		t.Errorf("links after a failure\ngot  %s\nwant no %s", left, ScopedLink)
	}
}

func ourAddressAvoidsOthers(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	free := func() string {
		a, err := freeAddr(netip.Addr{})
		must(t, err)
		return a.String()
	}
	for _, step := range []struct{ do, want string }{
		{"", "198.18.53.1"},
		{"ip address add 198.18.53.7/24 dev lo", "198.18.54.1"},
		{"ip route add 198.18.54.0/23 dev lo", "198.18.56.1"},
		{"ip route add 198.18.0.0/16 dev lo", "198.19.0.1"},
		{"ip route add 198.18.0.0/15 dev lo", "198.18.53.1"}, // a VPN has them all: any that no host has
		{"ip address add 198.18.53.1/32 dev lo", "198.18.54.1"},
		{"ip route add 0.0.0.0/1 dev lo", "198.18.54.1"},
	} {
		if step.do != "" {
			command(t, strings.Fields(step.do)...)
		}
		if got := free(); got != step.want {
			t.Errorf("after %q\ngot  %s\nwant %s", step.do, got, step.want)
		}
	}
}

// roleScoped is a daemon that holds names until it is killed.
func roleScoped(ctx context.Context) error {
	if _, err := serveNames(oursAt, byUs); err != nil {
		return err
	}
	_, err := HoldScoped(ctx, Scope{Names: []string{oursName}, Server: netip.MustParseAddrPort(oursAt), Bus: installtest.SystemBus})
	return err
}
