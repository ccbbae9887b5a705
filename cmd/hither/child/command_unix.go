//go:build !windows

package child

import (
	"os"
	"os/exec"
	"syscall"
)

// Command is what runs a program, whose name comes first, with its arguments.
func Command(args []string) (*exec.Cmd, error) { return exec.Command(args[0], args[1:]...), nil }

// Status is the shell's: the command's own, or 128 and the signal.
func Status(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
