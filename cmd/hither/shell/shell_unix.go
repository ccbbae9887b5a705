//go:build !windows

package shell

import (
	"fmt"
	"os"
)

// System is assumed where nothing is known.
const System = posix

// Parent names the process that called us, where the system has /proc; else it is empty.
func Parent() string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", os.Getppid()))
	return string(name)
}
