package sysdns

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"

	"hither/install"
)

// resolvedRuns says that systemd-resolved resolves this machine's names: it keeps this file while it runs, and removes it.
func resolvedRuns(m *install.Machine) bool { return m.Exists("/run/systemd/resolve/stub-resolv.conf") }

// managerNames is a file that the dnsmasq of NetworkManager reads (NetworkManager.conf(5), dns=dnsmasq).
const managerNames = "/etc/NetworkManager/dnsmasq.d/hither.conf"

// networkManagerNames leads the names to us by the dnsmasq that NetworkManager starts.
func networkManagerNames(m *install.Machine, r Resolver) []install.Step {
	return []install.Step{install.Edit{
		On: m, Name: "lead the registries' names to Hither in " + managerNames, Path: managerNames, Volatile: true,
		Change: func([]byte, bool) ([]byte, error) { return dnsmasqNames(r), nil },
		After:  [][]string{{"nmcli", "general", "reload", "dns-full"}},
		// A NetworkManager that does not run has nothing to read again.
		AfterUndo: [][]string{install.Perhaps([]string{"nmcli", "general", "reload", "dns-full"})},
	}}
}

// dnsmasqNames is a file of dnsmasq(8): --server=/name/address#port.
func dnsmasqNames(r Resolver) []byte {
	var out bytes.Buffer
	out.WriteString("# Written by Hither. `hither restore` removes it.\n")
	for _, name := range r.Names {
		fmt.Fprintf(&out, "server=/%s/%s#%d\n", name, r.Addrs[0].Addr(), r.Addrs[0].Port())
	}
	return out.Bytes()
}

// dnsmasqByNetworkManager says that NetworkManager is told to start a dnsmasq. Of its files the last one that says
// something counts; those in /etc come after those in /usr/lib and /run.
func dnsmasqByNetworkManager(m *install.Machine) bool {
	if !m.Look("nmcli") || !m.Look("dnsmasq") {
		return false
	}
	plugin := ""
	files := m.Glob("/usr/lib/NetworkManager/conf.d/*.conf")
	files = append(files, m.Glob("/run/NetworkManager/conf.d/*.conf")...)
	files = append(append(files, "/etc/NetworkManager/NetworkManager.conf"), m.Glob("/etc/NetworkManager/conf.d/*.conf")...)
	for _, file := range files {
		text, err := m.Read(file)
		if err != nil {
			continue
		}
		if said, ok := mainKey(text, "dns"); ok {
			plugin = said
		}
	}
	return plugin == "dnsmasq"
}

// mainKey returns the value of a key in the section [main] of a key file.
func mainKey(text []byte, key string) (value string, ok bool) {
	section := ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		l := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(l, "[") && strings.HasSuffix(l, "]") {
			section = strings.Trim(l, "[]")
			continue
		}
		name, said, found := strings.Cut(l, "=")
		if found && section == "main" && strings.TrimSpace(name) == key {
			value, ok = strings.TrimSpace(said), true
		}
	}
	return value, ok
}
