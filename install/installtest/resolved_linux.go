package installtest

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"hither/install/stage"
)

// SystemBus is where programs look for the D-Bus of the machine.
const SystemBus = "unix:path=/run/dbus/system_bus_socket"

// FindResolved is the program systemd-resolved: where Debian has it, or where .ci/deps unpacks it, since the package itself would change
// the resolv.conf of the machine that runs the tests. Without it, or what it needs, the test is skipped.
func FindResolved(t testing.TB) (program string) {
	t.Helper()
	for _, place := range []string{"/usr/lib/systemd/systemd-resolved", "/lib/systemd/systemd-resolved", "/opt/systemd-resolved/lib/systemd/systemd-resolved"} {
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
	return program
}

// LayResolved lays out what systemd-resolved wants to find when it starts, so that it asks server alone: in /etc and /run themselves,
// so call it where these are the test's own.
func LayResolved(t testing.TB, server string) {
	t.Helper()
	const name = "systemd-resolve" // the user that it turns into
	for file, line := range map[string]string{"/etc/passwd": name + ":x:971:971::/:/usr/sbin/nologin\n", "/etc/group": name + ":x:971:\n"} {
		text, err := os.ReadFile(file)
		stage.Check(t, err)
		if !bytes.Contains(text, []byte(name+":")) {
			stage.Check(t, os.WriteFile(file, append(text, line...), 0o644))
		}
	}
	for _, dir := range []string{"/run/systemd", "/run/dbus", "/etc/systemd"} { // it makes the rest itself, before it turns into its user
		stage.Check(t, os.MkdirAll(dir, 0o755))
	}
	text := "[Resolve]\nDNS=" + server + "\nFallbackDNS=\nLLMNR=no\nMulticastDNS=no\nDNSSEC=no\nCache=no\n"
	stage.Check(t, os.WriteFile("/etc/systemd/resolved.conf", []byte(text), 0o644))
}

// ResolvedEnv is what systemd-resolved is started with beside what all are.
func ResolvedEnv() []string {
	return []string{"DBUS_SYSTEM_BUS_ADDRESS=" + SystemBus, "SYSTEMD_LOG_TARGET=console", "SYSTEMD_LOG_LEVEL=warning"}
}

// BusConfig is that of a D-Bus, of the system or of a session, on which everything is allowed.
func BusConfig(kind, address string) []byte {
	return []byte(`<busconfig><type>` + kind + `</type><listen>` + address + `</listen><auth>EXTERNAL</auth><standard_session_servicedirs/>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>`)
}
