package terminal

import (
	"io"
	"os"

	"golang.org/x/sys/windows"
)

// Size tells the columns and rows of a console that understands escape sequences; ok is false for what is none.
func Size(w io.Writer) (columns, rows int, ok bool) {
	file, ok := Beneath(w).(*os.File)
	if !ok {
		return 0, 0, false
	}
	console := windows.Handle(file.Fd())
	var mode uint32
	if windows.GetConsoleMode(console, &mode) != nil || windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) != nil {
		return 0, 0, false
	}
	var info windows.ConsoleScreenBufferInfo
	if windows.GetConsoleScreenBufferInfo(console, &info) != nil {
		return 0, 0, false
	}
	return int(info.Window.Right-info.Window.Left) + 1, int(info.Window.Bottom-info.Window.Top) + 1, true
}

// Is is for any of the three standard files.
func Is(f *os.File) bool {
	var mode uint32
	return windows.GetConsoleMode(windows.Handle(f.Fd()), &mode) == nil
}
