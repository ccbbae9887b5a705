//go:build !race

package quick

import (
	"syscall"
	"unsafe"
)

// untold is read(2) or write(2), by trap, without a word to the scheduler. P is not empty.
func untold(trap, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
