package install_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"

	"hither/install"
	"hither/install/installtest"
	"hither/install/service"
	"hither/install/stage"
	"hither/install/sysdns"
	"hither/install/sysproxy"
	"hither/install/tools"
	"hither/install/truststore"
)

// recorded are machines as they are found, as far as the steps look at them.
func recorded() map[string]map[string]string {
	pem := "-----BEGIN CERTIFICATE-----\nMIIBcompany\n-----END CERTIFICATE-----\n"
	users := map[string]string{
		"/home/u/.npmrc":               "registry=https://registry.npmjs.org/\ncafile=/home/u/company.pem\n",
		"/home/u/company.pem":          pem,
		"/home/u/.config/go/env":       "GOPROXY=https://proxy.golang.org,direct\nGOFLAGS=-mod=mod",
		"/home/u/.cargo/config.toml":   "[build]\njobs = 4\n",
		"/home/u/.config/pip/pip.conf": "[global]\ntimeout = 60\n",
		"/home/u/.yarnrc.yml":          "nodeLinker: node-modules\n",
		"/etc/docker/daemon.json":      "{\n  \"log-driver\": \"journald\"\n}\n",
		"/etc/containerd/config.toml":  "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n",
		"/etc/environment":             "PATH=\"/usr/bin\"\nLANG=C",
		"/etc/resolv.conf":             "nameserver 192.0.2.1\nsearch example\n",
		"/home/u/.pki/nssdb/cert9.db":  "SQLite",
		"/usr/bin/certutil":            "", "/usr/bin/gsettings": "", "/run/user/1000/bus": "", "/run/systemd/system/": "", "/usr/bin/systemctl": "",
		"/usr/bin/go": "", "/usr/bin/npm": "", "/usr/bin/yarn": "", "/usr/bin/dockerd": "", "/usr/bin/containerd": "", "/usr/bin/cargo": "", "/usr/bin/pip": "",
	}
	with := func(more map[string]string) map[string]string {
		all := map[string]string{}
		for _, files := range []map[string]string{users, more} {
			for path, text := range files {
				all[path] = text
			}
		}
		return all
	}
	return map[string]map[string]string{
		"debian": with(map[string]string{
			"/usr/sbin/update-ca-certificates": "", "/usr/local/share/ca-certificates/": "", "/etc/ssl/certs/ca-certificates.crt": pem,
			"/etc/resolv.conf": "-> ../run/systemd/resolve/stub-resolv.conf", "/run/systemd/resolve/stub-resolv.conf": "nameserver 127.0.0.53\n",
		}),
		"fedora": with(map[string]string{
			"/usr/bin/update-ca-trust": "", "/etc/pki/ca-trust/source/anchors/": "", "/etc/pki/tls/certs/ca-bundle.crt": pem,
			"/usr/lib/jvm/java-21/lib/security/cacerts": "-> /etc/pki/java/cacerts", "/etc/pki/java/cacerts": "JKS", "/usr/lib/jvm/java-21/bin/keytool": "",
			"/etc/NetworkManager/NetworkManager.conf": "[main]\ndns=dnsmasq\n", "/usr/bin/nmcli": "", "/home/u/.config/kioslaverc": "[Proxy Settings]\nProxyType=0\n",
		}),
		"darwin": {
			"/Library/Keychains/System.keychain": "", "/usr/bin/security": "", "/usr/sbin/networksetup": "", "/usr/bin/go": "", "/opt/homebrew/bin/npm": "",
			"/Users/u/.npmrc": "cafile=~/company.pem", "/Users/u/company.pem": pem, "/Users/u/Library/Application Support/go/env": "GOPROXY=direct\n",
			"/Users/u/.cargo/config.toml": "", "/Users/u/.docker/config.json": "{}", "/Library/LaunchDaemons/": "",
		},
		"windows": {
			`C:\Windows\System32\certutil.exe`: "", `C:\Users\u\.npmrc`: "cafile=C:/Users/u/company.pem\r\n", `C:\Users\u\company.pem`: pem,
			`C:\Users\u\AppData\Roaming\go\env`: "GOPROXY=direct\r\n", `C:\Users\u\.cargo\config.toml`: "[http]\r\n",
		},
	}
}

// TestUninstallAfterAnyPartialInstallLeavesTheTreeAsItWas does the steps of everybody on recorded machines, breaks off
// somewhere, and compares every byte after Restore.
func TestUninstallAfterAnyPartialInstallLeavesTheTreeAsItWas(t *testing.T) {
	for name, files := range recorded() {
		t.Run(name, func(t *testing.T) {
			for seed := range stage.Seeds() / 12 {
				partial(t, name, files, rand.New(rand.NewPCG(seed, 7)))
			}
		})
	}
}

func partial(t *testing.T, name string, files map[string]string, r *rand.Rand) {
	w := installtest.NewWorld(t, map[string]string{"darwin": "darwin", "windows": "windows"}[name], files)
	switch name {
	case "darwin":
		w.Home = "/Users/u"
	case "windows":
		w.Home = `C:\Users\u`
		w.Env = func(key string) string {
			return map[string]string{"APPDATA": `C:\Users\u\AppData\Roaming`, "AppData": `C:\Users\u\AppData\Roaming`, "USERPROFILE": w.Home}[key]
		}
	default:
		w.OS = "linux"
	}
	before := w.Tree()
	steps := everything(t, w)
	r.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	edits, last := 0, r.IntN(len(steps))
	for i, step := range steps {
		at := 1 << 30
		if i == last {
			at = r.IntN(20)
		}
		_, err := stage.CrashAt(&w.Fault, at, func() error { return install.Apply(t.Context(), step) })
		if err == nil {
			edits++
		}
		if i == last {
			break
		}
	}
	records, err := w.Journal.Records()
	stage.Check(t, err)
	if r.IntN(2) == 0 { // the daemon dies first
		_, err = install.Restore(t.Context(), w.Machine, install.Volatile)
		stage.Check(t, err)
	}
	_, err = install.Restore(t.Context(), w.Machine, nil)
	stage.Check(t, err)
	if got := w.Tree(); got != before {
		t.Fatalf("after %d steps up to %q\ngot\n%s\nwant\n%s", edits, steps[last], got, before)
	}
	left, err := install.Leftovers(t.Context(), w.Machine, slices.DeleteFunc(records, func(r install.Record) bool { return r.File == nil }))
	stage.Check(t, err)
	if len(left) > 0 {
		t.Fatalf("left over: %v", left)
	}
	if _, err := os.Stat(w.Journal.Path()); err == nil {
		t.Fatal("the journal is still there")
	}
}

// everything is what all constructors of steps offer for a machine.
func everything(t *testing.T, w *installtest.World) []install.Step {
	t.Helper()
	ctx := t.Context()
	root, err := truststore.NewCertificate(stage.RootPEM("Hither A"), "/state/root.pem", "registry-1.docker.io", "ghcr.io")
	stage.Check(t, err)
	steps := truststore.Steps(w.Machine, root)
	resolver := sysdns.Resolver{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}, Names: []string{"registry.npmjs.org", "proxy.golang.org"}}
	for _, mode := range []sysdns.Mode{sysdns.Scoped, sysdns.Full} {
		dns, _ := sysdns.Steps(ctx, w.Machine, mode, resolver) // not every machine has both
		steps = append(steps, dns...)
	}
	steps = append(steps, sysproxy.Steps(ctx, w.Machine, sysproxy.Proxying{Address: "127.0.0.1:7890"}, sysproxy.Places(w.Machine.System())...)...)
	steps = append(steps, service.Steps(w.Machine, service.Serving{Exe: "/usr/bin/hither"})...)
	sent, err := tools.Steps(w.Machine, tools.Tooling{
		Proxy: "127.0.0.1:7890", Gateways: map[string]string{"go": "/go", "docker": "/v2"}, Bundle: "/roots.pem",
	}, tools.Names()...)
	stage.Check(t, err)
	steps = append(steps, sent...)
	if len(steps) < 10 {
		t.Fatal(fmt.Sprint("only these steps: ", steps))
	}
	return steps
}
