package main

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

// TestTheClosingOfTheConsoleIsHeard has Windows call our handler, as it does when the window is closed. Without one that
// would end the process at once, with the machine's settings as Hither had made them.
func TestTheClosingOfTheConsoleIsHeard(t *testing.T) {
	const closed = 2 // CTRL_CLOSE_EVENT
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, stopSignals()...)
	defer signal.Stop(heard)
	routine := windows.NewLazySystemDLL("kernelbase.dll").NewProc("CtrlRoutine")
	if err := routine.Find(); err != nil {
		t.Skip(err)
	}
	go func() { _, _, _ = routine.Call(closed) }() // it stays there: Windows ends the process when it returns
	select {
	case sig := <-heard:
		same(t, "signal", sig, os.Signal(syscall.SIGTERM))
	case <-time.After(5 * time.Second):
		t.Error("nothing was heard")
	}
}
