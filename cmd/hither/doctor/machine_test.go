package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/doctor/kernel"
	"hither/cmd/hither/shell"
	"hither/install/service"
	"hither/install/stage"
	"hither/rules"
)

func TestProxyVariables(t *testing.T) {
	for _, row := range []struct {
		says string
		env  map[string]string
		want string
	}{
		{"ours", map[string]string{"HTTPS_PROXY": "http://127.0.0.1:7890"}, "proxy ok: HTTPS_PROXY leads to Hither"},
		{"they differ", map[string]string{"HTTPS_PROXY": "http://127.0.0.1:7890", "https_proxy": "http://127.0.0.1:1"}, "each tool reads the one it likes"},
		{"they differ in writing only", map[string]string{"HTTPS_PROXY": "http://127.0.0.1:7890", "https_proxy": "127.0.0.1:7890/"}, "leads to Hither"},
		{"dead", map[string]string{"http_proxy": "http://127.0.0.1:1"}, "http_proxy is http://127.0.0.1:1, where nobody listens, so tools that read it reach nothing\n\tSend this shell to Hither"},
		{"dead, the remedy", map[string]string{"http_proxy": "http://127.0.0.1:1"}, "`unset http_proxy`"},
		{"another one", map[string]string{"ALL_PROXY": "socks5://other.example"}, "ALL_PROXY is socks5://other.example, which is not Hither"},
		{"TLS to us", map[string]string{"HTTPS_PROXY": "https://127.0.0.1:7890"}, "speaks plain HTTP"},
		{"none at all", map[string]string{"HTTPS_PROXY": "http://"}, "is no address of a proxy"},
	} {
		t.Run(row.says, func(t *testing.T) {
			w := newWorld(t)
			w.env = row.env
			w.up["other.example:1080"] = true
			holds(t, w.run1(proxies{}), row.want)
		})
	}
}

// A remedy is typed into the shell that is open, whatever the system, or the user's own shell, is.
func TestRemediesAreInTheLanguageOfTheShell(t *testing.T) {
	for sh, remedies := range map[shell.Language][]string{
		"":           {"`unset http_proxy`", "`eval \"$(hither env)\"`", "`export https_proxy=\"$HTTPS_PROXY\"`", `/ca.pem >> '/home/u/a\b.pem'`},
		"fish":       {"`set -e http_proxy`", "`hither env | source`", "`set -gx https_proxy $HTTPS_PROXY`"},
		"powershell": {"`Remove-Item Env:http_proxy", "`hither env | Out-String | Invoke-Expression`", "`$env:https_proxy = $env:HTTPS_PROXY`"},
		"cmd":        {"`set \"http_proxy=\"`", "`set \"https_proxy=%HTTPS_PROXY%\"`"},
	} {
		w := newWorld(t)
		w.Shell = sh
		w.env["http_proxy"], w.env["HTTPS_PROXY"], w.env["https_proxy"] = "http://127.0.0.1:1", "http://127.0.0.1:7890", "http://127.0.0.1:7891"
		w.env["NODE_EXTRA_CA_CERTS"] = `/home/u/a\b.pem`
		w.write(`/home/u/a\b.pem`, string(stage.RootPEM("Some CA")))
		holds(t, slices.Concat(w.run1(proxies{}), w.run1(trust{})), remedies...)
	}
}

func TestNoProxyMistakes(t *testing.T) {
	for _, row := range []struct {
		list, want string
	}{
		{"*", "no-proxy fail: NO_PROXY has *, which hides registry-1.docker.io, proxy.golang.org, registry.npmjs.org"},
		{"localhost,.npmjs.org", "NO_PROXY has .npmjs.org, which hides registry.npmjs.org from Hither"},
		{"localhost,.npmjs.org", "`export NO_PROXY='localhost'`"},
		{"a'b,registry.npmjs.org", `export NO_PROXY='a'\''b'`},
		{"corp.example", "lacks localhost"},
		{"localhost,127.0.0.1", "hides no registry"},
	} {
		w := newWorld(t)
		w.env["NO_PROXY"], w.env["HTTPS_PROXY"] = row.list, "http://127.0.0.1:7890"
		holds(t, w.run1(bypasses{}), row.want)
	}
	w := newWorld(t)
	w.env["NO_PROXY"], w.env["no_proxy"] = "localhost", "other"
	holds(t, w.run1(bypasses{}), "NO_PROXY and no_proxy differ", "`export no_proxy=\"$NO_PROXY\"`")
}

func TestEveryStoreIsLookedAt(t *testing.T) {
	w := newWorld(t)
	der := w.root()
	w.write("/etc/ssl/certs/ca-certificates.crt", string(stage.RootPEM("Some CA"))+string(stage.RootPEM("Hither local authority (old) 0000aa")))
	w.write("/home/u/.pki/nssdb/cert9.db", "SQLite format 3\x00…"+string(der))
	w.write("/etc/ssl/certs/java/cacerts", "\xfe\xed\xfe\xed…Hither local authority (old) 0000aa…")
	w.env["SSL_CERT_FILE"], w.env["PIP_CERT"] = "/nowhere.pem", "/nowhere.pem"
	w.env["CURL_CA_BUNDLE"] = "/home/u/.local/state/hither/ca.pem"
	w.says["git config --get http.sslCAInfo"] = "/etc/ssl/certs/ca-certificates.crt\n"
	w.write("/etc/ca-certificates.conf", "")
	holds(t, w.run1(trust{}),
		"trust warn: /etc/ssl/certs/ca-certificates.crt holds Hither local authority (old) 0000aa", "sudo install -m 644 /home/u/.local/state/hither/ca.pem /usr/local/share/ca-certificates/hither.crt && sudo update-ca-certificates",
		"trust ok: Hither's root is in /home/u/.pki/nssdb/cert9.db", "trust warn: /etc/ssl/certs/java/cacerts holds Hither local authority (old) 0000aa", "keytool -importcert",
		"trust fail: SSL_CERT_FILE, PIP_CERT (/nowhere.pem) is not there", "`unset SSL_CERT_FILE PIP_CERT`", "Hither's root is in CURL_CA_BUNDLE", "git's http.sslCAInfo")
}

func TestOtherSystemsStores(t *testing.T) {
	w := newWorld(t)
	w.OS = "darwin"
	w.says["/usr/bin/security find-certificate -a -p -c Hither local authority"] = string(w.CA)
	holds(t, w.run1(trust{}), "among the system's (the keychains)")
	w.says = map[string]string{}
	holds(t, w.run1(trust{}), "sudo security add-trusted-cert")
	w.OS = "windows"
	holds(t, w.run1(trust{}), "certutil -user -addstore Root")
}

func TestTheDesktopsProxy(t *testing.T) {
	w := newWorld(t)
	w.says["gsettings get org.gnome.system.proxy mode"] = "'auto'\n"
	w.says["gsettings get org.gnome.system.proxy autoconfig-url"] = "'http://me:hush@corp.example/proxy.pac'\n"
	holds(t, w.run1(pac{}), "proxy script http://…@corp.example/proxy.pac")
	w.says["gsettings get org.gnome.system.proxy autoconfig-url"] = "'http://127.0.0.1:7890/proxy.pac'\n"
	holds(t, w.run1(pac{}), "pac ok: the desktop reads Hither's own proxy script")
	w.OS = "darwin"
	w.says["scutil --proxy"] = "<dictionary> {\n  HTTPSEnable : 1\n  HTTPSPort : 8080\n  HTTPSProxy : corp.example\n}\n"
	holds(t, w.run1(pac{}), "the desktop's proxy is corp.example:8080")
	w.OS, w.Shell = "windows", "powershell"
	w.says[`reg query HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings`] = "\r\nHKEY_CURRENT_USER\\…\r\n    ProxyEnable    REG_DWORD    0x1\r\n    ProxyServer    REG_SZ    corp.example:1\r\n"
	holds(t, w.run1(pac{}), "corp.example:1", "Out-String | Invoke-Expression")
}

func TestDisks(t *testing.T) {
	for _, row := range []struct {
		says string
		s    kernel.Space
		want string
	}{
		{"room", kernel.Space{Free: 50 << 30, Total: 100 << 30, Files: 1 << 20}, "disk ok: 50 GiB are free"},
		{"little room", kernel.Space{Free: 5 << 29, Total: 100 << 30, Files: 1 << 20}, "disk note"},
		{"below what stays free", kernel.Space{Free: 1 << 30, Total: 100 << 30, Files: 1 << 20}, "has 1 GiB of 100 GiB free, less than the 2 GiB that Hither leaves free"},
		{"full", kernel.Space{Free: 4096, Total: 8 << 20, Files: 1 << 20}, "disk fail: the disk of /home/u/.local/state/hither is full: 4 KiB of 8 MiB"},
		{"its remedy", kernel.Space{Free: 4096, Total: 8 << 20, Files: 1 << 20}, "`hither cache rm --all`"},
		{"less can be left", kernel.Space{Free: 4096, Total: 8 << 20, Files: 1 << 20}, "; to leave less free: `hither up --cache-free 256MiB`."},
		{"no more files", kernel.Space{Free: 50 << 30, Files: 3}, "room for 3 more files only"},
		{"files are not counted", kernel.Space{Free: 50 << 30, NoInodes: true}, "disk ok"},
		{"no end", kernel.Space{Free: 1<<64 - 1, NoInodes: true}, "disk ok: 8388608 TiB are free"},
		{"read-only", kernel.Space{Free: 50 << 30, ReadOnly: true}, "is read-only"},
	} {
		t.Run(row.says, func(t *testing.T) {
			w := newWorld(t)
			w.MinFree, w.LeastFree = 2<<30, 256<<20
			w.Space = func(string) (kernel.Space, error) { return row.s, nil }
			holds(t, w.run1(disk{}), row.want)
		})
	}
}

// The machine's service keeps nothing in the directory of the user who asks, and is not to be set anew for it.
func TestTheDiskOfAnothersHitherIsNotLookedAt(t *testing.T) {
	w := newWorld(t)
	w.Space = func(string) (kernel.Space, error) { return kernel.Space{Free: 4096, Files: 1 << 20}, nil }
	holds(t, w.run1(disk{}), "disk fail")
	lacks(t, w.run1(disk{}), "to leave less free") // it leaves the least
	w.Daemon.Stranger = true
	if found := w.run1(disk{}); len(found) > 0 {
		t.Errorf("\n got %s\nwant nothing", text(found))
	}
}

func TestWhoMayReadTheKey(t *testing.T) {
	w := newWorld(t)
	w.write(w.State+"/ca-key.pem", "secret")
	w.write(w.State+"/scores.json", "{}")
	modes := map[string]fs.FileMode{w.State: fs.ModeDir | 0o700, w.State + "/ca-key.pem": 0o600, w.State + "/ca.pem": 0o644, w.State + "/scores.json": 0o600}
	owner := 1000
	w.Held = func(name string) (int, fs.FileMode, error) {
		mode, ok := modes[name]
		if !ok {
			return -1, 0, fs.ErrNotExist
		}
		if name == w.State {
			return 1000, mode, nil
		}
		return owner, mode, nil
	}
	holds(t, w.run1(permissions{}), "permissions ok")
	modes[w.State+"/ca-key.pem"] = 0o644
	holds(t, w.run1(permissions{}), "others may read the key", "`chmod 600 /home/u/.local/state/hither/ca-key.pem`")
	modes[w.State+"/ca-key.pem"], modes[w.State+"/scores.json"] = 0o600, 0o666
	holds(t, w.run1(permissions{}), "others may change /home/u/.local/state/hither/scores.json")
	modes[w.State+"/scores.json"], modes[w.State] = 0o600, fs.ModeDir|0o755
	holds(t, w.run1(permissions{}), "`chmod 700 /home/u/.local/state/hither`")
	owner = 0
	holds(t, w.run1(permissions{}), "was Hither started with sudo once?", "`sudo chown -R 1000 /home/u/.local/state/hither`")
}

func TestLinks(t *testing.T) {
	w := newWorld(t)
	w.Links = func() ([]kernel.Link, error) {
		return []kernel.Link{{Name: "lo", MTU: 65536, Up: true, Loopback: true}, {Name: "wg0", MTU: 1200, Up: true}, {Name: "hither0", MTU: 1500, Up: true}, {Name: "tun9", MTU: 500}}, nil
	}
	holds(t, w.run1(mtu{}), "the interface wg0 passes packets of at most 1200 bytes", "`sudo ip link set dev wg0 mtu 1280`")
	found := w.run1(vpn{})
	holds(t, found, "a VPN is up (wg0)")
	lacks(t, found, "hither0", "tun9")
}

func TestClocks(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		off  time.Duration
		want Level
	}{{0, OK}, {-20 * time.Second, OK}, {2 * time.Minute, Note}, {-4 * time.Minute, Note}, {6 * time.Minute, Fail}, {-9000 * time.Hour, Fail}} {
		if f := judgeClock(&Patient{OS: "linux"}, row.off, "registry.npmjs.org"); f.Level != row.want {
			t.Errorf("off by %v\n got %v\nwant %v", row.off, f.Level, row.want)
		}
	}
	at, ok := dateOf(http.Header{"Date": {now.Format(http.TimeFormat)}, "Age": {"60"}})
	if !ok || !at.Equal(now.Add(time.Minute)) {
		t.Errorf("Date and Age\n got %v\nwant %v", at, now.Add(time.Minute))
	}
	if _, ok := dateOf(http.Header{"Date": {"yesterday"}}); ok {
		t.Error("a date that is none was read")
	}
}

// A registry's clock can be the wrong one.
func TestOneClockThatAgreesIsEnough(t *testing.T) {
	w := newWorld(t)
	hosts := w.registries()
	off := map[string]time.Duration{}
	now := time.Now().Truncate(time.Second)
	w.answering(hosts, func(host string) time.Time { return now.Add(off[host]) })
	w.Quick, w.Now = false, func() time.Time { return now }
	holds(t, w.run1(clock{}), "clock ok: this machine's clock agrees with "+hosts[0])
	off[hosts[0]] = 24 * time.Hour
	holds(t, w.run1(clock{}), "clock ok: this machine's clock agrees with "+hosts[1])
	for _, host := range hosts {
		off[host] = 24 * time.Hour
	}
	holds(t, w.run1(clock{}), "clock fail: this machine's clock is 24h0m0s behind that of "+hosts[0])
	off[hosts[2]] = -time.Minute
	holds(t, w.run1(clock{}), "clock note: this machine's clock is 1m0s ahead of that of "+hosts[2])
}

func TestAQuickLookAsksNoRegistryForItsClock(t *testing.T) {
	w := newWorld(t)
	asked := 0
	w.Dial = func(context.Context, string, string) (net.Conn, error) {
		asked++
		return nil, errors.New("nobody answers")
	}
	w.run1(clock{})
	if asked != 0 {
		t.Errorf("connections\n got %d\nwant 0", asked)
	}
	w.Quick = false
	if w.run1(clock{}); asked == 0 {
		t.Error("a whole look asked nobody either")
	}
}

func TestRuleFilesThatDoNotLoad(t *testing.T) {
	w := newWorld(t)
	holds(t, w.run1(ruleFiles{}), "rules ok: 4 rules with")
	w.Daemon.Rules = "mine.toml:2: no such key"
	broken := w.run1(ruleFiles{})
	holds(t, broken, "has not taken the rule files over: mine.toml:2", "Correct what is named")
	lacks(t, broken, "Start it again") // it would not start
	w.Rules = func() (*rules.Set, error) { return nil, errors.New("mine.toml:2: no such key") }
	holds(t, w.run1(ruleFiles{}), "the running Hither has its last good ones: mine.toml:2")
	w.Daemon = Daemon{}
	holds(t, w.run1(ruleFiles{}), "Hither will not start")
	w.Rules = func() (*rules.Set, error) { return nil, fs.ErrPermission }
	holds(t, w.run1(ruleFiles{}), "Hither will not start") // nor may it read them
	w.Service = &service.Installed{User: true}
	holds(t, w.run1(ruleFiles{}), "Hither will not start")
	w.Service.User = false
	holds(t, w.run1(ruleFiles{}), "rules note: ", "not for all to read", "`sudo hither doctor`")
}

func TestUpstreamsThatFail(t *testing.T) {
	w := newWorld(t)
	w.Daemon.Upstreams = []Upstream{{Rule: "npm", Base: "https://liar.example", Requests: 10, Failures: 6, Note: "sent wrong bytes"}, {Rule: "npm", Base: "https://fine.example", Requests: 10, Failures: 5}}
	found := w.run1(upstreams{})
	holds(t, found, "https://liar.example failed 6 of 10 requests")
	lacks(t, found, "fine.example")
	w.Quick, w.Daemon.Upstreams = false, nil
	holds(t, w.run1(upstreams{}), "upstreams fail: no registry is to be reached from here", "connection refused", "--upstream-proxy")
}

func TestHitherThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	holds(t, w.run1(running{}), "runs, but does not answer on 127.0.0.1:7890", "`kill 4711`")
	w.Daemon.Err, w.Daemon.Running = errors.New("nothing came"), false
	holds(t, w.run1(running{}), "holds its state directory and does not answer: nothing came")
	w.Daemon.Err = fs.ErrPermission
	holds(t, w.run1(running{}), "is another user's", "Ask as that user")
	w.Daemon = Daemon{}
	holds(t, w.run1(running{}), "Hither does not run", "`hither up`", "127.0.0.1:7890, where Hither is set to listen, is taken by another program")
}

// A second Hither beside the service would have the service's port, and not its place in the machine.
func TestAServiceIsStartedAsOne(t *testing.T) {
	w := newWorld(t)
	w.write("/etc/init.d/hither", "")
	w.Service = service.Find(w.machine(), false)
	holds(t, w.run1(running{}), "`sudo rc-service hither restart`")
	w.Wrong = errors.New("/etc/hither/config.toml:2: no such setting")
	holds(t, w.run1(running{}), "daemon warn: the running Hither will not start again with its settings: /etc/hither/config.toml:2: no such setting")
	w.Daemon = Daemon{}
	holds(t, w.run1(running{}), "will not start with its settings: /etc/hither/config.toml:2: no such setting", "Correct what is named, then start it: `sudo rc-service hither start`")
	w.Wrong = nil
	holds(t, w.run1(running{}), "Start it: `sudo rc-service hither start`", "Take another port: `listen = \"127.0.0.1:7891\"` in /etc/hither/config.toml, then `sudo rc-service hither restart`.")
	w.MinFree, w.LeastFree = 2<<30, 200<<20
	hithers := disk{}.judge(w.Patient, kernel.Space{Total: 1 << 40, Files: 1 << 20})
	holds(t, []Finding{hithers}, "put the cache elsewhere: mount another disk on /home/u/.local/state/hither; to leave less free: `cache-free = \"200MiB\"` in /etc/hither/config.toml")
	lacks(t, w.run1(running{}), "see why") // OpenRC keeps no log
	w.write("/run/systemd/system/x", "")
	w.write("/etc/systemd/system/hither.service", "")
	openRC := w.Service
	w.Service = service.Find(w.machine(), false)
	holds(t, w.run1(running{}), "Start it: `sudo systemctl start hither`, and if it ends, see why: `sudo journalctl -u hither -n 20`; or for one command")
	w.Service, w.AllRights = openRC, true
	holds(t, Examine(t.Context(), []Check{running{}}, w.Patient).Findings, "Start it: `rc-service hither start`")
}

// The machine itself answers, whatever it is.
func TestTheMachineItself(t *testing.T) {
	p := &Patient{Root: "", State: t.TempDir()}
	if err := os.WriteFile(p.State+"/ca-key.pem", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p.State, 0o700); err != nil {
		t.Fatal(err)
	}
	holds(t, Examine(t.Context(), []Check{permissions{}}, p).Findings, "permissions ok")
	if got := p.run(t.Context(), "no-such-command-at-all"); got != "" {
		t.Errorf("a command that is not there\n got %q", got)
	}
	if _, err := p.read("/dev/zero"); err == nil || !strings.Contains(err.Error(), "no ordinary file") {
		t.Errorf("a device\n got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Examine(ctx, Checks(), p) // ends at once
}
