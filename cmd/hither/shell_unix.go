//go:build !windows

package main

import (
	"fmt"
	"os"
)

// systemShell is assumed where nothing is known.
const systemShell = posix

// parentShell names the process that called us, where the system has /proc; else it is empty.
func parentShell() string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", os.Getppid()))
	return string(name)
}
