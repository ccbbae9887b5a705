package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"hither/cmd/hither/control"
	"hither/cmd/hither/doctor"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/shell"
	"hither/install/service"
	"hither/install/stage"
)

// doctor calls the command in this world, wherever main.go has it.
func (w *world) doctor(args ...string) int {
	w.t.Helper()
	w.out.Reset()
	w.err.Reset()
	a := &app{in: strings.NewReader(""), out: &w.out, err: &w.err, env: w.env, dir: w.home, serve: w.fake.serve}
	root := a.root()
	if found, _, err := root.Find([]string{"doctor"}); err != nil || found == root {
		root.AddCommand(a.doctor())
	}
	root.SetArgs(append([]string{"doctor", "--quick"}, args...))
	root.SetOut(a.out)
	root.SetErr(a.err)
	if err := root.ExecuteContext(w.t.Context()); err != nil {
		return exitStatus(err)
	}
	return 0
}

func TestTheDoctorsExitStatus(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	same(t, "without Hither", w.doctor(), exitUnwell)
	contains(t, w.out.String(), "Broken: ", "fail  daemon       Hither does not run")
	same(t, "of another state directory", w.doctor("--state", "/other"), exitUnwell)
	contains(t, strings.Join(strings.Fields(w.out.String()), " "), "Start it: `hither up --state /other`; or for one command: `hither run --state /other -- COMMAND`")
	same(t, "a tool that is none", w.doctor("--tool", "make"), exitUsage)
	ready, _ := w.up()
	w.env = append(w.env, "NO_PROXY=*")
	same(t, "with NO_PROXY", w.doctor("--json", "--tool", "go"), exitUnwell)
	var report doctor.Report
	if err := json.Unmarshal(w.out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	same(t, "schema", report.Schema, 1)
	text := w.out.String()
	contains(t, text, `NO_PROXY has *, which hides`, ready.Proxy[0])
	if strings.Contains(text, `"check": "npm"`) {
		t.Errorf("a tool that was not asked for\n%s", text)
	}
}

func TestTheDoctorSpeaksTheLanguageOfTheShell(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	w.env = append(w.env, "SHELL=/usr/bin/pwsh", "HTTPS_PROXY=http://127.0.0.1:1")
	sh, err := shell.Find("", shell.Parent(), w.env)
	must(t, err)
	w.doctor()
	contains(t, strings.Join(strings.Fields(w.out.String()), " "), "`"+sh.Unset("HTTPS_PROXY")+"`")
}

func TestTheDoctorFindsAHitherThatHangs(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	c, err := control.Open(w.state()) // holds the directory and the socket, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write(t, filepath.Join(w.state(), paths.ReadyName), []byte(`{"pid": 4711}`))
	same(t, "status", w.doctor(), exitUnwell)
	contains(t, strings.Join(strings.Fields(w.out.String()), " "), "holds its state directory and does not answer", "`kill 4711`")
}

// A Hither that answers DNS, and a machine whose look-ups do not come to it.
func TestTheDoctorSeesDNSGoPastHither(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	asked := answerDNS(t)
	c, err := control.Open(w.state())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write(t, filepath.Join(w.state(), "ca.pem"), stage.RootPEM("Hither Root"))
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(rw, `{"ready": {"pid": 4711, "proxy": ["127.0.0.1:1"], "dns": [%q], "transparent": ["127.0.0.9:443"], "dns_mode": "full"}}`, asked)
	})}
	defer server.Close()
	go server.Serve(c.Listener)
	tools := t.TempDir() // a C library that has never heard of us
	write(t, filepath.Join(tools, "getent"), []byte("#!/bin/sh\necho 203.0.113.9 STREAM $2\n"))
	if err := os.Chmod(filepath.Join(tools, "getent"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	same(t, "status", w.doctor(), exitUnwell)
	text := strings.Join(strings.Fields(w.out.String()), " ")
	contains(t, text, "Hither's DNS on "+asked+" answers", "DNS goes past Hither: registry-1.docker.io, proxy.golang.org, registry.npmjs.org, registry.yarnpkg.com leads to 203.0.113.9")
}

// answerDNS is Hither's DNS: every name is at 127.0.0.9.
func answerDNS(t *testing.T) (address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		reply.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 9)}}
		_ = rw.WriteMsg(reply)
	})}
	go server.ActivateAndServe()
	t.Cleanup(func() { _ = server.Shutdown() })
	return conn.LocalAddr().String()
}

// Root's settings and rule files are not those of the service that he looks after, nor what his shell says.
func TestTheDoctorReadsTheSettingsOfTheService(t *testing.T) {
	root, etc := t.TempDir(), t.TempDir()
	write(t, filepath.Join(root, ".config", "hither", "config.toml"), []byte("cache-free = \"7GiB\"\n"))
	wrongly := func(s *service.Installed, config string, flags map[string][]string) (settings.Settings, error) {
		t.Helper()
		env := environ.List{"HOME=" + root, "XDG_CONFIG_HOME=" + filepath.Join(root, ".config"), "HITHER_LISTEN=127.0.0.1:1", "HTTPS_PROXY=http://127.0.0.1:2"}
		a := &app{sources: settings.Sources{Flags: flags, Config: config, Env: env, Dir: root, ReadFile: os.ReadFile}}
		var err error
		a.settings, err = settings.Load(a.sources)
		must(t, err)
		a.settings.State = "/var/lib/hither"
		return a.settingsOf(s)
	}
	of := func(s *service.Installed, config string, flags map[string][]string) settings.Settings {
		t.Helper()
		set, wrong := wrongly(s, config, flags)
		must(t, wrong)
		return set
	}
	file := filepath.Join(etc, "config.toml")
	machines, users := &service.Installed{Config: file}, &service.Installed{}
	set := of(machines, "", nil)
	same(t, "without a file: the machine's rules", set.Rules, filepath.Join(etc, "rules.d"))
	same(t, "without a file: its address", strings.Join(set.Listen, " "), settings.DefaultListen)
	same(t, "without a file: what it leaves free", leftFree(set), 2<<30)
	must(t, os.WriteFile(file, []byte("listen = \"127.0.0.1:7999\"\ncache-free = \"300MiB\"\n"), 0o600))
	set = of(machines, "", nil)
	same(t, "the machine's rules", set.Rules, filepath.Join(etc, "rules.d"))
	same(t, "the machine's address", strings.Join(set.Listen, " "), "127.0.0.1:7999")
	same(t, "what the machine's leaves free", leftFree(set), 300<<20)
	same(t, "its way out", set.UpstreamProxy, "")
	same(t, "its state directory", set.State, "/var/lib/hither")
	same(t, "named", of(machines, "", map[string][]string{"rules": {"/named"}}).Rules, "/named")
	must(t, os.WriteFile(file, []byte("cache-free = \"1MiB\"\nrules = \"mine\"\n"), 0o600))
	set = of(machines, "", nil)
	same(t, "rules that the machine's names", set.Rules, filepath.Join(etc, "mine"))
	same(t, "the least", leftFree(set), 256<<20)
	mine := filepath.Join(root, "own.toml")
	must(t, os.WriteFile(mine, []byte("rules = \"own\"\n"), 0o600))
	same(t, "a file that is named", of(machines, mine, nil).Rules, filepath.Join(root, "own"))
	same(t, "the user's", strings.Join(of(users, "", nil).Listen, " "), "127.0.0.1:1")
	must(t, os.WriteFile(file, []byte("cache-fre = \"1MiB\"\n"), 0o600))
	set, wrong := wrongly(machines, "", nil)
	same(t, "a file that is wrong: the machine's rules", set.Rules, filepath.Join(etc, "rules.d"))
	contains(t, fmt.Sprint(wrong), file+":1: ")
}
