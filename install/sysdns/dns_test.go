package sysdns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hither/install"
	"hither/install/stage"
)

// tree is the files of a machine with their texts, in one string.
func tree(t *testing.T, m *install.Machine) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(m.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintln(&all, path, d.Type())
		if d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			fmt.Fprintln(&all, string(text))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// machineOf is a machine below a directory, with commands that run answers.
func machineOf(t *testing.T, system string, run func(argv []string) (string, error)) *install.Machine {
	t.Helper()
	return &install.Machine{
		OS: system, Root: t.TempDir(), UID: -1, GID: -1, Journal: install.OpenJournal(filepath.Join(t.TempDir(), "journal")),
		Run: func(_ context.Context, argv []string, _ []byte) ([]byte, error) {
			out, err := run(argv)
			return []byte(out), err
		},
	}
}

// fakeMac answers as networksetup(8) and scutil(8) do.
type fakeMac struct{ set map[string][]string }

func newFakeMac() *fakeMac { return &fakeMac{set: map[string][]string{"Ethernet": {"192.0.2.7"}}} }

func (f *fakeMac) String() string { return fmt.Sprint(f.set) }

func (f *fakeMac) run(argv []string) (string, error) {
	switch {
	case argv[0] == "networksetup" && argv[1] == "-listallnetworkservices":
		return "An asterisk (*) denotes that a network service is disabled.\nWi-Fi\nEthernet\n*Thunderbolt Bridge\n", nil
	case argv[0] == "networksetup" && argv[1] == "-getdnsservers":
		if len(f.set[argv[2]]) == 0 {
			return "There aren't any DNS Servers set on " + argv[2] + ".\n", nil
		}
		return strings.Join(f.set[argv[2]], "\n") + "\n", nil
	case argv[0] == "networksetup" && argv[1] == "-setdnsservers":
		delete(f.set, argv[2])
		if argv[3] != "Empty" {
			f.set[argv[2]] = argv[3:]
		}
		return "", nil
	case argv[0] == "scutil":
		return "DNS configuration\n\nresolver #1\n  nameserver[0] : 192.168.1.1\n  nameserver[1] : fe80::1%en0\n  if_index : 14 (en0)\nresolver #2\n  nameserver[0] : 10.0.0.1\n", nil
	case argv[0] == "dscacheutil", argv[0] == "killall":
		return "", nil
	}
	return "", fmt.Errorf("a Mac has no %v", argv)
}

// fakeWindows answers the scripts of this package as PowerShell does.
type fakeWindows struct {
	rules   map[string]string // display name -> what the check prints
	static  map[string]string // by GUID
	dhcp    string
	policy  string // rules of a group policy
	scripts []string
}

func newFakeWindows() *fakeWindows {
	return &fakeWindows{rules: map[string]string{}, static: map[string]string{}, dhcp: "192.168.1.1 192.168.1.2", policy: "0"}
}

func (f *fakeWindows) String() string { return fmt.Sprint(f.rules, f.static) }

const wifiGUID = "{01234567-89AB-CDEF-0123-456789ABCDEF}"

func (f *fakeWindows) run(argv []string) (string, error) {
	if argv[0] == "ipconfig" {
		return "", nil
	}
	script := argv[len(argv)-1]
	f.scripts = append(f.scripts, script)
	between := func(from, to string) string {
		_, rest, _ := strings.Cut(script, from)
		inner, _, _ := strings.Cut(rest, to)
		return inner
	}
	list := func(inner string) string { return strings.NewReplacer("'", "", ",", " ").Replace(inner) }
	switch {
	case strings.Contains(script, "Test-Path"):
		return f.policy + "\r\n", nil
	case strings.Contains(script, "Add-DnsClientNrptRule"):
		names := strings.Fields(list(between("-Namespace @(", ")")))
		slices.Reverse(names) // in whatever order
		f.rules[between("DisplayName -eq '", "'")] = strings.Join(names, " ") + "\r\n" + list(between("-NameServers @(", ")")) + "\r\n"
	case strings.Contains(script, "Remove-DnsClientNrptRule"):
		delete(f.rules, between("DisplayName -eq '", "'"))
	case strings.Contains(script, "Get-DnsClientNrptRule"):
		return f.rules[between("DisplayName -eq '", "'")], nil
	case strings.Contains(script, "ConvertTo-Json"):
		return `[{"Name":"Wi-Fi","InterfaceGuid":"` + wifiGUID + `"},{"Name":"evil","InterfaceGuid":"{'; Remove-Item C:\\ }"}]`, nil
	case strings.Contains(script, "Set-DnsClientServerAddress") && strings.Contains(script, "Reset"):
		delete(f.static, wifiGUID)
	case strings.Contains(script, "Set-DnsClientServerAddress"):
		f.static[wifiGUID] = strings.ReplaceAll(list(between("-ServerAddresses @(", ")")), " ", ",")
	case strings.Contains(script, "DhcpNameServer"):
		return f.dhcp + "\r\n", nil
	case strings.Contains(script, ".NameServer"):
		return f.static[wifiGUID] + "\r\n", nil
	default:
		return "", fmt.Errorf("Windows knows no %s", script)
	}
	return "", nil
}

func names(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("host-%03d.example", i))
	}
	return all
}

var at53 = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}

func TestDNSIsLedToUsAndGivenBack(t *testing.T) {
	mac, windows := newFakeMac(), newFakeWindows()
	none := func(argv []string) (string, error) { return "", fmt.Errorf("no %v here", argv) }
	for _, row := range []struct {
		name, system string
		mode         Mode
		names        int
		run          func([]string) (string, error)
		state        fmt.Stringer
		steps        int
		want         string // in the tree or the state while it is in force
	}{
		{"macOS, some names", "darwin", Scoped, 3, mac.run, mac, 3, "nameserver 127.0.0.1\nport 53\n"},
		{"macOS, all", "darwin", Full, 0, mac.run, mac, 2, "map[Ethernet:[127.0.0.1 192.0.2.7] Wi-Fi:[127.0.0.1 192.168.1.1]]"},
		{"Windows, some names", "windows", Scoped, 3, windows.run, windows, 1, "map[Hither 1:host-002.example host-001.example host-000.example\r\n127.0.0.1\r\n]"},
		{"Windows, more than a rule holds", "windows", Scoped, 101, windows.run, windows, 3, "Hither 3:host-100.example\r\n"},
		{"Windows, all", "windows", Full, 0, windows.run, windows, 1, wifiGUID + ":127.0.0.1,192.168.1.1,192.168.1.2"},
		{"Linux, all", "linux", Full, 0, none, nil, 1, block + "nameserver 192.0.2.1\n"},
		{"FreeBSD, all", "freebsd", Full, 0, none, nil, 1, block + "nameserver 192.0.2.1\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := machineOf(t, row.system, row.run)
			stage.MustWrite(t, m.Path(resolvPath), "nameserver 192.0.2.1\n")
			look := func() string { return tree(t, m) + fmt.Sprint(row.state) }
			before := look()
			steps, err := Steps(t.Context(), m, row.mode, Resolver{Addrs: at53, Names: names(row.names)})
			if err != nil || len(steps) != row.steps {
				t.Fatalf("got  %d steps, %v\nwant %d", len(steps), err, row.steps)
			}
			if err := install.Apply(t.Context(), steps...); err != nil {
				t.Fatal(err)
			}
			if got := look(); !strings.Contains(got, row.want) {
				t.Errorf("in force\ngot  %q\nwant %q", got, row.want)
			}
			for _, s := range steps {
				if done, err := s.Done(t.Context()); !done || err != nil {
					t.Errorf("%s, after Do\ngot  %v, %v\nwant done", s, done, err)
				}
			}
			if _, err := install.Restore(t.Context(), m, install.Volatile); err != nil { // as the guard does
				t.Fatal(err)
			}
			if got := look(); got != before {
				t.Errorf("afterwards\ngot  %q\nwant %q", got, before)
			}
		})
	}
}

func TestNetworkManagersDnsmasqIsTold(t *testing.T) {
	var reloads int
	m := machineOf(t, "linux", func(argv []string) (string, error) {
		if strings.HasSuffix(strings.Join(argv, " "), "nmcli general reload dns-full") {
			reloads++
		}
		return "", nil
	})
	for path, text := range map[string]string{
		"/usr/bin/nmcli": "", "/usr/sbin/dnsmasq": "", "/etc/NetworkManager/NetworkManager.conf": "[main]\nplugins=keyfile\ndns=default\n",
		"/etc/NetworkManager/conf.d/dns.conf": "[device]\ndns=none\n[main]\ndns = dnsmasq\n",
	} {
		stage.MustWrite(t, m.Path(path), text)
	}
	before := tree(t, m)
	steps, err := Steps(t.Context(), m, Scoped, Resolver{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.9:5300")}, Names: []string{"B.example.", "a.example"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := install.Apply(t.Context(), steps...); err != nil {
		t.Fatal(err)
	}
	text, _ := m.Read(managerNames)
	if want := "server=/a.example/127.0.0.9#5300\nserver=/b.example/127.0.0.9#5300\n"; !strings.HasSuffix(string(text), want) || reloads != 1 {
		t.Errorf("got  %q, %d reloads\nwant %q, 1", text, reloads, want)
	}
	if _, err := install.Restore(t.Context(), m, install.Volatile); err != nil || reloads != 2 || tree(t, m) != before {
		t.Errorf("got  %v, %d reloads, %s\nwant no error, 2, %s", err, reloads, tree(t, m), before)
	}
}

func TestDNSThatCannotBeSetSaysWhatToDo(t *testing.T) {
	windows := newFakeWindows()
	windows.policy = "2"
	high := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5300")}
	for _, row := range []struct {
		name, system string
		mode         Mode
		r            Resolver
		run          func([]string) (string, error)
		want         string
	}{
		{"no resolver", "linux", Full, Resolver{}, nil, "--dns"},
		{"no port 53", "linux", Full, Resolver{Addrs: high}, nil, "CAP_NET_BIND_SERVICE"},
		{"no names", "linux", Scoped, Resolver{Addrs: at53}, nil, "hither mirrors"},
		{"no systemd-resolved", "linux", Scoped, Resolver{Addrs: at53, Names: names(1)}, nil, "--dns full"},
		{"another system", "freebsd", Scoped, Resolver{Addrs: at53, Names: names(1)}, nil, "hither run"},
		{"another mode", "linux", "some", Resolver{Addrs: at53, Names: names(1)}, nil, "scoped or full"},
		{"the wildcard", "linux", Full, Resolver{Addrs: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:53")}}, nil, "an address of this machine"},
		{"a name with a path in it", "darwin", Scoped, Resolver{Addrs: at53, Names: []string{"../../etc/passwd"}}, nil, "host names"},
		{"a name with a script in it", "windows", Scoped, Resolver{Addrs: at53, Names: []string{"a';calc;'.example"}}, nil, "host names"},
		{"a whole top-level domain", "darwin", Scoped, Resolver{Addrs: at53, Names: []string{"com"}}, nil, "host names"},
		{"a group policy", "windows", Scoped, Resolver{Addrs: at53, Names: names(1)}, windows.run, "--dns full"},
		{"no IPv4 for Windows", "windows", Full, Resolver{Addrs: []netip.AddrPort{netip.MustParseAddrPort("[::1]:53")}}, windows.run, "127.0.0.1:53"},
	} {
		if row.run == nil {
			row.run = func([]string) (string, error) { return "", errors.New("nothing may be run") }
		}
		steps, err := Steps(t.Context(), machineOf(t, row.system, row.run), row.mode, row.r)
		if err == nil || !strings.Contains(err.Error(), row.want) || steps != nil {
			t.Errorf("%s\ngot  %v, %v\nwant an error with %q", row.name, steps, err, row.want)
		}
	}
	m := machineOf(t, "linux", nil)
	stage.MustWrite(t, m.Path("/run/systemd/resolve/stub-resolv.conf"), "")
	for _, mode := range []Mode{Scoped, Full} {
		if _, err := Steps(t.Context(), m, mode, Resolver{Addrs: high, Names: names(1)}); !errors.Is(err, ErrHeld) {
			t.Errorf("systemd-resolved, %s\ngot  %v\nwant %v", mode, err, ErrHeld)
		}
	}
}

func TestAResolverFileOfAnotherIsLeftAlone(t *testing.T) {
	m := machineOf(t, "darwin", newFakeMac().run)
	stage.MustWrite(t, m.Path("/etc/resolver/host-001.example"), "nameserver 10.0.0.1\n")
	before := tree(t, m)
	steps, err := Steps(t.Context(), m, Scoped, Resolver{Addrs: at53, Names: names(3)})
	if err != nil {
		t.Fatal(err)
	}
	if err := install.Apply(t.Context(), steps...); err == nil || tree(t, m) != before {
		t.Errorf("got  %v\n%s\nwant an error, and all as before", err, tree(t, m))
	}
}

func TestWhatSomebodySetSinceIsKept(t *testing.T) {
	mac := newFakeMac()
	m := machineOf(t, "darwin", mac.run)
	steps, err := Steps(t.Context(), m, Full, Resolver{Addrs: at53})
	if err != nil {
		t.Fatal(err)
	}
	if err := install.Apply(t.Context(), steps...); err != nil {
		t.Fatal(err)
	}
	mac.set["Wi-Fi"] = []string{"1.1.1.1"}
	if _, err := install.Restore(t.Context(), m, install.Volatile); err != nil {
		t.Fatal(err)
	}
	if got, want := mac.String(), "map[Ethernet:[192.0.2.7] Wi-Fi:[1.1.1.1]]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
