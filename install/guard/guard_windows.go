package guard

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// apart gives a process no console, and keeps Ctrl-C from it.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
}
