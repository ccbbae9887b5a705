package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hither/cache"
	"hither/cmd/hither/control"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/private"
	"hither/cmd/hither/settings"
)

func TestTheControlSocketIsForTheUserAlone(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	ready, _ := w.up()
	for path, want := range map[string]fs.FileMode{w.state(): 0o700, ready.Control: 0o600, filepath.Join(w.state(), paths.ReadyName): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		same(t, path, info.Mode().Perm(), want)
	}
}

func TestALongStateDirectoryHasItsSocketElsewhere(t *testing.T) {
	skipElsewhere(t)
	runtime, err := os.MkdirTemp("/tmp", "hither-test-") //nolint:usetesting // t.TempDir is too long itself
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtime) })
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	long := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	c, err := control.Open(long)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	same(t, "directory", filepath.Dir(c.Path), runtime)
	conn, err := control.Dial(t.Context(), long)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := os.Chmod(runtime, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Dial(t.Context(), long); err == nil || !strings.Contains(err.Error(), "not a directory of yours alone") {
		t.Errorf("a directory that others may enter\n got %v\nwant a refusal", err)
	}
}

// On a full disk whoever is led to Hither still needs it. What stands in the way here lets nothing be written, either.
func TestHitherRunsWhereItCannotSayWhereItIs(t *testing.T) {
	w := newWorld(t)
	if err := private.MakeDir(w.state()); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(w.state(), paths.ReadyName, "x"), nil)
	w.up()
	same(t, "status", w.hither("status"), 0)
}

// brokenHither has a bug.
type brokenHither struct{ fakeHither }

func (*brokenHither) Usage(context.Context) (cache.Usage, error) { panic("no usage") }

// What net/http prints by itself is thrown away, and with it went what it tells of bugs.
func TestABugBehindTheControlSocketIsLogged(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	c, err := control.Open(state)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var said journal
	c.Log = slog.New(slog.NewTextHandler(&said, nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Serve(ctx, &brokenHither{}, control.Ready{}, func(control.Ready) {}) }()
	if _, err := control.NewClient(state).Usage(ctx); err == nil {
		t.Error("got an answer, want none")
	}
	cancel()
	same(t, "end", <-ended, nil)
	contains(t, said.String(), "level=ERROR", "no usage")
}

func TestOneStateDirectoryHasOneHither(t *testing.T) {
	w := newWorld(t)
	ready, stop := w.up()
	_, err := control.Open(w.state())
	var other *control.RunningError
	if !errors.As(err, &other) {
		t.Fatalf("\n got %v\nwant a runningError", err)
	}
	same(t, "pid", other.PID, ready.PID)
	contains(t, err.Error(), "already runs as process", w.state(), "--state")
	stop()
	c, err := control.Open(w.state())
	if err != nil {
		t.Fatal("after the first has ended:", err)
	}
	same(t, "closed", c.Close(), nil)
	same(t, "closed again", c.Close(), nil)
}

// TestASocketLeftByAKilledHitherIsReplaced guards the start after kill -9.
func TestASocketLeftByAKilledHitherIsReplaced(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	if err := os.MkdirAll(w.state(), 0o700); err != nil {
		t.Fatal(err)
	}
	left, err := net.Listen("unix", filepath.Join(w.state(), paths.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	same(t, "before", w.hither("status"), exitNotRunning)
	w.up()
	same(t, "after", w.hither("status"), 0)
}

func TestTheReadyFileGoesWithHither(t *testing.T) {
	w := newWorld(t)
	_, stop := w.up()
	if _, err := control.NewClient(w.state()).Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err := os.Stat(filepath.Join(w.state(), paths.ReadyName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("\n got %v\nwant no file", err)
	}
}

func TestRefusalsAreSentencesWithoutSecrets(t *testing.T) {
	w := newWorld(t)
	w.up()
	_, err := control.NewClient(w.state()).Why(t.Context(), "https://broken.example/")
	if err == nil {
		t.Fatal("no error")
	}
	same(t, "error", err.Error(), "the store cannot be read; see https://…@host/?token=…")
	if _, err := control.NewClient(w.state()).Remove(t.Context(), "https://x"); err != nil {
		t.Fatal(err)
	}
	same(t, "removed", w.fake.removed.Load().(string), "https://x false")
}

func TestALeaseEndsWithEitherSide(t *testing.T) {
	w := newWorld(t)
	_, stop := w.up()
	c := control.NewClient(w.state())
	_, gone, giveBack, err := c.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
		t.Fatal("gone while both live")
	default:
	}
	drained := make(chan error, 1)
	go func() { drained <- c.Drain(context.Background()) }()
	giveBack()
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := c.Lease(t.Context()); !errors.Is(err, control.ErrEnding) {
		t.Errorf("a lease after the last\n got %v\nwant %v", err, control.ErrEnding)
	}
	stop()
	if _, _, _, err := c.Lease(t.Context()); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("a lease after the end\n got %v\nwant %v", err, control.ErrNotRunning)
	}
}

// There is nothing to be ended there, and nothing that could be started.
func TestAStateThatIsNoDirectoryIsCalledSo(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	same(t, "exit status", w.hither("status", "--state", os.DevNull), exitNotRunning)
	contains(t, w.err.String(), "/dev/null, which is no directory: name another with --state")
}

func TestALeaseTellsWhenHitherEnds(t *testing.T) {
	w := newWorld(t)
	_, stop := w.up()
	_, gone, giveBack, err := control.NewClient(w.state()).Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer giveBack()
	stop()
	<-gone
}

func TestNobodyRunsIsTold(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{{"status"}, {"why", "example.com"}, {"cache", "du"}, {"env"}} {
		same(t, strings.Join(args, " "), w.hither(args...), exitNotRunning)
		contains(t, w.err.String(), "Hither does not run", "hither up", "hither run --")
	}
}

// One that says nothing is asked once more for what is wanted of it, and that is waited for: to find it must not take as long again.
func TestWhichHitherIsMeantIsKnownSoon(t *testing.T) {
	skipElsewhere(t)
	if os.Geteuid() != 0 {
		t.Skip("root alone may mean that of the machine")
	}
	state := t.TempDir()
	socket, err := control.Take(t.Context(), state, time.Second) // and nobody serves it
	must(t, err)
	defer socket.Close()
	begun := time.Now()
	(&app{settings: settings.Settings{State: state, From: map[string]string{"state": "default"}}}).daemon(t.Context())
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("who is meant was known after %v, want 3 s", took)
	}
}
