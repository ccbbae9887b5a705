package led

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/upkeep"
	"hither/install/sysdns"
	"hither/resolver"
)

func TestWhereDNSIsAnsweredAndWhereDoorsAre(t *testing.T) {
	for _, row := range []struct {
		what, system string
		settings     settings.Settings
		mode         sysdns.Mode
		want         string
	}{
		{"nothing is wanted", "linux", settings.Settings{}, "", "[] []"},
		{"the settings alone", "linux", settings.Settings{DNS: []string{"[::1]:53"}, Transparent: []string{"::1"}}, "", "[[::1]:53] [::1]"},
		{"installed, scoped", "linux", settings.Settings{}, sysdns.Scoped, "[127.0.7.90:0] [127.0.7.90]"},
		{"installed, full", "linux", settings.Settings{}, sysdns.Full, "[127.0.7.90:53] [127.0.7.90]"},
		{"on macOS", "darwin", settings.Settings{}, sysdns.Scoped, "[127.0.0.1:0] [127.0.0.1]"},
		{"on Windows", "windows", settings.Settings{}, sysdns.Scoped, "[127.0.7.90:53] [127.0.7.90]"},
		{"the settings are stronger", "linux", settings.Settings{DNS: []string{"127.0.0.1:53"}}, sysdns.Full, "[127.0.0.1:53] [127.0.7.90]"},
		{"no doors, in so many words", "linux", settings.Settings{From: map[string]string{"transparent": "x.toml:1"}}, sysdns.Full, "[127.0.7.90:53] []"},
		{
			"a Hither for one command, which the settings do not mean", "linux",
			settings.Settings{Runner: 1, DNS: []string{"127.0.0.1:53"}, Transparent: []string{"127.0.0.1"}, From: map[string]string{"dns": "HITHER_DNS"}},
			"", "[] []",
		},
		{
			"a Hither for one command, by flags", "linux",
			settings.Settings{Runner: 1, DNS: []string{"127.0.0.1:5300"}, Transparent: []string{"127.0.0.1"}, From: map[string]string{"dns": "--dns", "transparent": "--transparent"}},
			"", "[127.0.0.1:5300] [127.0.0.1]",
		},
	} {
		dns, doors := addresses(row.settings, row.mode, row.system)
		hithertest.Same(t, row.what, strings.Join([]string{"[" + strings.Join(dns, " ") + "]", "[" + strings.Join(doors, " ") + "]"}, " "), row.want)
	}
}

func TestWhereAClientFindsOurDoors(t *testing.T) {
	var l Way
	for _, row := range []struct{ what, doors, client, want string }{
		{"a program of this machine", "127.0.7.90:443 127.0.7.90:80", "127.0.0.1", "127.0.7.90 invalid IP true"},
		{"one of IPv6", "127.0.7.90:443 [::1]:443", "::1", "127.0.7.90 ::1 true"},
		{"IPv6 alone", "[::1]:443", "127.0.0.1", "invalid IP ::1 true"},
		{"the first door", "127.0.7.91:443 127.0.7.90:443", "127.0.0.1", "127.0.7.91 invalid IP true"},
		{"no door that speaks TLS", "127.0.7.90:8443 127.0.7.90:80", "127.0.0.1", "invalid IP invalid IP false"},
		{"doors on all addresses", "0.0.0.0:443 [::]:443", "127.0.0.1", "127.0.0.1 ::1 true"},
		{"a link's own address, which DNS cannot tell", "[fe80::1%eth0]:443", "127.0.0.1", "invalid IP invalid IP false"},
		{"a container, which has loopback of its own", "127.0.7.90:443", "203.0.113.9", "invalid IP invalid IP false"},
		{"a stranger at doors on all addresses", "0.0.0.0:443", "203.0.113.9", "invalid IP invalid IP false"},
	} {
		var doors []netip.AddrPort
		for text := range strings.FieldsSeq(row.doors) {
			doors = append(doors, netip.MustParseAddrPort(text))
		}
		v4, v6, ours := l.view(doors, netip.MustParseAddr(row.client))
		hithertest.Same(t, row.what, strings.Join([]string{v4.String(), v6.String(), map[bool]string{true: "true", false: "false"}[ours]}, " "), row.want)
	}
}

// Node asks for IPv6 alone where the machine has nothing else.
func TestADoorOfIPv4OnAMachineOfIPv6Alone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("programs cannot connect to an address of IPv4 in IPv6 everywhere here")
	}
	l := Way{lacksV4: func() bool { return true }}
	for _, row := range []struct{ what, doors, client, want string }{
		{"a program of this machine", "127.0.7.90:443", "127.0.0.1", "127.0.7.90 ::ffff:127.0.7.90 true"},
		{"with a door of IPv6", "127.0.7.90:443 [::1]:443", "127.0.0.1", "127.0.7.90 ::1 true"},
		{"a container", "127.0.7.90:443", "203.0.113.9", "invalid IP invalid IP false"},
	} {
		var doors []netip.AddrPort
		for text := range strings.FieldsSeq(row.doors) {
			doors = append(doors, netip.MustParseAddrPort(text))
		}
		v4, v6, ours := l.view(doors, netip.MustParseAddr(row.client))
		hithertest.Same(t, row.what, strings.Join([]string{v4.String(), v6.String(), map[bool]string{true: "true", false: "false"}[ours]}, " "), row.want)
	}
}

// What was installed may be in vain: the proxy is of use all the same. What the user says here and now must be had.
func TestWhatCannotBeOpenedIsToldOrFatal(t *testing.T) {
	if l, err := net.Listen("tcp", net.JoinHostPort(ownAddress, "443")); err == nil { // else it is taken, or forbidden
		defer l.Close()
	}
	var said hithertest.Journal
	log := slog.New(slog.NewTextHandler(&said, nil))
	l, err := Open(t.Context(), settings.Settings{DNS: []string{"127.0.0.1:0"}}, upkeep.Upkeep{DNS: sysdns.Scoped}, nil, log)
	hithertest.Must(t, err)
	defer l.Close()
	dns, doors := l.Addresses()
	hithertest.Same(t, "DNS and doors", len(dns) == 1 && len(doors) == 0, true)
	hithertest.Contains(t, l.Trouble(), "transparent: open a transparent door at 127.0.7.90:443")
	hithertest.Contains(t, said.String(), "goes on without it")
	l.SetNames(hithertest.Rules(t, "reg.test"))
	hithertest.Same(t, "names are led", l.now.Load().Len(), 0)

	_, err = Open(t.Context(), settings.Settings{DNS: []string{dns[0].String()}}, upkeep.Upkeep{}, nil, log)
	if err == nil {
		t.Fatal("no error")
	}
	hithertest.Contains(t, err.Error(), "dns: ", "elsewhere", "that program is ")
	_, err = Open(t.Context(), settings.Settings{Transparent: []string{"nowhere"}, From: map[string]string{"transparent": "/c.toml:3"}}, upkeep.Upkeep{}, nil, log)
	if err == nil {
		t.Fatal("no error")
	}
	hithertest.Contains(t, err.Error(), "/c.toml:3: transparent: ", "127.0.7.90")
}

func TestNobodyIsLedToAHitherThatIsSick(t *testing.T) {
	l, err := Open(t.Context(), settings.Settings{Transparent: []string{"127.0.0.1:0"}}, upkeep.Upkeep{}, nil, slog.New(slog.DiscardHandler))
	hithertest.Must(t, err)
	defer l.Close()
	told := 0
	l.SetNames(hithertest.Rules(t, "reg.test"))
	l.OnNames(func() { told++ })
	hithertest.Same(t, "led", l.now.Load().Len(), 1)
	l.SetSick(true)
	hithertest.Same(t, "led while sick", l.now.Load().Len(), 0)
	hithertest.Contains(t, l.Trouble(), "health: ")
	l.SetNames(hithertest.Rules(t, "reg.test", "new.test"))
	hithertest.Same(t, "led by new rules while sick", l.now.Load().Len(), 0)
	hithertest.Same(t, "told of new rules", told, 1)
	l.SetSick(false)
	hithertest.Same(t, "led again", l.now.Load().Len(), 2)
	hithertest.Same(t, "trouble", l.Trouble(), "")
}

// TestAnotherNetworkBeforeServingHoldsNobodyUp: who looks for loops is not there yet to hear of it.
func TestAnotherNetworkBeforeServingHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probes := 0
		l := &Way{server: &resolver.Server{}, again: make(chan struct{}, 1), probe: func(context.Context) { probes++ }}
		l.Forget()
		ctx, end := context.WithCancel(t.Context())
		var runs []func() error
		l.Serve(ctx, nil, func(run func() error) { runs = append(runs, run) })
		go func() { _ = runs[1]() }()
		synctest.Wait()
		hithertest.Same(t, "looks for loops", probes, 2)
		end()
	})
}
