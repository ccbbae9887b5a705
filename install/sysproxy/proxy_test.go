package sysproxy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hither/install"
	"hither/install/installtest"
	"hither/install/stage"
)

func proxying() Proxying {
	return Proxying{Address: "127.0.0.1:7890"}
}

// gsettings plays GNOME's settings: schema and key, and those that are not at their default.
type gsettings map[string]string

func newGsettings() gsettings {
	return gsettings{
		"org.gnome.system.proxy mode": "'none'", "org.gnome.system.proxy ignore-hosts": "['localhost', '127.0.0.0/8', '::1']",
		"org.gnome.system.proxy.http host": "''", "org.gnome.system.proxy.http port": "8080",
		"org.gnome.system.proxy.https host": "''", "org.gnome.system.proxy.https port": "0",
	}
}

func (g gsettings) play(argv []string, _ []byte) ([]byte, error) {
	if i := slices.Index(argv, "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus"); i >= 0 {
		argv = argv[i+1:] // as the user, with his session
	}
	if argv[0] == "sh" && argv[3] == "sh" { // in the session, or in one of its own
		argv = argv[4:]
	}
	standard := false
	if argv[0] == "env" && argv[1] == "GSETTINGS_BACKEND=memory" {
		standard, argv = true, argv[2:]
	}
	if argv[0] != "gsettings" {
		return nil, nil
	}
	key := strings.Join(argv[2:4], " ")
	switch argv[1] {
	case "get":
		if value, ok := g[key]; ok && !standard {
			return []byte(value + "\n"), nil
		}
		return []byte(newGsettings()[key] + "\n"), nil
	case "set":
		g[key] = argv[4]
	case "reset":
		g[key] = newGsettings()[key]
	}
	return nil, nil
}

// TestALinuxDesktopGoesThroughUsAndBack also shows that the guard needs nothing but the journal.
func TestALinuxDesktopGoesThroughUsAndBack(t *testing.T) {
	w := installtest.NewWorld(t, "linux", map[string]string{
		"/usr/bin/gsettings": "", "/run/user/1000/bus": "", "/home/u/.config/kioslaverc": "[$Version]\nupdate_info=x\n\n[Proxy Settings]\nNoProxyFor=.lan\nProxyType=0\n",
		"/etc/environment": "PATH=\"/usr/bin\"\nNO_PROXY=.mine.example", "/home/u/.config/environment.d/10-mine.conf": "NO_PROXY=.other.example\n",
	})
	w.UID, w.GID = 1000, 1000
	w.Machine.UID, w.Machine.GID = 1000, 1000
	g := newGsettings()
	w.Play = g.play
	tree, keys := w.Tree(), fmt.Sprint(g)
	p := proxying()
	p.Bundle = "/etc/ssl/all.pem"
	steps := Steps(t.Context(), w.Machine, p, Desktop, Shell, Environment)
	stage.Same(t, "number of steps", len(steps), 10)
	w.Machine.UID, w.Machine.GID = -1, -1 // the files of the test are root's
	stage.Check(t, install.Apply(t.Context(), steps...))
	for _, step := range steps {
		installtest.InForce(t, step, true)
	}
	stage.Same(t, "environment.d", w.Text("/home/u/.config/environment.d/60-hither.conf"), "# Written by Hither, which takes it away when it ends.\n"+
		"HTTP_PROXY=http://127.0.0.1:7890\nHTTPS_PROXY=http://127.0.0.1:7890\nNO_PROXY=.mine.example,.other.example,localhost,127.0.0.1,::1\n"+
		"http_proxy=http://127.0.0.1:7890\nhttps_proxy=http://127.0.0.1:7890\nno_proxy=.mine.example,.other.example,localhost,127.0.0.1,::1\n"+
		"NODE_EXTRA_CA_CERTS=/etc/ssl/all.pem\nREQUESTS_CA_BUNDLE=/etc/ssl/all.pem\n")
	stage.Same(t, "kioslaverc", w.Text("/home/u/.config/kioslaverc"), "[$Version]\nupdate_info=x\n\n[Proxy Settings]\n"+
		"httpsProxy=http://127.0.0.1 7890\nhttpProxy=http://127.0.0.1 7890\nNoProxyFor=.lan,localhost,127.0.0.1,::1\nProxyType=1\n")
	stage.Same(t, "mode", g["org.gnome.system.proxy mode"], "'manual'")
	stage.Same(t, "port", g["org.gnome.system.proxy.https port"], "7890")
	stage.Same(t, "ignore-hosts", g["org.gnome.system.proxy ignore-hosts"], "['localhost', '127.0.0.0/8', '::1', '127.0.0.1']")
	if ran := strings.Join(w.Ran, "\n"); !strings.Contains(ran, "setpriv --reuid=1000 --regid=1000") || !strings.Contains(ran, "daemon-reload") {
		t.Errorf("ran\n%s\nwant commands as the user, and his manager told", ran)
	}
	if text := w.Text("/etc/environment"); !strings.Contains(text, "\nNO_PROXY=.mine.example\nHTTPS_PROXY=") {
		t.Errorf("/etc/environment is %q\nwant the user's lines kept", text)
	}
	_, err := install.Restore(t.Context(), w.Machine, install.Volatile)
	stage.Check(t, err)
	stage.Same(t, "settings", fmt.Sprint(g), keys)
	stage.Same(t, "tree", w.Tree(), tree)
}

// TestAProxyOfTheUsersChoiceIsLeftAlone has a row for each place. The proxy behind us may give way.
func TestAProxyOfTheUsersChoiceIsLeftAlone(t *testing.T) {
	for _, row := range []struct {
		name  string
		files map[string]string
		keys  gsettings
		says  string // empty: it is taken over
	}{
		{"a script in GNOME", nil, gsettings{"org.gnome.system.proxy mode": "'auto'"}, "by a script"},
		{"another proxy in GNOME", nil, gsettings{"org.gnome.system.proxy mode": "'manual'", "org.gnome.system.proxy.http host": "'corp.example'"}, "corp.example:8080"},
		{"another proxy on loopback in GNOME", nil, gsettings{
			"org.gnome.system.proxy mode": "'manual'", "org.gnome.system.proxy.http host": "'127.0.0.1'", "org.gnome.system.proxy.http port": "7897",
		}, "127.0.0.1:7897"},
		{"a proxy that is switched off", nil, gsettings{"org.gnome.system.proxy.http host": "'corp.example'"}, ""},
		{"the proxy behind us", nil, gsettings{"org.gnome.system.proxy mode": "'manual'", "org.gnome.system.proxy.http host": "'clash.example'"}, ""},
		{"another proxy in /etc/environment", map[string]string{"/etc/environment": "https_proxy=http://corp.example:3128\n"}, nil, "corp.example:3128"},
		{"another proxy in KDE", map[string]string{"/home/u/.config/kioslaverc": "[Proxy Settings]\nProxyType=1\nhttpProxy=http://corp.example 8080\n"}, nil, "corp.example:8080"},
		{"a script in KDE", map[string]string{"/home/u/.config/kioslaverc": "[Proxy Settings]\nProxyType=2\n"}, nil, "by a script"},
		{"KDE that reads the environment", map[string]string{"/home/u/.config/kioslaverc": "[Proxy Settings]\nProxyType=4\n"}, nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			files := map[string]string{"/usr/bin/gsettings": "", "/home/u/": ""}
			for path, text := range row.files {
				files[path] = text
			}
			w, g := installtest.NewWorld(t, "linux", files), newGsettings()
			for key, value := range row.keys {
				g[key] = value
			}
			w.Play = g.play
			w.Env = func(name string) string { return map[string]string{"DBUS_SESSION_BUS_ADDRESS": "x"}[name] }
			p := proxying()
			p.Upstream = "http://clash.example:8080"
			tree, keys := w.Tree(), fmt.Sprint(g)
			err := install.Apply(t.Context(), Steps(t.Context(), w.Machine, p, Desktop)...)
			var refused *install.Refused
			if row.says == "" {
				stage.Check(t, err)
				_, err = install.Restore(t.Context(), w.Machine, nil)
				stage.Check(t, err)
			} else if !errors.As(err, &refused) || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got  %v\nwant it refused, and %q", err, row.says)
			}
			stage.Same(t, "settings", fmt.Sprint(g), keys)
			stage.Same(t, "tree", w.Tree(), tree)
		})
	}
}

// macNetwork plays networksetup for one service that is on and one that is off.
type macNetwork struct {
	proxies map[string]*webProxy // webproxy, securewebproxy
	bypass  []string
	script  bool
}

func (n *macNetwork) play(argv []string, _ []byte) ([]byte, error) {
	if argv[0] == "sh" { // $1 to $4 of the script are the service, server, port and state
		kind := "webproxy"
		if strings.Contains(argv[2], "securewebproxy") {
			kind = "securewebproxy"
		}
		*n.proxies[kind] = webProxy{server: argv[5], port: argv[6], on: argv[7] == "on"}
		if n.proxies[kind].port == "" {
			n.proxies[kind].port = "0"
		}
		return nil, nil
	}
	switch kind := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(argv[1], "-get"), "-set"), "-"); {
	case argv[1] == "-listallnetworkservices":
		return []byte("An asterisk (*) denotes that a network service is disabled.\nWi-Fi\n*Thunderbolt Bridge\n"), nil
	case argv[2] != "Wi-Fi":
		return nil, errors.New("it is not one of the services that are on")
	case argv[1] == "-getautoproxyurl":
		return fmt.Appendf(nil, "URL: (null)\nEnabled: %s\n", yes(n.script)), nil
	case argv[1] == "-getproxybypassdomains":
		if len(n.bypass) == 0 {
			return []byte("There aren't any bypass domains set on Wi-Fi.\n"), nil
		}
		return []byte(strings.Join(n.bypass, "\n") + "\n"), nil
	case argv[1] == "-setproxybypassdomains":
		n.bypass = slices.DeleteFunc(slices.Clone(argv[3:]), func(d string) bool { return d == "Empty" })
	case strings.HasPrefix(argv[1], "-get"):
		w := n.proxies[kind]
		auth := 0
		if w.authenticated {
			auth = 1
		}
		return fmt.Appendf(nil, "Enabled: %s\nServer: %s\nPort: %s\nAuthenticated Proxy Enabled: %d\n", yes(w.on), w.server, w.port, auth), nil
	default:
		*n.proxies[kind] = webProxy{on: true, server: argv[3], port: argv[4]}
	}
	return nil, nil
}

func yes(on bool) string {
	if on {
		return "Yes"
	}
	return "No"
}

func TestAMacGoesThroughUsAndBack(t *testing.T) {
	for _, row := range []struct {
		name  string
		proxy webProxy
		says  string
	}{
		{"no proxy", webProxy{port: "0"}, ""},
		{"one that is switched off", webProxy{server: "old.example", port: "8080"}, ""},
		{"the proxy behind us", webProxy{on: true, server: "clash.example", port: "8080"}, ""},
		{"another proxy", webProxy{on: true, server: "corp.example", port: "8080"}, "corp.example:8080"},
		{"one with a password", webProxy{on: true, server: "clash.example", port: "8080", authenticated: true}, "password"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := installtest.NewWorld(t, "darwin", nil)
			first, second := row.proxy, row.proxy
			n := &macNetwork{proxies: map[string]*webProxy{"webproxy": &first, "securewebproxy": &second}, bypass: []string{"*.local"}}
			w.Play = n.play
			p := proxying()
			p.Upstream = "http://clash.example:8080"
			err := install.Apply(t.Context(), Steps(t.Context(), w.Machine, p, Desktop)...)
			if row.says == "" {
				stage.Check(t, err)
				stage.Same(t, "http", first, webProxy{on: true, server: "127.0.0.1", port: "7890"})
				stage.Same(t, "https", second, first)
				stage.Same(t, "exceptions", strings.Join(n.bypass, " "), "*.local localhost 127.0.0.1 ::1")
				_, err = install.Restore(t.Context(), w.Machine, install.Volatile)
				stage.Check(t, err)
			} else if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got  %v\nwant %q in it", err, row.says)
			}
			stage.Same(t, "http, undone", first, row.proxy)
			stage.Same(t, "https, undone", second, row.proxy)
			stage.Same(t, "exceptions, undone", strings.Join(n.bypass, " "), "*.local")
		})
	}
}

// windowsPlay plays PowerShell: it knows our scripts by their words.
type windowsPlay struct {
	internet  string // what the Internet settings are, as JSON
	variables map[string]string
	policy    string
}

func (p *windowsPlay) play(argv []string, _ []byte) ([]byte, error) {
	script := argv[len(argv)-1]
	between := func(after, end string) string {
		_, rest, _ := strings.Cut(script, after)
		value, _, _ := strings.Cut(rest, end)
		return value
	}
	switch {
	case strings.Contains(script, "InternetSetOption"):
		var w wininet
		if strings.Contains(script, "ProxyServer -Type") {
			value := between("ProxyServer -Type String -Value '", "';")
			w.Server = &value
		}
		if strings.Contains(script, "ProxyOverride -Type") {
			value := between("ProxyOverride -Type String -Value '", "';")
			w.Override = &value
		}
		if on, err := strconv.Atoi(between("ProxyEnable -Type DWord -Value ", ";")); err == nil {
			w.Enable = &on
		}
		p.internet = w.String()
	case strings.Contains(script, "ConvertTo-Json -Compress -InputObject @("):
		return []byte(p.internet + "\r\n"), nil
	case strings.Contains(script, "GetEnvironmentVariable"):
		value, ok := p.variables[between("GetEnvironmentVariable('", "'")]
		if !ok {
			return []byte("null\r\n"), nil
		}
		return fmt.Appendf(nil, "%q\r\n", value), nil
	case strings.Contains(script, "SetEnvironmentVariable"):
		name := between("SetEnvironmentVariable('", "'")
		if strings.Contains(script, "$null, 'User'") {
			delete(p.variables, name)
		} else {
			p.variables[name] = between("SetEnvironmentVariable('"+name+"', '", "', 'User'")
		}
	case strings.Contains(script, "Get-ExecutionPolicy"):
		return []byte(p.policy + "\r\n"), nil
	case strings.Contains(script, "MyDocuments"):
		return []byte("C:\\Users\\u\\OneDrive\\Documents\r\n"), nil
	}
	return nil, nil
}

func TestWindowsGoesThroughUsAndBack(t *testing.T) {
	for _, row := range []struct{ name, internet, after, says string }{
		{"no proxy", `[0,null,null,null]`, `[1,"127.0.0.1:7890","localhost;127.0.0.1;[::1];\u003clocal\u003e",null]`, ""},
		{"nothing at all", `[null,null,null,null]`, `[1,"127.0.0.1:7890","localhost;127.0.0.1;[::1];\u003clocal\u003e",null]`, ""},
		{"exceptions", `[0,"old:1","*.lan",null]`, `[1,"127.0.0.1:7890","*.lan;localhost;127.0.0.1;[::1];\u003clocal\u003e",null]`, ""},
		{"another proxy", `[1,"http=corp.example:80;https=corp.example:80",null,null]`, "", "corp.example:80"},
		{"a script", `[0,null,null,"http://pac.example/x.pac"]`, "", "by a script"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := installtest.NewWorld(t, "windows", map[string]string{"/home/u/": ""})
			w.Home = `C:\Users\u`
			w.Write(`C:\Users\u\OneDrive\Documents\`+"/", "")
			p := &windowsPlay{internet: row.internet, variables: map[string]string{"NO_PROXY": ".mine", "REQUESTS_CA_BUNDLE": "/etc/mine.pem"}, policy: "RemoteSigned"}
			w.Play = p.play
			tree := w.Tree()
			with := proxying()
			with.Exe, with.Bundle = `C:\Program Files\It's\hither.exe`, `C:\all.pem`
			err := install.Apply(t.Context(), Steps(t.Context(), w.Machine, with, Places("windows")...)...)
			if row.says == "" {
				stage.Check(t, err)
				stage.Same(t, "Internet settings", p.internet, row.after)
				stage.Same(t, "variables", fmt.Sprint(p.variables), `map[HTTPS_PROXY:http://127.0.0.1:7890 HTTP_PROXY:http://127.0.0.1:7890 NODE_EXTRA_CA_CERTS:C:\all.pem NO_PROXY:.mine,localhost,127.0.0.1,::1 REQUESTS_CA_BUNDLE:/etc/mine.pem]`)
				if text := w.Text(`C:\Users\u\OneDrive\Documents\PowerShell\profile.ps1`); !strings.Contains(text, `& 'C:\Program Files\It''s\hither.exe' env --shell powershell`) {
					t.Errorf("profile.ps1 is %s", text)
				}
				_, err = install.Restore(t.Context(), w.Machine, nil)
				stage.Check(t, err)
			} else if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got  %v\nwant %q in it", err, row.says)
			}
			stage.Same(t, "Internet settings, undone", p.internet, row.internet)
			stage.Same(t, "variables, undone", fmt.Sprint(p.variables), "map[NO_PROXY:.mine REQUESTS_CA_BUNDLE:/etc/mine.pem]")
			stage.Same(t, "tree", w.Tree(), tree)
		})
	}
}

func TestAPowerShellThatRunsNoProfileIsLeftAlone(t *testing.T) {
	w := installtest.NewWorld(t, "windows", nil)
	p := &windowsPlay{internet: "[0,null,null,null]"}
	w.Play = p.play
	steps := powershellProfiles(t.Context(), w.Machine, proxying())
	if _, err := steps[0].Done(t.Context()); err == nil || !strings.Contains(err.Error(), "Set-ExecutionPolicy") {
		t.Errorf("got  %v\nwant the command that allows profiles: version 5 forbids them by itself", err)
	}
	if _, err := putProfile([]byte("\xff\xfea\x00"), "profile.ps1", "hither"); err == nil {
		t.Error("a file in UTF-16 was added to byte by byte")
	}
}
