package socket

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// Taken says whether [Listen] failed because another program has the port; one in a range that Windows reserves is as good as taken.
// Windows has numbers of its own for that.
func Taken(err error) bool {
	return errors.Is(err, windows.WSAEADDRINUSE) || errors.Is(err, windows.WSAEACCES) || errors.Is(err, syscall.EADDRINUSE)
}
