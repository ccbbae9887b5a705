package ledger

import "golang.org/x/sys/windows"

// What is said of a connection whose other end has closed it. syscall.EPIPE and ECONNRESET are numbers that Windows never says.
const (
	broken = windows.WSAECONNABORTED
	reset  = windows.WSAECONNRESET
)
