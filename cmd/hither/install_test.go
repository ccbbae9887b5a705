package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hither/cmd/hither/control"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/upkeep"
	"hither/install"

	"github.com/spf13/cobra"
)

// changedMachine is a machine of which two files were changed: one for good, one for as long as Hither runs.
type changedMachine struct {
	t              *testing.T
	app            *app
	out            bytes.Buffer
	dir            string
	lasting, brief string
	machine        *install.Machine
}

func newChangedMachine(t *testing.T) *changedMachine {
	t.Helper()
	dir := t.TempDir()
	c := &changedMachine{t: t, dir: dir, lasting: filepath.Join(dir, "lasting"), brief: filepath.Join(dir, "brief")}
	config := filepath.Join(dir, "config.toml")
	state := filepath.Join(dir, "state")
	lay(t, config, "this is = = no TOML")
	c.app = &app{in: strings.NewReader(""), out: &c.out, err: &c.out, dir: dir, env: environ.List{
		"HOME=" + dir, "HITHER_STATE=" + state, "HITHER_CONFIG=" + config, "PATH=" + os.Getenv("PATH"),
	}}
	c.machine = &install.Machine{UID: -1, GID: -1, Journal: install.OpenJournal(filepath.Join(state, paths.JournalName))}
	for _, path := range []string{c.lasting, c.brief} {
		lay(t, path, "theirs\n")
		must(t, install.Apply(t.Context(), install.Edit{
			On: c.machine, Name: "change " + path, Path: path, Volatile: path == c.brief,
			Change: func([]byte, bool) ([]byte, error) { return []byte("theirs\nours, and nobody else's\n"), nil },
		}))
	}
	return c
}

// The guard may be killed with its Hither, or fail, and the program be removed and put back later.
func TestStatusTellsWhatNobodyHasPutBack(t *testing.T) {
	c := newChangedMachine(t)
	lay(t, filepath.Join(c.dir, "config.toml"), "")
	err := c.call(c.app.status())
	if !errors.Is(err, control.ErrNotRunning) || !strings.Contains(fmt.Sprint(err), "not put back (change "+c.brief+"): do that with `hither restore`") {
		t.Errorf("before\n got %v\nwant what is to be put back, and how", err)
	}
	must(t, c.call(c.app.restoreCommand()))
	if err := c.call(c.app.status()); !errors.Is(err, control.ErrNotRunning) || strings.Contains(err.Error(), "put back") {
		t.Errorf("after\n got %v\nwant that none runs, and no more", err)
	}
}

func lay(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	hithertest.Must(t, err)
}

// call runs one command as main does.
func (c *changedMachine) call(command *cobra.Command, args ...string) error {
	root := c.app.root()
	root.AddCommand(command)
	root.SetArgs(append([]string{command.Name()}, args...))
	root.SetOut(&c.out)
	root.SetErr(&c.out)
	c.out.Reset()
	return root.ExecuteContext(c.t.Context())
}

func (c *changedMachine) text(path string) string {
	text, err := os.ReadFile(path)
	must(c.t, err)
	return string(text)
}

// A damaged configuration must not keep anybody from his network.
func TestRestoreNeedsNoSettings(t *testing.T) {
	c := newChangedMachine(t)
	must(t, c.call(c.app.restoreCommand()))
	same(t, "brief", c.text(c.brief), "theirs\n")
	same(t, "lasting", c.text(c.lasting), "theirs\nours, and nobody else's\n")
	contains(t, c.out.String(), "put back: change "+c.brief)
	must(t, c.call(c.app.restoreCommand(), "--all", "--json"))
	same(t, "lasting", c.text(c.lasting), "theirs\n")
	var report installReport
	must(t, json.Unmarshal(c.out.Bytes(), &report))
	same(t, "report", report[0].Result, "put back")
	must(t, c.call(c.app.restoreCommand()))
	contains(t, c.out.String(), "nothing to put back")
}

// TestUninstallLooksWhereInstallWrote is for root's changes for the Hither of another user, which do not stand in that one's
// journal.
func TestUninstallLooksWhereInstallWrote(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has changes of two users' Hithers")
	}
	c := newChangedMachine(t)
	state := filepath.Dir(c.machine.Journal.Path())
	must(t, os.Chown(state, 1000, 1000))
	got := c.app.journalDirs(&cobra.Command{})
	if journal := upkeep.JournalDir(c.machine, state); journal == state || !slices.Contains(got, journal) || !slices.Contains(got, state) {
		t.Errorf("got  %q\nwant %s and %s", got, state, journal)
	}
}

func TestUninstallProvesThatNothingIsLeft(t *testing.T) {
	c := newChangedMachine(t)
	lay(t, c.lasting, "theirs\nours, and nobody else's\nsomebody's\n")
	must(t, c.call(c.app.uninstall()))
	same(t, "brief", c.text(c.brief), "theirs\n")
	same(t, "lasting", c.text(c.lasting), "theirs\nsomebody's\n")
	if _, err := os.Stat(c.machine.Journal.Path()); err == nil {
		t.Error("the journal is still there")
	}
}

func TestUninstallNamesWhatIsLeft(t *testing.T) {
	c := newChangedMachine(t)
	// Somebody keeps a second copy of our line: only one was ours to take.
	lay(t, c.brief, "theirs\nours, and nobody else's\nours, and nobody else's\n")
	err := c.call(c.app.uninstall())
	if err == nil || exitStatus(err) != exitFailed {
		t.Errorf("got %v, want exit status %d", err, exitFailed)
	}
	contains(t, c.out.String(), "left over: change "+c.brief, "put back: change "+c.lasting)
}

func TestInstallShowsItsStepsAndAsks(t *testing.T) {
	c := newChangedMachine(t)
	lay(t, filepath.Join(c.dir, "config.toml"), "")
	before := c.text(c.lasting)
	must(t, c.call(c.app.installCommand(), "--dry-run", "--trust", "--dns", "full", "--proxy", "--tools", "go,go"))
	contains(t, c.out.String(), "while Hither runs: have the machine ask Hither for every name", "to do: send the go command", upkeep.Name)
	same(t, "lasting", c.text(c.lasting), before)
	same(t, "shown once", strings.Count(c.out.String(), "send the go command"), 1)
	err := c.call(c.app.installCommand(), "--tools", "go")
	same(t, "status without a terminal", exitStatus(err), exitUsage)
	err = c.call(c.app.installCommand(), "--dns", "all")
	same(t, "status of a wrong mode", exitStatus(err), exitUsage)
	err = c.call(c.app.installCommand(), "--tools", "go,make")
	same(t, "status of a wrong tool", exitStatus(err), exitUsage)
	err = c.call(c.app.installCommand(), "--proxy", "shell")
	same(t, "status of a place after a blank", exitStatus(err), exitUsage)
	contains(t, err.Error(), "--proxy=shell")
	for _, row := range [][2]string{{"desktop,shel", `"shel" is none of desktop, shell, environment`}, {"shell", "is for every user"}} {
		if os.Geteuid() == 0 && row[0] == "shell" {
			continue
		}
		err = c.call(c.app.installCommand(), "--dry-run", "--trust", "--proxy="+row[0])
		same(t, "status of --proxy="+row[0], exitStatus(err), exitUsage)
		contains(t, err.Error(), row[1])
	}
	must(t, c.call(c.app.installCommand(), "--status"))
	contains(t, c.out.String(), "done: change "+c.brief+", while Hither runs")
}

func TestInstallAndUninstallLeaveNothing(t *testing.T) {
	c := newChangedMachine(t)
	lay(t, filepath.Join(c.dir, "config.toml"), "")
	must(t, c.call(c.app.uninstall()))
	must(t, c.call(c.app.installCommand(), "--yes", "--tools", "go,npm"))
	u, err := upkeep.Read(filepath.Join(c.dir, "state"))
	must(t, err)
	same(t, "tools", strings.Join(u.Tools, ","), "go,npm")
	goenv := filepath.Join(c.dir, ".config", "go", "env")
	contains(t, c.text(goenv), "GOPROXY=http://127.0.0.1:7890/go")
	must(t, c.call(c.app.uninstall()))
	for _, path := range []string{goenv, filepath.Join(c.dir, ".config"), filepath.Join(c.dir, "state", upkeep.Name)} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: got %v, want it gone", path, err)
		}
	}
}

// Nothing is changed by a look: there is no state directory afterwards, and no root that somebody else might read.
func TestADryRunChangesNothing(t *testing.T) {
	c := newChangedMachine(t)
	lay(t, filepath.Join(c.dir, "config.toml"), "")
	c.app.env = append(c.app.env, "HITHER_STATE="+filepath.Join(c.dir, "none"))
	must(t, c.call(c.app.installCommand(), "--dry-run", "--trust", "--tools", "go"))
	contains(t, c.out.String(), "to do: trust the root certificate", "to do: send the go command")
	_, err := os.Lstat(filepath.Join(c.dir, "none"))
	same(t, "no state directory", errors.Is(err, os.ErrNotExist), true)
}

// dockerd reads its mirrors only when it is told, which is the user's to do; and why a step is left out is not hidden by that.
func TestAStepIsShownWithWhatIsToBeDoneAfterIt(t *testing.T) {
	note := install.Noted{Step: planned{}, Note: "tell dockerd"}
	refused := install.Noted{Step: upkeep.Misplaced{State: "/a", Usual: "/b", From: "--state"}, Note: "tell dockerd"}
	report := stateOf(t.Context(), upkeep.Steps{Now: []install.Step{install.Optional{Step: note}, note, install.Optional{Step: refused}}})
	same(t, "optional", report[0].Why, "tell dockerd")
	same(t, "not optional", report[1].Why, "tell dockerd")
	contains(t, report[2].Why, "not in /a")
	done := (&app{err: io.Discard}).do(t.Context(), []install.Step{install.Refusal("lead names", install.Refuse("nothing can"))})
	same(t, "refused when it is done", done[0].Result+": "+done[0].Why, "left out: nothing can")
}

// planned is a step that is to be done.
type planned struct{ upkeep.Misplaced }

func (planned) Done(context.Context) (bool, error) { return false, nil }

func TestTheStepsAreShownBeforeTheyAreDone(t *testing.T) {
	c := newChangedMachine(t)
	lay(t, filepath.Join(c.dir, "config.toml"), "")
	must(t, c.call(c.app.installCommand(), "--yes", "--tools", "go"))
	toDo, done, _ := strings.Cut(c.out.String(), "  done: ")
	contains(t, toDo, "to do: send the go command", upkeep.Name)
	contains(t, done, "  done: send the go command")
}

// Programs that are led to a certificate which they do not trust are broken by it.
func TestInstallLeadsNobodyToWhatIsNotTrusted(t *testing.T) {
	c := newChangedMachine(t)
	lay(t, filepath.Join(c.dir, "config.toml"), "")
	for _, args := range [][]string{{"--dns", "scoped"}, {"--dns", "full"}, {"--proxy"}} {
		err := c.call(c.app.installCommand(), append([]string{"--yes"}, args...)...)
		same(t, "status of "+args[0]+" without --trust", exitStatus(err), exitUsage)
		contains(t, err.Error(), "give --trust too")
	}
	_, err := os.Stat(filepath.Join(c.dir, "state", upkeep.Name))
	same(t, "upkeep after a refusal is missing", errors.Is(err, os.ErrNotExist), true)
}

// Whoever adds something later keeps what he chose before.
func TestInstallKeepsWhatWasChosenBefore(t *testing.T) {
	c := newChangedMachine(t)
	lay(t, filepath.Join(c.dir, "config.toml"), "")
	for _, row := range []struct{ arg, want string }{{"--tools=npm", "npm"}, {"--proxy=false", "npm"}, {"--tools=none", ""}} {
		must(t, c.call(c.app.installCommand(), "--yes", row.arg))
		u, err := upkeep.Read(filepath.Join(c.dir, "state"))
		must(t, err)
		same(t, "tools after "+row.arg, strings.Join(u.Tools, ","), row.want)
	}
}

// The service of a user is started without --state, so what was installed for another Hither would never be in force. It reads the
// user's own configuration.
func TestTheServiceOfAUserHasTheUsualState(t *testing.T) {
	skipElsewhere(t)
	dir := t.TempDir()
	i := &upkeep.Installation{Machine: &install.Machine{OS: "linux", Root: dir, UID: -1, GID: -1}, Env: environ.List{"HOME=/home/u"}, Exe: "/usr/bin/hither"}
	for _, row := range []struct {
		state, from string
		refused     bool
	}{
		{"/home/u/.local/state/hither", "default", false},
		{"/other", "--state", true},
		{"/other", "/home/u/other.toml:1", true},
		{"/other", "/home/u/.config/hither/config.toml:1", false},
	} {
		i.Settings.State, i.Settings.From = row.state, map[string]string{"state": row.from}
		step := i.Service()[0]
		_, err := step.Done(t.Context())
		why := "the service keeps its state in /home/u/.local/state/hither, not in /other as " + row.from + " says: leave that out"
		same(t, row.from+": is refused", err != nil && strings.Contains(err.Error(), why), row.refused)
		if row.refused {
			same(t, row.from+": step", step.String(), "have Hither started for this user")
		}
	}
}

// Whose key it is can vouch for the registries, so it must be root's or that of the user for whom this is done.
func TestInstallTrustsNobodyElsesRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files are given away by root alone")
	}
	skipElsewhere(t)
	c := newChangedMachine(t)
	lay(t, filepath.Join(c.dir, "config.toml"), "")
	state := filepath.Join(c.dir, "state")
	must(t, os.Chown(state, 65534, 65534))
	err := c.call(c.app.installCommand(), "--dry-run", "--trust")
	same(t, "status", exitStatus(err), exitUsage)
	contains(t, err.Error(), "belongs to nobody", "--user nobody")
	must(t, c.call(c.app.installCommand(), "--dry-run", "--tools", "go"))
	must(t, c.call(c.app.installCommand(), "--dry-run", "--trust", "--user", "nobody"))
}

// Node has roots of its own: npm would refuse what it is led to.
func TestTheUsualInstallationTellsNpmOfTheRoot(t *testing.T) {
	skipElsewhere(t)
	c := newChangedMachine(t)
	lay(t, filepath.Join(c.dir, "config.toml"), "")
	lay(t, filepath.Join(c.dir, "npm"), "#!/bin/sh\n")
	must(t, os.Chmod(filepath.Join(c.dir, "npm"), 0o700))
	t.Setenv("PATH", c.dir+":"+os.Getenv("PATH"))
	must(t, c.call(c.app.installCommand(), "--dry-run"))
	contains(t, c.out.String(), "while Hither runs: send npm through Hither")
	lay(t, filepath.Join(c.dir, "state", upkeep.Name), `{"tools": ["pip"], "home": "`+c.dir+`"}`)
	must(t, c.call(c.app.installCommand(), "--dry-run"))
	contains(t, c.out.String(), "send pip through Hither", "send npm through Hither")
	must(t, c.call(c.app.installCommand(), "--dry-run", "--trust", "--dns", "scoped", "--tools", "none"))
	same(t, "npm where no tool is chosen", strings.Contains(c.out.String(), "send npm"), false)
}

func TestAStepThatFailsIsNamedOnce(t *testing.T) {
	report := (&app{err: io.Discard}).do(t.Context(), []install.Step{install.Refusal("do it", errors.New("there is no room"))})
	same(t, "why", report[0].Why, "there is no room")
}
