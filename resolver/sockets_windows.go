package resolver

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

const hostsPath = `C:\Windows\System32\drivers\etc\hosts`

// taken knows Windows's own numbers too; a port in one of its reserved ranges is as good as taken.
func taken(err error) bool {
	return errors.Is(err, windows.WSAEADDRINUSE) || errors.Is(err, windows.WSAEACCES) || errors.Is(err, syscall.EADDRINUSE)
}
