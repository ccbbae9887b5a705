// Package installtest is a machine for the tests of those who stand above install: a Machine on a stage.
//
//	w := installtest.NewWorld(t, "linux", map[string]string{"/home/u/.npmrc": ""})
//	installtest.InForce(t, step, true)
package installtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hither/install"
	"hither/install/stage"
)

// World is a machine in a directory, whose commands are played.
type World struct {
	*install.Machine
	*stage.Stage
}

// NewWorld makes one in the home of u, with these files (stage.Stage.Write) and a journal, for as long as the test lasts.
func NewWorld(t testing.TB, system string, files map[string]string) *World {
	t.Helper()
	dir := t.TempDir()
	m := &install.Machine{
		OS: system, Root: filepath.Join(dir, "root"), Home: "/home/u", UID: -1, GID: -1,
		Env:     func(string) string { return "" },
		Journal: install.OpenJournal(filepath.Join(dir, "state", "journal")),
	}
	w := &World{Machine: m, Stage: stage.New(t, dir, m.Path)}
	m.Run = w.Perform
	for path, text := range files {
		w.Write(path, text)
	}
	return w
}

// InForce fails unless Done says so without an error.
func InForce(t *testing.T, step install.Step, want bool) {
	t.Helper()
	done, err := step.Done(t.Context())
	stage.Check(t, err)
	stage.Same(t, step.String()+" is in force", done, want)
}

// Promise is what every editor of text keeps, whatever it is given, which stays as it is: it fails with a sentence (ok is false),
// or what it writes is in force, so that to do it again changes nothing.
func Promise(t *testing.T, old []byte, edit func([]byte) ([]byte, error)) (now []byte, ok bool) {
	t.Helper()
	given := bytes.Clone(old)
	now, err := edit(old)
	if !bytes.Equal(given, old) {
		t.Fatalf("it wrote into what it was given: %q", old)
	}
	if err != nil {
		var refused *install.Refused
		if len(err.Error()) < 20 && !errors.As(err, &refused) {
			t.Errorf("%q is no sentence", err)
		}
		return nil, false
	}
	again, err := edit(bytes.Clone(now))
	if err != nil || !bytes.Equal(again, now) {
		t.Errorf("it is not in force once it is done (%v)\nbefore %q\nonce   %q\ntwice  %q", err, old, now, again)
	}
	return now, true
}

// Really runs a program of this machine as the user of the world. Paths below /etc are those of the world. Where there is no such
// program, the test is skipped.
func Really(t testing.TB, w *World, argv []string) string {
	t.Helper()
	program, err := exec.LookPath(argv[0])
	if err != nil {
		t.Skipf("there is no %s here", argv[0])
	}
	argv = slices.Clone(argv[1:])
	for i := range argv {
		if strings.HasPrefix(argv[i], "/etc/") {
			argv[i] = w.Path(argv[i])
		}
	}
	cmd := exec.CommandContext(t.Context(), program, argv...)
	cmd.Dir, cmd.Env = t.TempDir(), []string{
		"HOME=" + w.Path(w.Home), "PATH=" + os.Getenv("PATH"), "npm_config_cache=" + t.TempDir(), "GOTOOLCHAIN=local", "PIP_DISABLE_PIP_VERSION_CHECK=1",
		"GOCACHE=" + t.TempDir(),
	}
	if filepath.Base(filepath.Dir(program)) == "shims" { // pyenv looks for itself below HOME
		cmd.Env = append(cmd.Env, "PYENV_ROOT="+filepath.Dir(filepath.Dir(program)))
	}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "unknown flag: --validate") {
		t.Skip("this dockerd is older than 23.0, which cannot check its settings")
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}
