//go:build !windows

package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hither/cmd/hither/child"
	"hither/cmd/hither/control"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/port"
	"hither/cmd/hither/settings"
)

func TestRunHasTheStatusOfItsCommand(t *testing.T) {
	w := newWorld(t)
	notRunnable := filepath.Join(w.home, "data")
	write(t, notRunnable, []byte("x"))
	for _, row := range []struct {
		says string
		args []string
		want int
	}{
		{"success", []string{"run", "--", "true"}, 0},
		{"the command's own", []string{"run", "--", "sh", "-c", "exit 7"}, 7},
		{"killed by a signal", []string{"run", "--", "sh", "-c", "kill -9 $$"}, 128 + 9},
		{"no such command", []string{"run", "--", "no-such-command"}, exitNoCommand},
		{"no name at all", []string{"run", "--", ""}, exitNoCommand},
		{"no such file", []string{"run", "--", "/no/such/file"}, exitNoCommand},
		{"not to be run", []string{"run", "--", notRunnable}, exitCannotRun},
		{"flags behind the dashes are the command's", []string{"run", "--", "sh", "-c", `test "$1 $2" = "--state -v"`, "x", "--state", "-v"}, 0},
		{"without dashes too", []string{"run", "sh", "-c", `test "$1" = "--json"`, "x", "--json"}, 0},
		{"a Hither that does not start", []string{"run", "--listen", "127.0.0.1:99999", "--", "true"}, exitHither},
	} {
		if got := w.hither(row.args...); got != row.want {
			t.Errorf("%s\n got %d (%s)\nwant %d", row.says, got, w.err.String(), row.want)
		}
		if said := w.err.String(); strings.Count(said, "\n") > 1 {
			t.Errorf("%s\n got %s\nwant one line", row.says, said)
		}
	}
}

func TestRunGoesThroughAHitherOfItsOwn(t *testing.T) {
	w := newWorld(t)
	same(t, "status", w.hither("run", "--listen", "127.0.0.1:0", "--", "sh", "-c", `curl -s http://example.invalid/; echo "|$SSL_CERT_FILE|$NODE_EXTRA_CA_CERTS"`), 0)
	said := strings.Split(strings.TrimSpace(w.out.String()), "|")
	same(t, "parts", len(said), 3)
	same(t, "answer", said[0], "through hither")
	same(t, "roots", rootNames(t, said[1]), "System Root, Hither Root")
	same(t, "beside Node's own", rootNames(t, said[2]), "Hither Root")
	same(t, "started", w.fake.starts.Load(), 1)
	same(t, "nothing is left", w.hither("status"), exitNotRunning)
}

func TestRunUsesTheHitherThatIsUp(t *testing.T) {
	w := newWorld(t)
	ready, _ := w.up()
	same(t, "status", w.hither("run", "--", "sh", "-c", "echo $HTTPS_PROXY"), 0)
	same(t, "proxy", strings.TrimSpace(w.out.String()), "http://"+ready.Proxy[0])
	same(t, "started", w.fake.starts.Load(), 1)
	same(t, "still up", w.hither("status"), 0)
}

// TestRunTakesAnotherPortIfTheUsualOneIsTaken uses the real port 7890, which somebody may have already. Who lets it go in the
// middle has shown nothing.
func TestRunTakesAnotherPortIfTheUsualOneIsTaken(t *testing.T) {
	w := newWorld(t)
	const usual = "http://" + settings.DefaultListen
	for ours := false; !ours; {
		l, err := port.Listen(t.Context(), []string{settings.DefaultListen}, nil)
		if ours = err == nil; ours {
			server := &http.Server{Handler: http.NotFoundHandler()}
			go server.Serve(l[0])
			t.Cleanup(func() { _ = server.Close() })
		}
		run := w.hither("run", "--", "sh", "-c", "echo $HTTPS_PROXY")
		address := strings.TrimSpace(w.out.String())
		asked := w.hither("run", "--listen", settings.DefaultListen, "--", "true")
		if !ours && (address == usual || asked == 0) {
			continue
		}
		same(t, "run", run, 0)
		if address == usual || !strings.HasPrefix(address, "http://127.0.0.1:") {
			t.Errorf("\n got %s\nwant another port of 127.0.0.1", address)
		}
		same(t, "a port that was asked for", asked, exitHither)
		contains(t, w.err.String(), "is taken by", "--listen 127.0.0.1:7891")
		return
	}
}

// TestAHitherOfOneCommandWaitsForTheOthers guards two commands at once: the second uses the Hither of the first, and
// must not lose it when the first ends.
func TestAHitherOfOneCommandWaitsForTheOthers(t *testing.T) {
	w := newWorld(t)
	first := w.program("run", "--listen", "127.0.0.1:0", "--", "sh", "-c", "echo begun; read x; exit 3")
	first.waitFor("begun")
	second := w.program("run", "--", "sh", "-c", "echo begun; read x; curl -s http://example.invalid/; exit 4")
	second.waitFor("begun")
	first.stdin.Close()
	first.waitForError("another `hither run` uses this Hither")
	second.stdin.Close()
	second.waitFor("through hither")
	same(t, "second", second.status(), 4)
	same(t, "first", first.status(), 3)
}

func TestSignalsReachTheCommand(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1} {
		t.Run(sig.String(), func(t *testing.T) {
			w := newWorld(t)
			p := w.program("run", "--listen", "127.0.0.1:0", "--", "sh", "-c", "trap 'echo caught; exit 9' INT TERM HUP USR1; echo begun; while :; do sleep 0.05; done")
			p.waitFor("begun")
			if err := p.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			p.waitFor("caught")
			same(t, "status", p.status(), 9)
		})
	}
}

func TestASignalThatEndsTheCommandIsTold(t *testing.T) {
	w := newWorld(t)
	p := w.program("run", "--listen", "127.0.0.1:0", "--", "sh", "-c", "echo begun; exec sleep 60")
	p.waitFor("begun")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	same(t, "status", p.status(), 128+15)
}

func TestUpEndsWithASignal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			w := newWorld(t)
			p := w.program("up", "--listen", "127.0.0.1:0")
			p.waitFor("Hither is up on 127.0.0.1:")
			p.waitFor("One command:  hither run -- npm ci")
			p.waitFor("This shell:   ")
			p.waitFor("Go alone:     ")
			if err := p.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			same(t, "status", p.status(), 0)
			if _, err := os.Stat(filepath.Join(w.state(), paths.ReadyName)); err == nil {
				t.Error("hither.json was left")
			}
		})
	}
}

// Without a terminal SIGHUP is what daemons and logrotate know it for.
func TestADaemonOutlivesAHangup(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.home, "log")
	p := w.program("up", "--listen", "127.0.0.1:0", "--log", "info,"+file)
	p.waitFor("One command:")
	for range 2 {
		if err := os.Rename(file, file+".1"); err != nil {
			t.Fatal(err)
		}
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); ; {
			if text, _ := os.ReadFile(file); strings.Contains(string(text), "SIGHUP: ") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the log was not opened anew")
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	same(t, "still up", w.hither("status"), 0)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	same(t, "status", p.status(), 0)
}

func TestASecondSignalEndsUpAtOnce(t *testing.T) {
	w := newWorld(t)
	w.env = append(w.env, "BE_DEAF=1")
	p := w.program("up", "--log", "info")
	p.waitFor("One command:")
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	p.waitForError("stopping")
	ended := make(chan int)
	go func() { ended <- p.status() }()
	for {
		select {
		case status := <-ended:
			same(t, "status", status, 128+2)
			return
		case <-time.After(10 * time.Millisecond): // its handler goes a moment after the word
			_ = p.Process.Signal(syscall.SIGINT)
		}
	}
}

func TestUpTwiceNamesTheFirst(t *testing.T) {
	w := newWorld(t)
	w.up()
	same(t, "up", w.hither("up", "--listen", "127.0.0.1:0"), exitFailed)
	contains(t, w.err.String(), "Hither already runs as process")
}

// program is this test binary as the real program.
type program struct {
	*exec.Cmd
	t      *testing.T
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *bufio.Reader
}

func (w *world) program(args ...string) *program {
	w.t.Helper()
	return w.programAt(nil, args...)
}

// programAt gives it a terminal; nil: it has none, whoever runs the tests.
func (w *world) programAt(tty *os.File, args ...string) *program {
	w.t.Helper()
	return w.programWith(&syscall.SysProcAttr{Setsid: true}, tty, args...)
}

func (w *world) programWith(how *syscall.SysProcAttr, tty *os.File, args ...string) *program {
	w.t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(slices.Clone(w.env), "BE_HITHER=1")
	c.SysProcAttr = how
	if tty != nil {
		c.ExtraFiles = []*os.File{tty} // descriptor 3 there
		c.SysProcAttr.Setctty, c.SysProcAttr.Ctty = true, 3
	}
	p := &program{Cmd: c, t: w.t}
	out, err := c.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	errs, err := c.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if p.stdin, err = c.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	p.stdout, p.stderr = bufio.NewReader(out), bufio.NewReader(errs)
	if err := c.Start(); errors.Is(err, syscall.EPERM) {
		w.t.Skip("that may not be made here:", err)
	} else if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if c.ProcessState == nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	return p
}

func (p *program) waitFor(text string) { p.t.Helper(); p.read(p.stdout, text) }

func (p *program) waitForError(text string) { p.t.Helper(); p.read(p.stderr, text) }

// read returns at the text, which need not end its line; at the program's end it fails.
func (p *program) read(from *bufio.Reader, text string) {
	p.t.Helper()
	var line []byte
	for !bytes.Contains(line, []byte(text)) {
		b, err := from.ReadByte()
		if err != nil {
			rest, _ := io.ReadAll(p.stderr)
			p.t.Fatalf("ended without %q; it said\n%s\n%s", text, line, rest)
		}
		line = append(line, b)
	}
}

// status waits for the end, as a shell would tell it.
func (p *program) status() int {
	go io.Copy(io.Discard, p.stdout)
	_, _ = io.Copy(io.Discard, p.stderr)
	_ = p.Wait()
	return child.Status(p.ProcessState)
}

// TestProjectsAreReadOnlyIfTheUserAllowsIt has real clients, whose processes the system is asked for.
func TestProjectsAreReadOnlyIfTheUserAllowsIt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the system need not tell")
	}
	w := newWorld(t)
	ask := func(proxy string) string {
		c := exec.Command("curl", "-s", "-x", proxy, "http://example.invalid/where")
		c.Dir = w.home
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	ready, stop := w.up()
	same(t, "nobody allowed it", ask(ready.Proxy[0]), "you work in -")
	run := w.program("run", "--", "sh", "-c", "curl -s http://example.invalid/where; read x; exit 3")
	here, _ := os.Getwd()
	run.waitFor("you work in " + here + " with curl.")
	same(t, "somebody else beside it", ask(ready.Proxy[0]), "you work in -")
	run.stdin.Close()
	same(t, "run", run.status(), 3)
	stop()
	own := w.program("run", "--listen", "127.0.0.1:0", "--", "sh", "-c", "curl -s http://example.invalid/where; echo; echo $http_proxy; read x")
	own.waitFor("you work in " + here + " with curl.\n")
	line, _ := own.stdout.ReadString('\n')
	same(t, "somebody else at the Hither of a run", ask(strings.TrimSpace(line)), "you work in -")
	own.stdin.Close()
	own.status()
	all := w.program("up", "--listen", "127.0.0.1:0", "--read-projects")
	all.waitFor("One command")
	there, err := control.NewClient(w.state()).Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "with the switch", ask(there.Proxy[0]), "you work in "+w.home+" with curl.")
}
