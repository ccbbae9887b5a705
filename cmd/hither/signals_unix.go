//go:build !windows

package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// stopSignals end `hither up`. A signal that we were told to ignore (nohup, a shell's background job) stays ignored. Where
// there is a terminal, SIGHUP says that it is gone.
func stopSignals() []os.Signal {
	if hasTerminal() {
		return notIgnored(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	}
	return notIgnored(syscall.SIGINT, syscall.SIGTERM)
}

// hangupSignals do not end `hither up`: it is a daemon, and nobody sends it SIGHUP but on purpose.
func hangupSignals() []os.Signal {
	if hasTerminal() {
		return nil
	}
	return notIgnored(syscall.SIGHUP)
}

// hasTerminal is asked at the start: when the signal comes, the terminal may be gone. That of a container's first process
// (docker run -t, a service of compose with tty) goes when the container does, and SIGHUP is sent there as to any daemon.
func hasTerminal() bool {
	if os.Getpid() == 1 {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	_ = tty.Close() // nothing was written
	return true
}

// passedSignals go on to the command of `hither run`. What the system sends for its own reasons (SIGCHLD, SIGURG,
// SIGPIPE) and the stops of job control are not among them.
func passedSignals() []os.Signal {
	return notIgnored(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
}

func notIgnored(all ...os.Signal) []os.Signal {
	var out []os.Signal
	for _, sig := range all {
		if !signal.Ignored(sig) {
			out = append(out, sig)
		}
	}
	return out
}

// fromKeyboard tells that the terminal sent sig to our whole process group, so that the command has it already. Twice
// Ctrl-C means "at once" to npm and others.
//
// BUG: a SIGINT that another process sends to us alone, while we are the terminal's foreground job, looks the same and
// is not passed on. Send SIGTERM, or send it to the group.
func fromKeyboard(sig os.Signal) bool {
	if sig != syscall.SIGINT && sig != syscall.SIGQUIT {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	foreground, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && foreground == unix.Getpgrp()
}
