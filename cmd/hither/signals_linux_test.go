package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"hither/cmd/hither/terminal"

	"golang.org/x/sys/unix"
)

// `hither install </dev/null` asked a question that nobody could answer.
func TestTheNullDeviceIsNoTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	_, tty := newTerminal(t)
	same(t, "the null device", terminal.Is(null), false)
	same(t, "a terminal", terminal.Is(tty), true)
}

// `hither install --json | program` asked its question of the program, and waited.
func TestInstallAsksBesideItsAnswer(t *testing.T) {
	c := newChangedMachine(t)
	lay(t, filepath.Join(c.dir, "config.toml"), "")
	window, tty := newTerminal(t)
	if _, err := window.WriteString("n\n"); err != nil {
		t.Fatal(err)
	}
	var asked bytes.Buffer
	c.app.in, c.app.err = tty, &asked
	err := c.call(c.app.installCommand(), "--tools", "go", "--json")
	same(t, "no", fmt.Sprint(err), "nothing was changed")
	contains(t, asked.String(), "to do: send the go command", "Go ahead?")
	same(t, "answer", c.out.String(), "")
	_, err = os.Lstat(filepath.Join(c.dir, "state", "ca.pem"))
	same(t, "no root", errors.Is(err, os.ErrNotExist), true)
}

// Whoever closes the window means what runs in it, too.
func TestUpEndsWithItsTerminal(t *testing.T) {
	w := newWorld(t)
	window, tty := newTerminal(t)
	p := w.programAt(tty, "up", "--listen", "127.0.0.1:0")
	p.waitFor("One command:")
	if err := window.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, "status", p.status(), 0)
}

// A service in a container may have a terminal. Nobody's window is closed when somebody sends it SIGHUP.
func TestAContainersFirstProcessOutlivesAHangup(t *testing.T) {
	w := newWorld(t)
	_, tty := newTerminal(t)
	p := w.programWith(&syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID}, tty, "up", "--listen", "127.0.0.1:0", "--log", "info")
	p.waitFor("One command:")
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.waitForError("SIGHUP: ")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	same(t, "status", p.status(), 0)
}

// newTerminal makes a pair: what is a terminal to a program, and what shows it.
func newTerminal(t *testing.T) (window, tty *os.File) {
	t.Helper()
	window, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals here:", err)
	}
	t.Cleanup(func() { _ = window.Close() })
	number := 0
	control, err := window.SyscallConn()
	if err == nil {
		err = control.Control(func(fd uintptr) {
			if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
				number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
			}
		})
	}
	if err != nil {
		t.Skip("there are no terminals here:", err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals here:", err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return window, tty
}
