//go:build !windows

package main

import "os/exec"

// newCommand is the command of `hither run`.
func newCommand(args []string) (*exec.Cmd, error) { return exec.Command(args[0], args[1:]...), nil }
