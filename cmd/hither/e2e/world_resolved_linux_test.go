package e2e_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"hither/install/installtest"
)

// systemdResolved resolves the machine's names from now on.
func (m *machine) systemdResolved(t *testing.T) {
	t.Helper()
	program := installtest.FindResolved(t)
	installtest.LayResolved(t, systemServer)
	m.bus(t, "system", installtest.SystemBus, "/run/dbus/system_bus_socket", nil)
	start(t, append(os.Environ(), installtest.ResolvedEnv()...), program)
	mustDo(t, os.Remove("/etc/resolv.conf"))
	mustDo(t, os.Symlink("/run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf"))
	m.becomes("systemd-resolved", m.resolves("ready.example"), bySystem)
}

// bus is a D-Bus on which everything is allowed.
func (m *machine) bus(t *testing.T, kind, address, socket string, env []string) {
	t.Helper()
	config := m.write(kind+"-bus.conf", installtest.BusConfig(kind, address))
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
