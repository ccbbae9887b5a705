package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/control"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/upkeep"
	"hither/install"
	"hither/install/sysdns"
)

// What install changes under a Hither that runs is not in force before that begins anew, and nobody is to believe so.
func TestAHitherThatRunsBeginsAnewWithWhatIsInstalled(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	w.up()
	root := t.TempDir()
	var ran []string
	i := &upkeep.Installation{Settings: settings.Settings{State: w.state()}, Env: w.env, Machine: &install.Machine{
		OS: "linux", Root: root, Home: "/home/u", UID: -1, GID: -1, Env: func(string) string { return "" },
		Run: func(_ context.Context, argv []string, _ []byte) ([]byte, error) {
			ran = append(ran, strings.Join(argv, " "))
			return nil, nil
		},
	}}
	a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	word := filepath.Join(root, w.state(), upkeep.Name)
	same(t, "with nothing changed", len(a.renew(t.Context(), i)), 0)
	hithertest.Write(t, word, []byte("{}"))
	same(t, "with nothing to keep in force", len(a.renew(t.Context(), i)), 0)
	i.Upkeep.DNS = sysdns.Full
	report := a.renew(t.Context(), i)
	same(t, "by hand", report[0].Result, "left out")
	hithertest.Contains(t, report[0].Why, "what has started it is not known: end it (pid ")
	same(t, "commands", len(ran), 0)
	hithertest.Write(t, filepath.Join(root, "/home/u/.config/systemd/user/hither.service"), nil)
	report = a.renew(t.Context(), i)
	same(t, "by a service that does not run", report[0].Result, "left out")
	hithertest.Contains(t, strings.Join(ran, "\n"), "systemctl --user try-restart hither.service")
	same(t, "a file of before", isNewer(word, time.Now().Add(time.Hour)), false)
	ran = nil
	i.Env = environ.List{"HOME=/home/u"}
	same(t, "beside the service, which has another state directory", a.renew(t.Context(), i)[0].Result, "left out")
	same(t, "commands", len(ran), 0)
}

// A Hither that `hither run` has started keeps nothing in force, and ends by itself: to end it would end somebody's command.
func TestTheHitherOfACommandDoesNotBeginAnew(t *testing.T) {
	s := serving(t, has("package"), func(s *settings.Settings) { s.Runner = os.Getpid() })
	root := t.TempDir()
	i := &upkeep.Installation{Settings: settings.Settings{State: s.ready.State}, Machine: &install.Machine{OS: "linux", Root: root}}
	i.Upkeep.DNS = sysdns.Full
	hithertest.Write(t, filepath.Join(root, s.ready.State, upkeep.Name), []byte("{}"))
	same(t, "what is told of it", len((&app{}).renew(t.Context(), i)), 0)
}

// What runs is older than its program if that was replaced, and not if install was called from another one.
func TestAProgramThatWasReplacedIsNoticed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells which program a process runs: elsewhere its version counts")
	}
	cat, err := exec.LookPath("cat")
	must(t, err)
	exe := filepath.Join(t.TempDir(), filepath.Base(cat))
	must(t, exec.Command("cp", cat, exe).Run()) // a file that this process writes may be busy
	c := exec.Command(exe)
	in, err := c.StdinPipe()
	must(t, err)
	must(t, c.Start())
	defer func() { in.Close(); c.Wait() }()
	r := control.Ready{PID: c.Process.Pid, Version: "another"}
	same(t, "as it was started", isReplaced(r), false)
	must(t, exec.Command("cp", cat, exe+".new").Run())
	must(t, os.Rename(exe+".new", exe))
	same(t, "another one in its place", isReplaced(r), true)
}
