package link

import (
	"bufio"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

// falseResolved is the part of systemd-resolved that we ask.
type falseResolved map[string]dbus.Variant

func (f falseResolved) Get(iface, name string) (dbus.Variant, *dbus.Error) {
	if v, ok := f[iface+"."+name]; ok {
		return v, nil
	}
	return dbus.Variant{}, dbus.MakeFailedError(errors.New("no such property"))
}

type falseManager struct{}

func (falseManager) GetLink(index int32) (dbus.ObjectPath, *dbus.Error) {
	if index == 2 {
		return "/org/freedesktop/resolve1/link/_32", nil
	}
	return "/org/freedesktop/resolve1/link/_33", nil
}

func TestLinksOfResolved(t *testing.T) {
	address := privateBus(t)
	server := connected(t, address)
	const iface, props = resolvedName + ".Manager", "org.freedesktop.DBus.Properties"
	server.Export(falseManager{}, resolvedPath, iface)
	server.Export(falseResolved{
		iface + ".DNSEx": dbus.MakeVariant([]resolvedServer{
			{2, 2, []byte{192, 168, 1, 1}, 0, ""}, {3, 2, []byte{10, 8, 0, 1}, 5353, "dns.corp.example"},
			{0, 2, []byte{9, 9, 9, 9}, 53, ""}, {2, 10, append([]byte{0xfe, 0x80}, make([]byte, 14)...), 0, ""}, {2, 2, []byte{1, 2}, 0, ""},
		}),
		iface + ".Domains": dbus.MakeVariant([]resolvedDomain{{2, "lan", false}, {3, "corp.example", true}, {7, "nowhere.example", true}}),
	}, resolvedPath, props)
	server.Export(falseResolved{resolvedName + ".Link.DefaultRoute": dbus.MakeVariant(true)}, "/org/freedesktop/resolve1/link/_32", props)
	server.Export(falseResolved{resolvedName + ".Link.DefaultRoute": dbus.MakeVariant(false), resolvedName + ".Link.DNSOverTLS": dbus.MakeVariant("yes")}, "/org/freedesktop/resolve1/link/_33", props)
	client := connected(t, address)
	if _, err := resolvedLinks(t.Context(), client); err == nil {
		t.Error("resolved does not run: no error")
	}
	if _, err := server.RequestName(resolvedName, 0); err != nil {
		t.Fatal(err)
	}
	links, err := resolvedLinks(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	want := `link 2 [192.168.1.1:53 [fe80::%2]:53] [lan] true
link 3 [10.8.0.1:5353] [corp.example] false
link 0 [9.9.9.9:53] [] true`
	if got := said(links); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := fmt.Sprint(links[0].TLS, links[1].TLS), "map[] map[10.8.0.1:5353:dns.corp.example]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func connected(t *testing.T, address string) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// privateBus starts a bus of the test's own.
func privateBus(t *testing.T) string {
	t.Helper()
	daemon := exec.CommandContext(t.Context(), "dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address", "--address=unix:dir="+t.TempDir())
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Skipf("there is no dbus-daemon to try it with: %v", err)
	}
	t.Cleanup(func() { daemon.Process.Kill(); daemon.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Skipf("the dbus-daemon does not start here: %v", err)
	}
	return strings.TrimSpace(address)
}
