//go:build !windows

package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// terminalSize tells the columns and rows of a terminal; ok is false for what is none.
func terminalSize(w io.Writer) (columns, rows int, ok bool) {
	file, ok := beneath(w).(*os.File)
	if !ok {
		return 0, 0, false
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, false
	}
	return int(size.Col), int(size.Row), true
}

// isTerminal is for any of the three standard files. Not every character device is one: /dev/null is not.
func isTerminal(f *os.File) bool {
	_, _, ok := terminalSize(f)
	return ok
}
