//go:build !windows

package terminal

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Size tells the columns and rows of a terminal; ok is false for what is none.
func Size(w io.Writer) (columns, rows int, ok bool) {
	file, ok := Beneath(w).(*os.File)
	if !ok {
		return 0, 0, false
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, false
	}
	return int(size.Col), int(size.Row), true
}

// Is is for any of the three standard files. Not every character device is one: /dev/null is not.
func Is(f *os.File) bool {
	_, _, ok := Size(f)
	return ok
}
