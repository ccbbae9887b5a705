package service

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"hither/install"
	"hither/install/installtest"
	"hither/install/stage"
)

// services plays the managers of services: what is on, by the words that the check has in its script.
type services struct {
	on  map[string]bool // "is-enabled hither.service"
	log []string
}

func (s *services) play(argv []string, _ []byte) ([]byte, error) {
	if len(argv) > 4 && strings.Contains(argv[2], "|| :") { // perhaps
		argv = argv[4:]
	}
	line := strings.Join(argv, " ")
	if argv[0] == "sh" { // the check of an onOff: sh -c SCRIPT sh COMMAND...
		words := regexp.MustCompile(`echo (\w+)`).FindAllStringSubmatch(argv[2], 2)
		if s.on[strings.Join(argv[4:], " ")] {
			return []byte(words[0][1] + "\n"), nil
		}
		return []byte(words[1][1] + "\n"), nil
	}
	s.log = append(s.log, line)
	for _, pair := range [][2]string{
		{"systemctl enable ", "systemctl is-enabled --quiet "}, {"systemctl start ", "systemctl is-active --quiet "},
		{"systemctl --user enable ", "systemctl --user is-enabled --quiet "}, {"systemctl --user start ", "systemctl --user is-active --quiet "},
	} {
		if unit, ok := strings.CutPrefix(line, pair[0]); ok {
			s.on[pair[1]+unit] = true
		}
	}
	switch {
	case strings.HasPrefix(line, "systemctl disable --now "), strings.HasPrefix(line, "systemctl --user disable --now "):
		unit := argv[len(argv)-1]
		for key := range s.on {
			if strings.HasSuffix(key, " "+unit) {
				delete(s.on, key)
			}
		}
	case strings.HasPrefix(line, "systemctl stop "):
		delete(s.on, "systemctl is-active --quiet "+argv[2])
	case strings.HasPrefix(line, "systemctl --user stop "):
		delete(s.on, "systemctl --user is-active --quiet "+argv[3])
	case strings.HasPrefix(line, "launchctl bootstrap "):
		s.on["launchctl print "+argv[2]+"/dev.hither"] = true
	case strings.HasPrefix(line, "launchctl bootout "):
		delete(s.on, "launchctl print "+argv[2])
	case line == "rc-update add hither default":
		s.on["test -e /etc/runlevels/default/hither"] = true
	case line == "rc-update del hither default":
		delete(s.on, "test -e /etc/runlevels/default/hither")
	case strings.HasPrefix(line, "rc-service hither st"):
		s.on["rc-service hither status"] = argv[2] == "start"
	case strings.HasPrefix(line, "sc.exe create hither"):
		s.on["there"] = true
	case strings.HasPrefix(line, "sc.exe start hither"):
		s.on["running"] = true
	case argv[0] == "powershell.exe" && strings.Contains(line, "Stop-Service"):
		delete(s.on, "running")
		if strings.Contains(line, "sc.exe delete") {
			delete(s.on, "there")
		}
	case argv[0] == "powershell.exe":
		for _, word := range []string{"there", "running"} {
			if strings.Contains(line, "'"+word+"'") && s.on[word] {
				return []byte(word + "\r\n"), nil
			}
		}
		return []byte("none\r\n"), nil
	}
	return nil, nil
}

// TestAServiceIsStartedAndTakenAway has a row for each manager of services.
func TestAServiceIsStartedAndTakenAway(t *testing.T) {
	const exe = "/opt/my tools/hither"
	for _, row := range []struct {
		name, system string
		files        map[string]string
		serving      Serving
		path, holds  string // a file and what is in it
		last         string // the last command of starting
		first        string // the first of taking away
	}{
		{"systemd", "linux", map[string]string{"/run/systemd/system/": "", "/etc/systemd/system/": ""}, Serving{Exe: exe},
			"/etc/systemd/system/hither.service", "ExecStart=\"/opt/my tools/hither\" up\n", "systemctl start hither.service", "systemctl stop hither.service"},
		{"systemd of the user", "linux", map[string]string{"/run/systemd/system/": "", "/home/u/": ""}, Serving{Exe: "/home/u/50%/hither", User: true},
			"/home/u/.config/systemd/user/hither.service", "ExecStopPost=-/home/u/50%%/hither restore\n", "systemctl --user start hither.service", "systemctl --user stop hither.service"},
		{"launchd", "darwin", map[string]string{"/Library/LaunchDaemons/": ""}, Serving{Exe: "/opt/a&b/hither"},
			"/Library/LaunchDaemons/dev.hither.plist", "<string>/opt/a&amp;b/hither</string>\n\t\t<string>up</string>\n",
			"launchctl bootstrap system /Library/LaunchDaemons/dev.hither.plist", "launchctl bootout system/dev.hither"},
		{"launchd of the user", "darwin", map[string]string{"/home/u/": ""}, Serving{Exe: exe, User: true},
			"/home/u/Library/LaunchAgents/dev.hither.plist", "<string>/home/u/Library/Logs/hither.log</string>", "", ""},
		{"OpenRC", "linux", map[string]string{"/sbin/openrc-run": "", "/etc/init.d/": ""}, Serving{Exe: exe},
			"/etc/init.d/hither", "command='/opt/my tools/hither'\n", "rc-service hither start", "rc-service hither stop"},
		{"Windows", "windows", nil, Serving{Exe: `C:\Program Files\hither.exe`}, "", "", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w, s := installtest.NewWorld(t, row.system, row.files), &services{on: map[string]bool{}}
			w.Play = s.play
			stage.Check(t, os.MkdirAll(w.Root, 0o755))
			tree := w.Tree()
			steps := Steps(w.Machine, row.serving)
			stage.Check(t, install.Apply(t.Context(), steps...))
			for _, step := range steps {
				installtest.InForce(t, step, true)
			}
			if row.last != "" {
				stage.Same(t, "last command", s.log[len(s.log)-1], row.last)
			}
			if row.path != "" && !strings.Contains(w.Text(row.path), row.holds) {
				t.Errorf("%s is\n%s\nwant %q in it", row.path, w.Text(row.path), row.holds)
			}
			done := len(s.log)
			_, err := install.Restore(t.Context(), w.Machine, install.Volatile)
			stage.Check(t, err)
			stage.Same(t, "commands when only the volatile goes", len(s.log), done)
			_, err = install.Restore(t.Context(), w.Machine, nil)
			stage.Check(t, err)
			if row.first != "" {
				stage.Same(t, "first command of taking away", s.log[done], row.first)
			}
			stage.Same(t, "what is on", len(s.on)-boolCount(s.on, false), 0)
			stage.Same(t, "tree", w.Tree(), tree)
		})
	}
	w := installtest.NewWorld(t, "linux", nil)
	if err := install.Apply(t.Context(), Steps(w.Machine, Serving{Exe: exe})...); err == nil || !strings.Contains(err.Error(), "hither restore") {
		t.Errorf("got  %v\nwant what to do without a manager of services", err)
	}
}

func boolCount(set map[string]bool, what bool) (n int) {
	for _, on := range set {
		if on == what {
			n++
		}
	}
	return n
}

// TestAServiceThatWasThereStays is for a unit that the user had enabled and started before: it is not ours to stop.
func TestAServiceThatWasThereStays(t *testing.T) {
	w := installtest.NewWorld(t, "linux", map[string]string{"/run/systemd/system/": ""})
	s := &services{on: map[string]bool{"systemctl is-enabled --quiet hither.service": true, "systemctl is-active --quiet hither.service": true}}
	w.Play = s.play
	stage.Check(t, install.Apply(t.Context(), Steps(w.Machine, Serving{Exe: "/usr/bin/hither"})...))
	_, err := install.Restore(t.Context(), w.Machine, nil)
	stage.Check(t, err)
	if strings.Contains(strings.Join(s.log, "\n"), "stop hither.service") {
		t.Errorf("ran %q\nwant it left running", s.log)
	}
}

// TestSystemdTakesTheUnits asks systemd-analyze, where it is, about the units as they are written.
func TestSystemdTakesTheUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	for _, exe := range []string{"plain", "with blanks and 50% $HOME"} {
		dir := t.TempDir()
		exe = filepath.Join(dir, exe)
		stage.Check(t, os.WriteFile(exe, []byte("#!/bin/sh\n"), 0o700))
		units := map[string][]byte{
			"hither.service":         homesOf(&install.Machine{Home: "/srv/my home"}, Serving{}, systemdUnit("hither.service", exe)),
			"hither-sealed.service":  homesOf(&install.Machine{Home: "/srv/u"}, Serving{Sealed: true}, systemdUnit("hither.service", exe)),
			"hither-restore.service": systemdUnit("hither-restore.service", exe),
		}
		var paths []string
		for name, text := range units {
			paths = append(paths, filepath.Join(dir, name))
			stage.Check(t, os.WriteFile(paths[len(paths)-1], text, 0o600))
		}
		out, err := exec.CommandContext(t.Context(), analyze, append([]string{"verify", "--man=no", "--recursive-errors=no"}, paths...)...).CombinedOutput()
		if err != nil || strings.Contains(string(out), dir) {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// TestASealedServiceStaysOutOfHomes also proves that the lines which are replaced are there.
func TestASealedServiceStaysOutOfHomes(t *testing.T) {
	unit := systemdUnit("hither.service", "/usr/bin/hither")
	for _, row := range []struct {
		name, home string
		sealed     bool
		has, not   string
	}{
		{"sealed", "/home/u", true, "ProtectHome=read-only\n", "CAP_SETUID"},
		{"open", "/home/u", false, "CAP_SETUID\n", "ProtectHome"},
		{"with its home elsewhere", "/srv/u", false, "ReadWritePaths=-/srv/u\n", "ProtectHome"},
	} {
		text := string(homesOf(&install.Machine{Home: row.home}, Serving{Sealed: row.sealed}, unit))
		if !strings.Contains(text, row.has) || strings.Contains(text, row.not) {
			t.Errorf("%s\ngot  %s\nwant %q and not %q", row.name, text, row.has, row.not)
		}
	}
}

func TestSystemdHearsThatWeAreReady(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skipf("this system has no such sockets: %v", err)
	}
	defer l.Close()
	set := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "5000000", "WATCHDOG_PID": strconv.Itoa(os.Getpid())}
	env := func(name string) string { return set[name] }
	stage.Check(t, Notify(env, NotifyReady))
	buf := make([]byte, 64)
	n, err := l.Read(buf)
	stage.Check(t, err)
	stage.Same(t, "heard", string(buf[:n]), "READY=1")
	stage.Same(t, "interval", WatchdogInterval(env), 2500*time.Millisecond)
	set["WATCHDOG_PID"] = "1"
	stage.Same(t, "interval of another process", WatchdogInterval(env), 0)
	set = nil
	stage.Check(t, Notify(env, NotifyReady))
	stage.Same(t, "interval without systemd", WatchdogInterval(env), 0)
	set = map[string]string{"NOTIFY_SOCKET": "vsock:2:1"}
	if Notify(env, NotifyReady) == nil {
		t.Error("a socket that is none of this machine was taken")
	}
}

// What is told to be started must be the Hither that the machine was changed for.
func TestWithoutAServiceManagerTheStateIsNamed(t *testing.T) {
	w := installtest.NewWorld(t, "linux", nil)
	_, err := Steps(w.Machine, Serving{Exe: "/usr/bin/hither"})[0].Done(t.Context())
	var refused *install.Refused
	if !errors.As(err, &refused) || !strings.Contains(refused.Why, "`hither up --state /var/lib/hither`") {
		t.Errorf("\n got %v\nwant a command with the state directory of the machine", err)
	}
}

// Who asks for Hither is told how it is started here.
func TestTheServiceThatIsHereIsFound(t *testing.T) {
	for _, row := range []struct {
		system, file string
		user         bool
		want         string
	}{
		{"linux", "/run/systemd/system/x", false, ""},
		{"linux", "/etc/systemd/system/hither.service", false, "systemctl restart hither"},
		{"linux", "/usr/lib/systemd/system/hither.service", false, "systemctl restart hither"},
		{"linux", "/etc/systemd/system/hither.service", true, ""},
		{"linux", "/home/u/.config/systemd/user/hither.service", true, "systemctl --user restart hither"},
		{"linux", "/etc/init.d/hither", false, "rc-service hither restart"},
		{"darwin", "/Library/LaunchDaemons/dev.hither.plist", false, "launchctl kickstart -k system/dev.hither"},
		{"windows", "/etc/init.d/hither", false, ""},
	} {
		w := installtest.NewWorld(t, row.system, map[string]string{row.file: ""})
		if row.system == "linux" && row.file != "/etc/init.d/hither" {
			w.Write("/run/systemd/system/y", "")
		}
		got := ""
		if s := Find(w.Machine, row.user); s != nil {
			got = strings.Join(s.Restart(), " ")
		}
		stage.Same(t, row.system+" "+row.file, got, row.want)
	}
}
