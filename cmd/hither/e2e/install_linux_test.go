package e2e_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Everything that `hither install` changes, with the real program, and how it ends.
func TestInstalled(t *testing.T) {
	onMachines(t, map[string]func(*testing.T, *machine){
		"ScopedWithResolved":    scopedWithResolved,
		"FullWithAFile":         func(t *testing.T, m *machine) { full(t, m) },
		"FullWithALink":         fullWithALink,
		"CutAnywhere":           cutAnywhere,
		"AFailureLeavesNothing": aFailureLeavesNothing,
		"ClientsFindAndTrust":   clientsFindAndTrust,
		"NoNamesWithoutTrust":   noNamesWithoutTrust,
		"ShellsAndSessions":     shellsAndSessions,
		"DoctorsOfAService":     doctorsOfAService,
	})
}

// stranger is a name of nobody's.
const stranger = "other.example"

// wantLed says who resolves which name.
func (m *machine) wantLed(when, us, others string) {
	m.t.Helper()
	m.becomes(when+": "+npmHost, m.resolves(npmHost), us)
	m.becomes(when+": "+stranger, m.resolves(stranger), others)
}

// anybody calls a program that all may run, as nobody who has a home.
func (m *machine) anybody(words ...string) string {
	m.t.Helper()
	words = append([]string{"--reuid=65534", "--regid=65534", "--clear-groups"}, words...)
	said, _ := m.try("/", []string{"HOME=/nonexistent", "PATH=" + os.Getenv("PATH")}, "setpriv", words...)
	return said
}

// doctorsOfAService ask after one that listens elsewhere, as its own file says: the shell of whoever asks says nothing of it.
func doctorsOfAService(t *testing.T, m *machine) {
	const forAll = "/usr/local/bin/hither"
	run(t, "install", "-m", "755", m.bin, forAll)
	put(t, "/etc/init.d/hither", "#!/bin/sh\n")
	put(t, "/etc/hither/config.toml", "listen = \"127.0.0.1:7999\"\n")
	m.env = append(m.env, "XDG_CONFIG_HOME=/etc")
	m.up()
	said, _ := m.try("/", []string{"HOME=" + machineHome, "PATH=" + os.Getenv("PATH"), "HITHER_CACHE_FREE=900TiB", "HITHER_LISTEN=127.0.0.1:1"}, m.bin, "doctor", "--quick")
	has(t, "root's doctor", said, "answers on 127.0.0.1:7999")
	if strings.Contains(said, "900 TiB") {
		t.Errorf("root's doctor\n got %s\nwant nothing of his shell's settings", said)
	}
	for _, mode := range []string{"0644", "0600"} { // then it is known by what it tells everybody
		run(t, "chmod", mode, "/etc/hither/config.toml")
		said = m.anybody(forAll, "doctor", "--quick")
		has(t, mode+": anybody's doctor", strings.Join(strings.Fields(said), " "), "a service of this machine, answers on 127.0.0.1:7999")
		if strings.Contains(said, "does not run") || strings.Contains(said, "another proxy") {
			t.Errorf("%s: anybody's doctor\n got %s\nwant that it runs, and is no other proxy", mode, said)
		}
	}
}

func scopedWithResolved(t *testing.T, m *machine) {
	m.systemdResolved(t)
	const forAll = "/usr/local/bin/hither"
	run(t, "install", "-m", "755", m.bin, forAll)
	before := m.snapshot()
	m.installs("--trust", "--dns", "scoped")

	d := m.up()
	asked := m.traces()
	m.wantLed("up", byUs, bySystem)
	said, _ := m.try("/", m.env, m.bin, "doctor", "--quick") // its status is about the whole machine
	has(t, "root's doctor", said, "Hither runs (pid")
	has(t, "anybody's doctor", m.anybody(forAll, "doctor", "--quick"), "npm goes through Hither by DNS")
	if text := asked(npmHost); strings.Contains(text, stranger) {
		t.Errorf("questions that came to us\n got %s\nwant none for %s", text, stranger)
	}
	d.signal(t, syscall.SIGKILL)
	m.wantLed("after kill -9", bySystem, bySystem)

	d = m.up()
	m.wantLed("up again", byUs, bySystem)
	d.signal(t, syscall.SIGSTOP)
	m.wantLed("after SIGSTOP", bySystem, bySystem)
	begun := time.Now()
	for _, state := range [][]string{{"--state", m.state}, nil} { // root without a Hither of his own means that of the machine
		said, err := m.try("/", m.env, m.bin, append([]string{"status"}, state...)...)
		if err == nil || !strings.Contains(said, "has said nothing for 3s") {
			t.Errorf("status %v of a stopped Hither\n got %v: %s\nwant that it says nothing", state, err, said)
		}
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("that took %v, want 3 s each", took)
	}
	d.signal(t, syscall.SIGCONT)
	m.wantLed("after SIGCONT", byUs, bySystem)

	m.powerCut(d)
	m.boots()
	m.wantLed("after a power cut and restore", bySystem, bySystem)
	same(t, "routes that are left", run(t, "ip", "route", "show", "proto", "221"), "")

	d = m.up()
	m.wantLed("up a third time", byUs, bySystem)
	d.signal(t, syscall.SIGSTOP)
	m.uninstalls(before)
	m.wantLed("after uninstall of a stopped Hither", bySystem, bySystem)
	d.signal(t, syscall.SIGCONT)
	m.becomes("it lets go", func() string { return contained(m.hither("status", "--state", m.state), "put back as it was") }, "true")
	m.wantLed("after SIGCONT", bySystem, bySystem)
	m.wantAsBefore("after SIGCONT", before)
}

// traces returns what shows the questions that came to Hither until now, once there is one for a name.
func (m *machine) traces() func(name string) string {
	m.t.Helper()
	file := m.write("trace", nil)
	out, err := os.OpenFile(file, os.O_WRONLY, 0)
	m.must(err)
	cmd := exec.Command(m.bin, "dns", "trace", "--json", "--state", m.state)
	cmd.Env, cmd.Stdout, cmd.Stderr = m.env, out, out
	m.must(cmd.Start())
	m.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = out.Close() })
	return func(name string) string {
		m.await("a question for "+name, func() bool {
			m.resolves(name)()
			return strings.Contains(m.read(file), name)
		})
		return m.read(file)
	}
}

// powerCut ends the daemon and its guard, before it can do anything.
func (m *machine) powerCut(d *daemon) {
	m.t.Helper()
	m.await("a guard", func() bool { return len(guards()) == 1 })
	guard := guards()[0]
	m.must(syscall.Kill(guard, syscall.SIGSTOP)) // the daemon does not see that, as it would see its end
	d.signal(m.t, syscall.SIGKILL)
	m.must(syscall.Kill(guard, syscall.SIGKILL))
}

// boots does what the unit of the next boot does; see install/files/hither-restore.service.
func (m *machine) boots() {
	m.t.Helper()
	env := []string{"HOME=" + m.state, "HITHER_STATE=" + m.state, "XDG_CONFIG_HOME=/etc", "PATH=" + os.Getenv("PATH")}
	m.shell("/", env, m.bin, "restore")
}

// uninstalls proves that uninstall leaves nothing.
func (m *machine) uninstalls(before map[string]string) {
	m.t.Helper()
	m.hither("uninstall", "--state", m.state)
	m.wantAsBefore("after uninstall", before)
}

const resolvConf = "/etc/resolv.conf"

func fullWithALink(t *testing.T, m *machine) {
	mustDo(t, os.MkdirAll("/etc/resolvconf/run", 0o755))
	mustDo(t, os.Rename(resolvConf, "/etc/resolvconf/run/resolv.conf"))
	mustDo(t, os.Symlink("resolvconf/run/resolv.conf", resolvConf))
	full(t, m)
}

// full has the whole DNS and the proxy settings of the desktop.
func full(t *testing.T, m *machine) {
	desktop := m.desktop(t)
	before := m.snapshot()
	conf, session := m.text(resolvConf), m.text(machineHome+"/.config/environment.d/60-hither.conf")
	former := conf()
	back := func(when string) {
		t.Helper()
		m.wantLed(when, bySystem, bySystem)
		m.becomes(when+": resolv.conf", conf, former)
		m.becomes(when+": environment.d", session, "none")
		if desktop {
			m.becomes(when+": GNOME's proxy", m.proxyMode, "'none'")
		}
	}
	ours := func(when string) {
		t.Helper()
		m.wantLed(when, byUs, bySystem)
		m.becomes(when+": environment.d", func() string { return contained(session(), "HTTPS_PROXY=http://127.0.0.1:7890") }, "true")
		if desktop {
			m.becomes(when+": GNOME's proxy", m.proxyMode, "'manual'")
		}
	}
	m.installs("--trust", "--dns", "full", "--proxy")

	d := m.up()
	asked := m.traces()
	ours("up")
	asked(stranger)
	d.signal(t, syscall.SIGKILL)
	back("after kill -9")

	d = m.up()
	ours("up again")
	d.signal(t, syscall.SIGSTOP)
	back("after SIGSTOP")
	d.signal(t, syscall.SIGCONT)
	ours("after SIGCONT")

	m.powerCut(d)
	same(t, "resolv.conf after a power cut is ours", contained(conf(), "# Hither begins"), "true")
	m.boots()
	back("after a power cut and restore")

	d = m.up()
	ours("up a third time")
	m.hither("uninstall", "--state", m.state)
	back("after uninstall under a running Hither")
	<-time.After(2 * time.Second) // in which it might take that for somebody's writing over its changes
	back("later")
	has(t, "status", m.hither("status", "--state", m.state), "put back as it was")
	d.signal(t, syscall.SIGTERM)
	_ = d.Wait()
	m.uninstalls(before)
}

// shellsAndSessions has real clients in new login shells, which have nothing else that leads them to Hither: Node, for one, does
// not read the system's roots.
func shellsAndSessions(t *testing.T, m *machine) {
	gos := m.goWorld()
	m.goRule(gos)
	put(t, "/etc/environment", "LANG=C.UTF-8\n")
	bareNpm(t)
	before := m.snapshot()
	session := m.text("/etc/environment")
	login := func(script string) string {
		return strings.TrimSpace(m.shell("/", []string{"HOME=" + machineHome}, "bash", "-lc", script))
	}
	named := func() string { return login(`echo "proxy:$HTTPS_PROXY"`) }
	m.installs("--trust", "--proxy=shell,environment")
	d := m.up()
	m.becomes("a new shell", named, "proxy:http://127.0.0.1:7890")
	has(t, "what curl got", login("curl -sS --max-time 20 https://"+npmHost+"/pkg-001"), `"pkg-001@1.1.0"`)
	module := gos.modules[0]
	goCommand, err := exec.LookPath("go")
	m.must(err)
	same(t, "what go got", login("cd /tmp; XDG_CONFIG_HOME=/tmp/config GOPATH=/tmp/go GOSUMDB='"+gos.sumKey+"' GOTOOLCHAIN=local "+goCommand+" list -m "+module.Path+"@"+module.Version.Version), module.Path+" "+module.Version.Version)
	same(t, "what npm got", login("npm view --cache /tmp/npm --registry https://"+npmHost+" pkg-001@1.1.0 version"), "1.1.0")
	m.becomes("a new session", func() string { return contained(session(), "\nhttps_proxy=http://127.0.0.1:7890\n") }, "true")
	has(t, "status", m.hither("install", "--status"), "/etc/profile.d/zz-hither-proxy.sh, while Hither runs")

	d.signal(t, syscall.SIGKILL)
	m.becomes("a new shell after kill -9", named, "proxy:")
	m.becomes("a new session after kill -9", session, "LANG=C.UTF-8\n")

	d = m.up()
	m.becomes("a new shell, up again", named, "proxy:http://127.0.0.1:7890")
	d.signal(t, syscall.SIGTERM)
	_ = d.Wait()
	same(t, "a new shell after the end", named(), "proxy:")
	m.uninstalls(before)
}

// bareNpm takes away what may say whom npm believes.
func bareNpm(t *testing.T) {
	for _, file := range []string{"/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc"} {
		mustDo(t, os.RemoveAll(file))
	}
}

func contained(text, part string) string {
	if strings.Contains(text, part) {
		return "true"
	}
	return text
}
