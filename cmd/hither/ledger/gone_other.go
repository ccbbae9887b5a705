//go:build !windows

package ledger

import "syscall"

// What is said of a connection whose other end has closed it.
const (
	broken = syscall.EPIPE
	reset  = syscall.ECONNRESET
)
