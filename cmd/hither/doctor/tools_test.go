package doctor

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"hither/install/stage"
)

// Which way a tool's requests take, from its settings alone.
func TestTheCourseOfEachTool(t *testing.T) {
	for _, row := range []struct {
		says    string
		tool    client
		env     map[string]string
		files   map[string]string
		door    string
		because string
	}{
		{"go that was told nothing", goClient{}, nil, nil, "", "no proxy is set"},
		{"go by its gateway", goClient{}, map[string]string{"GOPROXY": "http://127.0.0.1:7890/go|https://proxy.golang.org,direct"}, nil, "gateway", "GOPROXY names 127.0.0.1:7890"},
		{"go by its gateway, by name", goClient{}, map[string]string{"GOPROXY": "http://localhost:7890/go"}, nil, "gateway", "localhost:7890"},
		{"go env -w", goClient{}, nil, map[string]string{"/home/u/.config/go/env": "GOPROXY=http://127.0.0.1:7890/go\n"}, "gateway", "GOPROXY in /home/u/.config/go/env"},
		{"go env, written by hand", goClient{}, nil, map[string]string{"/home/u/.config/go/env": "GOPROXY=http://127.0.0.1:7890/go\nGOPROXY=https://goproxy.example\n"}, "", "of which no rule speaks"},
		{"go by the proxy", goClient{}, map[string]string{"HTTPS_PROXY": "127.0.0.1:7890"}, nil, "proxy", "HTTPS_PROXY is http://127.0.0.1:7890"},
		{"go with another proxy", goClient{}, map[string]string{"https_proxy": "http://proxy.corp:3128"}, nil, "", "another proxy"},
		{"go with its own mirror", goClient{}, map[string]string{"GOPROXY": "https://goproxy.example,direct"}, nil, "", "of which no rule speaks"},
		{"go direct", goClient{}, map[string]string{"GOPROXY": "direct"}, nil, "", "GOPROXY is direct"},
		{"go past NO_PROXY", goClient{}, map[string]string{"HTTPS_PROXY": "http://127.0.0.1:7890", "NO_PROXY": "localhost,.golang.org"}, nil, "", "NO_PROXY has .golang.org"},
		{"npm by the proxy", npmClient{}, map[string]string{"HTTPS_PROXY": "http://127.0.0.1:7890"}, nil, "proxy", "HTTPS_PROXY"},
		{"npm's own setting wins", npmClient{}, map[string]string{"HTTPS_PROXY": "http://127.0.0.1:7890"}, map[string]string{"/home/u/.npmrc": "https-proxy = http://proxy.corp:3128\n"}, "", "https-proxy in /home/u/.npmrc is http://proxy.corp:3128"},
		{"npm in a project with a registry", npmClient{}, map[string]string{"HTTPS_PROXY": "http://127.0.0.1:7890"}, map[string]string{"/home/u/project/.npmrc": "registry=https://npm.corp/\n"}, "", "npm.corp"},
		{"npm by the gateway", npmClient{}, map[string]string{"npm_config_registry": "http://127.0.0.1:7890/npm/"}, nil, "gateway", "npm_config_registry"},
		{"npm's noproxy", npmClient{}, map[string]string{"HTTPS_PROXY": "http://127.0.0.1:7890"}, map[string]string{"/home/u/.npmrc": "noproxy = npmjs.org\n"}, "", "noproxy in /home/u/.npmrc has npmjs.org"},
		{"docker by a mirror", dockerClient{}, nil, map[string]string{"/etc/docker/daemon.json": `{"registry-mirrors": ["https://other.example", "http://127.0.0.1:7890"]}`}, "gateway", "daemon.json"},
		{"docker by a mirror in a file that Notepad wrote", dockerClient{}, nil, map[string]string{"/etc/docker/daemon.json": "\ufeff{\"registry-mirrors\": [\"http://127.0.0.1:7890\"]}"}, "gateway", "daemon.json"},
		{"docker by its unit", dockerClient{}, nil, map[string]string{"/etc/systemd/system/docker.service.d/proxy.conf": "[Service]\nEnvironment=\"HTTPS_PROXY=http://127.0.0.1:7890\" \"NO_PROXY=localhost\"\n"}, "proxy", "proxy.conf"},
		{"docker does not see this shell", dockerClient{}, map[string]string{"HTTPS_PROXY": "http://127.0.0.1:7890"}, nil, "", "no proxy is set"},
	} {
		t.Run(row.says, func(t *testing.T) {
			w := newWorld(t)
			for name, value := range row.env {
				w.env[name] = value
			}
			for name, value := range row.files {
				w.write(name, value)
			}
			w.write("/home/u/project/package.json", "{}")
			found := w.run1(tool{row.tool})
			if got := found[0].Details["door"]; got != row.door {
				t.Errorf("door\n got %q (%s)\nwant %q", got, found[0].Cause, row.door)
			}
			holds(t, found[:1], row.because)
			if row.door == "" && found[0].Level != Warn || row.door != "" && found[0].Level != OK {
				t.Errorf("level\n got %v", found[0].Level)
			}
		})
	}
}

func TestCargoReadsAFileThatNotepadWrote(t *testing.T) {
	w := newWorld(t)
	w.write("/home/u/.cargo/config.toml", "\ufeff[http]\nproxy = \"http://127.0.0.1:7890\"\n")
	if found := (cargoClient{}).More(w.Patient); len(found) > 0 {
		t.Errorf("got  %v\nwant nothing wrong", found)
	}
}

// Cargo itself warns that it takes the old name, and looks for the file beside .cargo.
func TestCargosRootsStandBesideItsDirectory(t *testing.T) {
	w := newWorld(t)
	w.write("/home/u/.cargo/config", "[http]\ncainfo = \"ca/mine.pem\"\n")
	w.write("/home/u/ca/mine.pem", string(w.CA))
	if roots, _, _ := (cargoClient{}).Roots(t.Context(), w.Patient); !roots.Ours {
		t.Errorf("got  %v\nwant our root in /home/u/ca/mine.pem", roots)
	}
}

func TestAToolThatIsSentToAHitherThatDoesNotRun(t *testing.T) {
	w := newWorld(t)
	w.Daemon = Daemon{}
	w.env["HTTPS_PROXY"] = "http://127.0.0.1:7890"
	holds(t, w.run1(tool{npmClient{}}), "npm fail: npm is sent to Hither by proxy", "Hither does not run", "`hither up`")
}

func TestAToolByDNS(t *testing.T) {
	w := newWorld(t)
	w.dns("full")
	w.ips["proxy.golang.org"] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	w.write("/etc/ssl/certs/ca-certificates.crt", string(stage.RootPEM("Some CA"))+string(w.CA))
	holds(t, w.run1(tool{goClient{}}), "go goes through Hither by DNS", "go trusts Hither")
}

func TestWhetherNpmTrusts(t *testing.T) {
	older := string(stage.RootPEM("Hither local authority (host) 000001"))
	for _, row := range []struct {
		says  string
		env   map[string]string
		npmrc string
		file  string // what /home/u/roots.pem holds
		want  string
	}{
		{"nobody told it", nil, "", "", "npm fail: npm does not know Hither's root certificate"},
		{"NODE_EXTRA_CA_CERTS", map[string]string{"NODE_EXTRA_CA_CERTS": "/home/u/roots.pem"}, "", "ours", "npm ok: npm trusts Hither"},
		{"an older root", map[string]string{"NODE_EXTRA_CA_CERTS": "/home/u/roots.pem"}, "", older, "holds Hither local authority (host) 000001, which is an older root or another Hither's"},
		{"a cafile without us", map[string]string{"NODE_EXTRA_CA_CERTS": "/home/u/.local/state/hither/ca.pem"}, "cafile=/home/u/roots.pem\n", string(stage.RootPEM("Corp")), "npm fail: npm does not trust Hither: cafile in /home/u/.npmrc (/home/u/roots.pem) lacks"},
		{"its remedy", nil, "cafile=/home/u/roots.pem\n", string(stage.RootPEM("Corp")), "`cat /home/u/.local/state/hither/ca.pem >> /home/u/roots.pem`"},
		{"a cafile that is gone", nil, "cafile=/home/u/none.pem\n", "", "cannot be read"},
		{"a cafile in quotes, by a variable", map[string]string{"W": "/home/u"}, "cafile = \"${W}/roots.pem\"\n", "ours", "npm ok: npm trusts Hither"},
	} {
		t.Run(row.says, func(t *testing.T) {
			w := newWorld(t)
			for name, value := range row.env {
				w.env[name] = value
			}
			w.env["HTTPS_PROXY"] = "http://127.0.0.1:7890"
			if row.file == "ours" {
				row.file = string(w.CA)
			}
			w.write("/home/u/roots.pem", row.file)
			w.write("/home/u/.npmrc", row.npmrc)
			holds(t, w.run1(tool{npmClient{}}), row.want)
		})
	}
}

// Debian builds Node so that it believes the system's roots; npm there needs to be told of none.
func TestANodeThatReadsTheSystemsRoots(t *testing.T) {
	w := newWorld(t)
	w.env["HTTPS_PROXY"] = "http://127.0.0.1:7890"
	w.says["node -p process.config.target_defaults.defines.includes('NODE_OPENSSL_CERT_STORE')"] = "true\n"
	w.write("/etc/ssl/certs/ca-certificates.crt", string(w.CA))
	holds(t, w.run1(tool{npmClient{}}), "npm ok: npm trusts Hither: the root in force is in /etc/ssl/certs/ca-certificates.crt")
	w.write("/etc/ssl/certs/ca-certificates.crt", string(stage.RootPEM("Corp")))
	holds(t, w.run1(tool{npmClient{}}), "npm fail: npm does not trust Hither: /etc/ssl/certs/ca-certificates.crt lacks")
}

// What a tool reads beside the system's roots is not all that it believes.
func TestRootsBesideTheSystems(t *testing.T) {
	const system, corp = "/etc/ssl/certs/ca-certificates.crt", "/home/u/corp.pem"
	const builtSo = "node -p process.config.target_defaults.defines.includes('NODE_OPENSSL_CERT_STORE')"
	for _, row := range []struct {
		says string
		tool client
		os   string
		env  map[string]string
		want string
	}{
		{"Debian's Node", npmClient{}, "linux", map[string]string{"NODE_EXTRA_CA_CERTS": corp}, "npm ok: npm trusts Hither: the root in force is in " + system},
		{"the variable's file is gone", npmClient{}, "linux", map[string]string{"NODE_EXTRA_CA_CERTS": "/home/u/none"}, "npm ok: npm trusts Hither"},
		{"Debian's Node with Node's own roots", npmClient{}, "linux", map[string]string{"NODE_OPTIONS": "--use-bundled-ca"}, "npm fail: npm does not know Hither's root certificate"},
		{"and with others", npmClient{}, "linux", map[string]string{"NODE_EXTRA_CA_CERTS": corp, "NODE_OPTIONS": "--use-bundled-ca"}, "npm fail: npm does not trust Hither: NODE_EXTRA_CA_CERTS (/home/u/corp.pem) lacks"},
		{"Go", goClient{}, "linux", map[string]string{"SSL_CERT_FILE": corp}, "go ok: go trusts Hither: the root in force is in /etc/ssl/certs"},
		{"Go in another directory", goClient{}, "linux", map[string]string{"SSL_CERT_FILE": corp, "SSL_CERT_DIR": "/home/u"}, "go fail: go does not trust Hither: SSL_CERT_FILE (/home/u/corp.pem) lacks"},
		{"Go in a directory with ours", goClient{}, "linux", map[string]string{"SSL_CERT_FILE": corp, "SSL_CERT_DIR": "/none:/home/u/ours"}, "go ok: go trusts Hither: the root in force is in SSL_CERT_DIR (/home/u/ours)"},
		{"Go on macOS", goClient{}, "darwin", map[string]string{"SSL_CERT_FILE": corp}, "go ok: go trusts Hither: the root in force is in the keychains"},
		{"Node on macOS", npmClient{}, "darwin", map[string]string{"NODE_USE_SYSTEM_CA": "1"}, "npm ok: npm trusts Hither: the root in force is in the keychains"},
		{"Go on Windows", goClient{}, "windows", map[string]string{}, "go fail: go does not trust Hither: the certificate store lacks Hither's root certificate"},
	} {
		w := newWorld(t)
		w.OS, w.env = row.os, row.env
		w.env["HTTPS_PROXY"] = "http://127.0.0.1:7890"
		w.says[builtSo] = "true\n"
		w.says["/usr/bin/security find-certificate -a -p -c Hither local authority"] = string(w.CA)
		w.write(corp, string(stage.RootPEM("Corp")))
		w.write(system, string(w.CA))
		w.write("/etc/ssl/certs/hither.pem", string(w.CA))
		w.write("/home/u/ours/hither.pem", string(w.CA))
		t.Run(row.says, func(t *testing.T) { holds(t, w.run1(tool{row.tool}), row.want) })
	}
	w := newWorld(t)
	w.env = map[string]string{"HTTPS_PROXY": "http://127.0.0.1:7890", "SSL_CERT_FILE": corp}
	w.write(corp, string(stage.RootPEM("Corp")))
	w.write(system, string(w.CA))
	holds(t, w.run1(tool{goClient{}}), "go ok: go trusts Hither: the root in force is in "+system) // which stands in a directory that Go reads
	w.env["SSL_CERT_DIR"] = "/none:/etc/ssl/certs"
	holds(t, w.run1(tool{goClient{}}), "go ok: go trusts Hither: the root in force is in SSL_CERT_DIR ("+system+")")
}

func TestSettingsThatWeakenATool(t *testing.T) {
	for _, row := range []struct {
		says string
		tool client
		env  map[string]string
		want string
	}{
		{"strict-ssl", npmClient{}, map[string]string{"npm_config_strict_ssl": "false"}, "npm checks no certificates"},
		{"node", npmClient{}, map[string]string{"NODE_TLS_REJECT_UNAUTHORIZED": "0"}, "unset NODE_TLS_REJECT_UNAUTHORIZED"},
		{"GOSUMDB", goClient{}, map[string]string{"GOSUMDB": "off"}, "go env -u GOSUMDB"},
		{"GONOSUMDB", goClient{}, map[string]string{"GONOSUMDB": "*"}, "holds for every module"},
		{"GOINSECURE", goClient{}, map[string]string{"GOINSECURE": "corp.example/*"}, "go note: GOINSECURE is corp.example/*"},
		{"GOFLAGS", goClient{}, map[string]string{"GOFLAGS": "-mod=vendor"}, "builds download nothing"},
		{"a comma behind us", goClient{}, map[string]string{"GOPROXY": "http://127.0.0.1:7890/go,direct"}, "go env -w 'GOPROXY=http://127.0.0.1:7890/go|direct'"},
		{"pip", pipClient{}, map[string]string{"PIP_TRUSTED_HOST": "pypi.org x"}, "pip warn: pip checks no certificate"},
	} {
		t.Run(row.says, func(t *testing.T) {
			w := newWorld(t)
			w.env = row.env
			holds(t, w.run1(tool{row.tool}), row.want)
		})
	}
}

// Go's crypto/x509 reads the system's roots once a process.
func TestAnEngineThatBeganBeforeTheRootWasTrusted(t *testing.T) {
	w := newWorld(t)
	w.write("/etc/docker/daemon.json", `{"proxies": {"https-proxy": "http://127.0.0.1:7890"}}`)
	w.write("/run/docker.pid", "4712")
	w.write("/etc/ssl/certs/ca-certificates.crt", string(w.CA))
	since := time.Now().Add(-time.Hour)
	if err := os.Chtimes(w.path("/run/docker.pid"), since, since); err != nil {
		t.Fatal(err)
	}
	holds(t, w.run1(tool{dockerClient{}}), "docker warn: docker began before /etc/ssl/certs/ca-certificates.crt was last written", "`sudo systemctl restart docker`")
	w.AllRights = true
	holds(t, w.run1(tool{dockerClient{}}), "docker warn: ", "`systemctl restart docker`")
	w.write("/run/docker.pid", "4713")
	holds(t, w.run1(tool{dockerClient{}}), "docker ok: docker trusts Hither")
	// The file is written anew for every other root, too.
	anchor := "/usr/local/share/ca-certificates/hither.crt"
	w.write(anchor, string(w.CA))
	for path, at := range map[string]time.Time{anchor: since.Add(-time.Minute), "/run/docker.pid": since} {
		if err := os.Chtimes(w.path(path), at, at); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, w.run1(tool{dockerClient{}}), "docker ok: docker trusts Hither")
	if err := os.Chtimes(w.path(anchor), since.Add(time.Minute), since.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	holds(t, w.run1(tool{dockerClient{}}), "docker warn: docker began before ")
	if err := os.Chtimes(w.path("/run/docker.pid"), since, since); err != nil {
		t.Fatal(err)
	}
	w.write("/etc/docker/certs.d/registry-1.docker.io/ca.crt", string(w.CA)) // which it reads each time
	holds(t, w.run1(tool{dockerClient{}}), "docker ok: docker trusts Hither")
}

func TestContainersHaveALoopbackOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.dns("full")
	w.write("/home/u/.docker/config.json", `{"proxies": {"default": {"httpsProxy": "http://127.0.0.1:7890"}}}`)
	holds(t, w.run1(containers{}), "which in a container is the container itself", "loopback address, and Docker's own DNS asks it for containers too", "8.8.8.8")
	w.write("/etc/docker/daemon.json", `{"dns": ["127.0.0.1"], "registry-mirrors": ["http://127.0.0.1:7890"]}`)
	w.says["docker info --format {{json .}}"] = `{"RegistryConfig": {"Mirrors": null}}`
	holds(t, w.run1(containers{}), "dns in /etc/docker/daemon.json is 127.0.0.1", "sudo systemctl reload docker")
	w.write("/etc/docker/daemon.json", `{"dns": `)
	holds(t, w.run1(tool{dockerClient{}}), "docker fail: /etc/docker/daemon.json does not parse")
}
