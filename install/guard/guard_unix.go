//go:build !windows

package guard

import "syscall"

// apart gives a process a session of its own: neither the terminal's signals nor its end reach it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
