package e2e_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

const systemBus = "unix:path=/run/dbus/system_bus_socket"

// resolvedPlaces are where Debian has systemd-resolved, and where .ci/deps unpacks it.
var resolvedPlaces = []string{"/usr/lib/systemd/systemd-resolved", "/lib/systemd/systemd-resolved", "/opt/systemd-resolved/lib/systemd/systemd-resolved"}

// systemdResolved resolves the machine's names from now on.
func (m *machine) systemdResolved(t *testing.T) {
	t.Helper()
	program := ""
	for _, place := range resolvedPlaces {
		if _, err := os.Stat(place); err == nil {
			program = place
		}
	}
	if _, err := exec.LookPath("dbus-daemon"); err != nil || program == "" {
		t.Skip("systemd-resolved or dbus-daemon is not here: .ci/deps unpacks them")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("there is no /dev/net/tun")
	}
	for file, line := range map[string]string{"/etc/passwd": "systemd-resolve:x:971:971::/:/usr/sbin/nologin\n", "/etc/group": "systemd-resolve:x:971:\n"} {
		if text := m.read(file); !strings.Contains(text, "systemd-resolve:") {
			put(t, file, text+line)
		}
	}
	mustDo(t, os.MkdirAll("/run/systemd", 0o755)) // it makes the rest itself, before it turns into its user
	mustDo(t, os.MkdirAll("/run/dbus", 0o755))
	put(t, "/etc/systemd/resolved.conf", "[Resolve]\nDNS="+systemServer+"\nFallbackDNS=\nLLMNR=no\nMulticastDNS=no\nDNSSEC=no\nCache=no\n")
	m.bus(t, "system", systemBus, "/run/dbus/system_bus_socket", nil)
	start(t, append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+systemBus, "SYSTEMD_LOG_TARGET=console", "SYSTEMD_LOG_LEVEL=warning"), program)
	mustDo(t, os.Remove("/etc/resolv.conf"))
	mustDo(t, os.Symlink("/run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf"))
	m.becomes("systemd-resolved", m.resolves("ready.example"), bySystem)
}

// bus is a D-Bus on which everything is allowed.
func (m *machine) bus(t *testing.T, kind, address, socket string, env []string) {
	t.Helper()
	config := m.write(kind+"-bus.conf", []byte(`<busconfig><type>`+kind+`</type><listen>`+address+`</listen><auth>EXTERNAL</auth><standard_session_servicedirs/>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>`))
	start(t, append(os.Environ(), env...), "dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile")
	m.await("the "+kind+" bus", func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
}

// desktop is a session of GNOME's settings; false if they are not here.
func (m *machine) desktop(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("gsettings", "list-schemas").Output()
	if err != nil || !strings.Contains(string(out), "org.gnome.system.proxy.https") {
		t.Log("without gsettings and its schemas the desktop's proxy is not looked at")
		return false
	}
	const run = "/run/user/0"
	mustDo(t, os.MkdirAll(run, 0o700))
	m.env = append(m.env, "XDG_RUNTIME_DIR="+run, "DBUS_SESSION_BUS_ADDRESS=unix:path="+run+"/bus")
	m.bus(t, "session", "unix:path="+run+"/bus", run+"/bus", m.env)
	m.shell("/", m.env, "gsettings", "set", "org.gnome.system.proxy", "ignore-hosts", "['corp.example']")
	return true
}

// proxyMode is what the desktop is told.
func (m *machine) proxyMode() string {
	out, err := m.try("/", m.env, "gsettings", "get", "org.gnome.system.proxy", "mode")
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out)
}
