package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	ready, _ := w.up()
	exe, err := ownProgram()
	must(t, err)
	root := t.TempDir()
	var ran []string
	i := &upkeep.Installation{Settings: settings.Settings{State: w.state()}, Exe: exe, Machine: &install.Machine{
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
	same(t, "the program", isExchanged(ready, exe), false)
	i.Exe = word
	same(t, "another program", isExchanged(ready, i.Exe), true)
	same(t, "a file of before", isNewer(word, time.Now().Add(time.Hour)), false)
}
