package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// wholeInstall is all that stays on a machine, but for a service.
var wholeInstall = []string{"install", "--yes", "--trust", "--tools", "go,npm,docker,containerd,cargo,pip"}

// cutAnywhere kills the installer at many points, and then the uninstaller: in the end the machine is as before.
func cutAnywhere(t *testing.T, m *machine) {
	m.settle(t)
	before := m.snapshot()
	m.hither(wholeInstall...) // it makes the root, once
	m.uninstalls(before)
	all := cut(t, 0, m.env, append([]string{m.bin}, wholeInstall...)...)
	m.uninstalls(before)
	if all < 24 {
		t.Fatalf("calls that change the disk\n got %d\nwant some dozens", all)
	}
	t.Logf("an installation makes %d calls that change the disk", all)
	for i := range 14 {
		n := 1 + i*(all-1)/13
		if got := cut(t, n, m.env, append([]string{m.bin}, wholeInstall...)...); got != n {
			t.Errorf("calls before the cut\n got %d\nwant %d", got, n)
		}
		what := fmt.Sprintf("cut before call %d of %d", n, all)
		if i%3 == 0 { // the uninstaller is cut too, wherever it is then
			cut(t, 1+i/2, m.env, m.bin, "uninstall", "--state", m.state)
			what += ", and the uninstaller before its " + fmt.Sprint(1+i/2)
		}
		m.hither("uninstall", "--state", m.state)
		m.wantAsBefore(what, before)
	}
	for what, script := range map[string]string{
		"killed before the system's store": `kill -9 $PPID; sleep 0.2; exit 1`,
		"killed after the system's store":  `"$real" "$@"; kill -9 $PPID; sleep 0.2`,
		"killed within the system's store": `ln -s /usr/local/share/ca-certificates/hither.crt /etc/ssl/certs/hither.pem; : >/etc/ssl/certs/ca-certificates.crt.new; kill -9 $PPID; exit 1`,
	} {
		out, err := m.try("/", m.inFrontOf("update-ca-certificates", script), m.bin, wholeInstall...)
		if err == nil {
			t.Errorf("%s\n got no error: %s\nwant killed", what, out)
		}
		m.hither("uninstall", "--state", m.state)
		m.wantAsBefore(what, before)
	}
}

// settle gives the tools files of the user's own, with odd ends, so that there is something to bring back.
func (m *machine) settle(t *testing.T) {
	t.Helper()
	for file, text := range map[string]string{
		".npmrc":             "registry=https://registry.npmjs.org/\r\nfund = false",
		".config/go/env":     "GOPROXY=https://proxy.golang.org,direct\nGOFLAGS=-mod=mod\n",
		".cargo/config.toml": "# mine\n[net]\nretry = 3\n",
	} {
		put(t, filepath.Join(machineHome, file), text)
	}
	put(t, "/etc/docker/daemon.json", "{\n    \"log-driver\": \"local\"}")
	put(t, "/etc/containerd/config.toml", "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n")
}

// aFailureLeavesNothing has the system's store fail: what was done is taken back by the installer itself.
func aFailureLeavesNothing(t *testing.T, m *machine) {
	m.settle(t)
	before := m.snapshot()
	env := m.inFrontOf("update-ca-certificates", `[ -e /usr/local/share/ca-certificates/hither.crt ] && { echo "no space" >&2; exit 1; }; exec "$real" "$@"`)
	out, err := m.try("/", env, m.bin, wholeInstall...)
	if err == nil || !strings.Contains(out, "no space") || !strings.Contains(out, "as it was before") {
		t.Errorf("an installation that fails\n got %v: %s\nwant why, and that nothing is changed", err, out)
	}
	m.wantAsBefore("after a failure", before)
}
