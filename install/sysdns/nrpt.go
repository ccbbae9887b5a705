package sysdns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hither/install"
)

// nrptNames is how many names a rule may have; Windows passes over one that has more.
const nrptNames = 50

// Registry keys of Windows' name resolution policy. The group policy's rules, if it has any, put all others out of force.
const (
	nrptPolicy = `HKLM:\SOFTWARE\Policies\Microsoft\Windows NT\DNSClient\DnsPolicyConfig`
	tcpipLinks = `HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces\`
)

// psList is an array of strings in PowerShell.
func psList(texts []string) string {
	q := make([]string, len(texts))
	for i, t := range texts {
		q[i] = install.QuotePowerShell(t)
	}
	return "@(" + strings.Join(q, ",") + ")"
}

// nrptRules are rules of the name resolution policy table, at most fifty names each. Windows asks port 53 alone. A rule
// outlives us, so the guard takes it away, and the daemon's start after a crash.
func nrptRules(ctx context.Context, m *install.Machine, r Resolver) (steps []install.Step, err error) {
	addrs, err := onPort53(r)
	if err != nil {
		return nil, err
	}
	// One that cannot be asked says nothing: the rule then fails by itself.
	out, err := m.Command(ctx, install.PowerShellCommand("if (Test-Path "+install.QuotePowerShell(nrptPolicy)+") { @(Get-ChildItem "+install.QuotePowerShell(nrptPolicy)+").Count } else { 0 }")...)
	if n := strings.TrimSpace(string(out)); err == nil && n != "0" && n != "" {
		return nil, errors.New("a group policy of your organisation rules how names are resolved, and Windows passes over all other rules: choose `--dns full`, or `hither run`")
	}
	servers := oursFirst(addrs, nil)
	n := 0
	for names := range slices.Chunk(r.Names, nrptNames) {
		n++
		steps = append(steps, nrptRule(m, fmt.Sprintf("Hither %d", n), names, servers))
	}
	return steps, nil
}

// nrptRule is known by its display name. Its value is its names, a space between two, without the servers: those are ours.
func nrptRule(m *install.Machine, label string, names, servers []string) install.Step {
	ours := "Get-DnsClientNrptRule | Where-Object { $_.DisplayName -eq " + install.QuotePowerShell(label) + " }"
	check := install.PowerShellCommand(ours + " | ForEach-Object { $_.Namespace -join ' '; ($_.NameServers | ForEach-Object { \"$_\" }) -join ' ' }")
	remove := ours + " | Remove-DnsClientNrptRule -Force"
	want := strings.Join(names, " ") + "\n" + strings.Join(servers, " ")
	return install.Setting{
		On: m, Name: "lead the registries' names to Hither by the name resolution rule " + label, Volatile: true, Check: check,
		Get: func(ctx context.Context) (string, bool, error) {
			out, err := m.Command(ctx, check...)
			listed, by, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			found := strings.Fields(listed)
			slices.Sort(found) // by bytes, as ours are; PowerShell would go by the user's language
			return strings.Join(found, " ") + "\n" + strings.TrimSpace(by), len(found) > 0, err
		},
		Want: func(string, bool) string { return want },
		Set: func(ctx context.Context, _ string) error {
			_, err := m.Command(ctx, install.PowerShellCommand(remove+"; Add-DnsClientNrptRule -DisplayName "+install.QuotePowerShell(label)+" -Comment 'Written by Hither; hither restore removes it' -Namespace "+
				psList(names)+" -NameServers "+psList(servers))...)
			return err
		},
		// A rule of this name is always ours: one from before a crash is not to come back.
		UndoSet:   func(string) []string { return install.PowerShellCommand(remove) },
		UndoUnset: func(string) []string { return install.PowerShellCommand(remove) },
		After:     [][]string{{"ipconfig", "/flushdns"}},
	}
}

// adapters puts our resolver before the others on each network adapter of Windows that is up.
func adapters(ctx context.Context, m *install.Machine, addrs []netip.Addr) (steps []install.Step, err error) {
	out, err := m.Command(ctx, install.PowerShellCommand("ConvertTo-Json -Compress @(Get-NetAdapter | Where-Object Status -eq 'Up' | Select-Object Name,InterfaceGuid)")...)
	if err != nil {
		return nil, fmt.Errorf("list the network adapters: %w: set the DNS servers in Windows' settings", err)
	}
	var all []adapter
	if err := json.Unmarshal(out, &all); err != nil {
		return nil, fmt.Errorf("list the network adapters: PowerShell's answer is no list: %w: set the DNS servers in Windows' settings", err)
	}
	var four []netip.Addr // an adapter has two lists; ours of IPv4 is enough for names of both kinds
	for _, a := range addrs {
		if a.Is4() {
			four = append(four, a)
		}
	}
	if len(four) == 0 {
		return nil, errors.New("adapters of Windows are given an address of IPv4: give Hither's resolver --dns 127.0.0.1:53 too")
	}
	for _, a := range all {
		if isGUID(a.InterfaceGUID) {
			steps = append(steps, adapterStep(m, a, four))
		}
	}
	if len(steps) == 0 {
		return nil, errors.New("no network adapter is up: connect to a network first")
	}
	return steps, nil
}

type adapter struct {
	Name          string `json:"Name"`
	InterfaceGUID string `json:"InterfaceGuid"`
}

// isGUID keeps what comes from a driver from being more than a key's name.
func isGUID(text string) bool {
	inner, ok := strings.CutPrefix(text, "{")
	inner, ok2 := strings.CutSuffix(inner, "}")
	return ok && ok2 && len(inner) == 36 && !strings.ContainsFunc(inner, func(c rune) bool {
		return !strings.ContainsRune("0123456789abcdefABCDEF-", c)
	})
}

// adapterStep sets the list that counts before the network's own (NameServer in the registry; DhcpNameServer is the other).
func adapterStep(m *install.Machine, a adapter, addrs []netip.Addr) install.Step {
	key := install.QuotePowerShell(tcpipLinks + a.InterfaceGUID)
	check := install.PowerShellCommand("(Get-ItemProperty " + key + ").NameServer")
	index := "(Get-NetAdapter | Where-Object InterfaceGuid -eq " + install.QuotePowerShell(a.InterfaceGUID) + ").ifIndex"
	set := func(servers []string) []string {
		return install.PowerShellCommand("Set-DnsClientServerAddress -InterfaceIndex " + index + " -ServerAddresses " + psList(servers))
	}
	return install.Setting{
		On: m, Name: "ask Hither's resolver first on the network adapter " + a.Name, Volatile: true, Check: check,
		Get: func(ctx context.Context) (string, bool, error) {
			out, err := m.Command(ctx, check...)
			servers := serverList(string(out))
			return strings.Join(servers, " "), len(servers) > 0, err
		},
		Want: func(old string, _ bool) string { return strings.Join(oursFirst(addrs, strings.Fields(old)), " ") },
		Set: func(ctx context.Context, value string) error {
			servers := strings.Fields(value)
			if len(servers) == len(addrs) { // the network gave the servers, so Windows would no longer ask them
				out, err := m.Command(ctx, install.PowerShellCommand("(Get-ItemProperty "+key+").DhcpNameServer")...)
				if err == nil {
					servers = oursFirst(addrs, serverList(string(out)))
				}
			}
			_, err := m.Command(ctx, set(servers)...)
			return err
		},
		UndoSet: func(old string) []string { return set(strings.Fields(old)) },
		UndoUnset: func(string) []string {
			return install.PowerShellCommand("Set-DnsClientServerAddress -InterfaceIndex " + index + " -ResetServerAddresses")
		},
		After: [][]string{{"ipconfig", "/flushdns"}},
	}
}

// serverList reads a list of the registry, which has commas or spaces between the servers.
func serverList(text string) []string { return addrsIn(strings.ReplaceAll(text, ",", " ")) }
