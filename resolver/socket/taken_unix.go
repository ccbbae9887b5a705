//go:build !windows

package socket

import (
	"errors"
	"syscall"
)

// Taken says whether [Listen] failed because another program has the port.
func Taken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
