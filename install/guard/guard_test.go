package guard

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/install/stage"
)

// watched is a guard with a daemon in the hands of the test.
type watched struct {
	lease    string
	pipe     *io.PipeWriter
	restored atomic.Int64
	fails    atomic.Int64 // how often restoring is to fail
	ended    chan error
	hurry    chan struct{}
	stop     context.CancelFunc
}

func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{lease: filepath.Join(t.TempDir(), "lease"), ended: make(chan error, 1), hurry: make(chan struct{})}
	w.hold(t, "me")
	read, write := io.Pipe()
	w.pipe = write
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	g := Guard{Lease: w.lease, Holder: "me", In: read, Out: io.Discard, Hurry: w.hurry, Restore: func(context.Context) error {
		w.restored.Add(1)
		if w.fails.Add(-1) >= 0 {
			return errors.New("the disk is full")
		}
		return nil
	}}
	go func() { w.ended <- g.Run(ctx) }()
	t.Cleanup(func() { stop(); write.Close() })
	return w
}

func (w *watched) hold(t *testing.T, holder string) {
	t.Helper()
	if err := holdLease(t.Context(), w.lease, func(string) (string, error) { return holder, nil }); err != nil {
		t.Fatal(err)
	}
}

func (w *watched) beats(n int) {
	for range n {
		w.pipe.Write([]byte{beat})
		time.Sleep(beatEvery)
	}
}

func TestAGuardRestoresWhenTheLeaseLapses(t *testing.T) {
	for _, row := range []struct {
		name     string
		do       func(t *testing.T, w *watched)
		within   time.Duration // it must have ended by then; 0: it goes on
		restored int64
		failed   bool
	}{
		{"the daemon lives", func(_ *testing.T, w *watched) { w.beats(60) }, 0, 0, false},
		{"it says goodbye", func(_ *testing.T, w *watched) { w.beats(3); w.pipe.Write([]byte{goodbye}) }, time.Second, 0, false},
		{"it dies", func(_ *testing.T, w *watched) { w.beats(3); w.pipe.Close() }, 3 * time.Second, 1, false},
		{"it dies at once", func(_ *testing.T, w *watched) { w.pipe.Close() }, 3 * time.Second, 1, false},
		{"it dies, and somebody orders the guard to end", func(_ *testing.T, w *watched) { w.pipe.Close(); close(w.hurry) }, 100 * time.Millisecond, 1, false},
		{"it is stopped", func(_ *testing.T, w *watched) { w.beats(3) }, 4 * time.Second, 1, false},
		{"it is late, and comes", func(_ *testing.T, w *watched) { w.beats(1); time.Sleep(1900 * time.Millisecond); w.beats(5) }, 0, 0, false},
		{"another one takes over in time", func(t *testing.T, w *watched) { w.pipe.Close(); time.Sleep(time.Second); w.hold(t, "you") }, 2 * time.Second, 0, false},
		{"another one takes over from a stopped one", func(t *testing.T, w *watched) { w.hold(t, "you") }, 4 * time.Second, 0, false},
		{"restoring fails at first", func(_ *testing.T, w *watched) { w.fails.Store(3); w.pipe.Close() }, 7 * time.Second, 4, false},
		{"restoring fails for ever", func(_ *testing.T, w *watched) { w.fails.Store(1e6); w.pipe.Close() }, 2 * time.Minute, 60, true},
		{"the guard is ordered to leave all as it is", func(_ *testing.T, w *watched) { w.stop(); w.pipe.Close() }, time.Second, 0, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t)
				row.do(t, w)
				time.Sleep(row.within)
				synctest.Wait()
				var err error
				ended := true
				select {
				case err = <-w.ended:
				default:
					ended = false
				}
				if ended != (row.within > 0) || (err != nil) != row.failed || w.restored.Load() != row.restored {
					t.Errorf("got  ended %v (%v), restored %d\nwant ended %v, failed %v, restored %d",
						ended, err, w.restored.Load(), row.within > 0, row.failed, row.restored)
				}
				if holder, _ := readLease(w.lease); row.restored > 0 && !row.failed && holder != "" {
					t.Errorf("who holds the lease afterwards\ngot  %q\nwant nobody", holder)
				}
				w.stop()
				w.pipe.Close()
				synctest.Wait()
			})
		})
	}
}

func TestASleepIsNoStall(t *testing.T) {
	p := pulse{heard: time.Unix(0, 0), looked: time.Unix(0, 0)}
	now := time.Unix(0, 0)
	for _, row := range []struct {
		pass    time.Duration
		stalled bool
	}{
		{guardPace, false}, {time.Hour, false}, {guardPace, false}, {900 * time.Millisecond, false}, {900 * time.Millisecond, false},
		{900 * time.Millisecond, false}, {guardPace, true}, // 3.2 s since it woke
	} {
		now = now.Add(row.pass)
		if got := p.stalled(now); got != row.stalled {
			t.Errorf("at %s\ngot  stalled %v\nwant %v", now.Sub(time.Unix(0, 0)), got, row.stalled)
		}
	}
}

func TestATornLeaseIsNobodys(t *testing.T) {
	for _, text := range []string{"", "{", `{"holder":`, "null", "[]", `{"holder":3}`, "\x00\x00\x00"} {
		path := filepath.Join(t.TempDir(), "lease")
		stage.MustWrite(t, path, text)
		if holder, err := readLease(path); holder != "" || err != nil {
			t.Errorf("%q\ngot  %q, %v\nwant nobody", text, holder, err)
		}
		if err := holdLease(t.Context(), path, func(was string) (string, error) { return was + "me", nil }); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if holder, _ := readLease(path); holder != "me" {
			t.Errorf("%q, taken\ngot  %q\nwant me", text, holder)
		}
	}
}

func TestALeaseIsHeldByOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lease")
	inside, leave := make(chan struct{}), make(chan struct{})
	go holdLease(t.Context(), path, func(string) (string, error) { close(inside); <-leave; return "first", nil })
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := holdLease(ctx, path, func(string) (string, error) { t.Error("held by two"); return "second", nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got  %v\nwant a deadline", err)
	}
	close(leave)
	if err := holdLease(t.Context(), path, func(was string) (string, error) { return was + ", second", nil }); err != nil {
		t.Fatal(err)
	}
	if got, _ := readLease(path); got != "first, second" {
		t.Errorf("got  %q\nwant first, second", got)
	}
}

func TestALeaseWithoutAGuardIsNotTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lease")
	for _, guard := range [][]string{nil, {"/nowhere/hither", "guard"}, {"/bin/false"}, {"/bin/echo"}} {
		l := &Lease{File: path, Guard: guard}
		if err := l.Take(t.Context()); err == nil {
			t.Errorf("%v\ngot  a lease\nwant an error", guard)
			l.Close()
		}
		if holder, _ := readLease(path); holder != "" {
			t.Errorf("%v\ngot  held by %q\nwant nobody", guard, holder)
		}
	}
	if err := (&Lease{}).Close(); err != nil {
		t.Errorf("closing one that was never taken\ngot  %v\nwant nil", err)
	}
}

// TestAPartThatCannotBeGivenBackIsMadeAgainWithTheRest when the daemon wakes up: the lease has lapsed in either case.
func TestAPartThatCannotBeGivenBackIsMadeAgainWithTheRest(t *testing.T) {
	lease := filepath.Join(t.TempDir(), "lease")
	stage.Check(t, holdLease(t.Context(), lease, func(string) (string, error) { return "daemon", nil }))
	ctx, cancel := context.WithCancel(t.Context())
	g := Guard{
		Lease: lease, Holder: "daemon", In: strings.NewReader(""), Out: &strings.Builder{}, Hurry: closed(),
		Restore: func(context.Context) error { cancel(); return errors.New("one is immutable") },
	}
	if err := g.Run(ctx); err == nil || !strings.Contains(err.Error(), "hither restore") {
		t.Errorf("got %v", err)
	}
	holder, err := readLease(lease)
	stage.Check(t, err)
	stage.Same(t, "holder", holder, "")
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// TestALeaseThatIsALinkIsNotHeld: root would write where it leads.
func TestALeaseThatIsALinkIsNotHeld(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root acts for others: run this test as root")
	}
	dir := t.TempDir()
	lease := filepath.Join(dir, "lease")
	stage.MustWrite(t, filepath.Join(dir, "f"), "x\nhither\n")
	stage.Check(t, os.Symlink(filepath.Join(dir, "f"), lease))
	if err := holdLease(t.Context(), lease, func(string) (string, error) { return "we", nil }); err == nil {
		t.Error("a lease that is a link: got no error")
	}
	text, err := os.ReadFile(filepath.Join(dir, "f"))
	stage.Check(t, err)
	stage.Same(t, "file", string(text), "x\nhither\n")
}
