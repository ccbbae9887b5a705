package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/windows/svc"
)

// stopSignals end `hither up`: Ctrl-C, Ctrl-Break, and (as SIGTERM) the closing of the console, the user's logoff and the
// shutdown. A service hears of the logoff of any user, and of the shutdown by its manager.
func stopSignals() []os.Signal {
	if is, err := svc.IsWindowsService(); err == nil && is {
		return []os.Signal{os.Interrupt}
	}
	return []os.Signal{os.Interrupt, syscall.SIGTERM}
}

// hangupSignals are none: a service is told otherwise.
func hangupSignals() []os.Signal { return nil }

// passedSignals are caught, so that Hither outlives its command; the console sends them to both.
func passedSignals() []os.Signal { return []os.Signal{os.Interrupt} }

func fromKeyboard(os.Signal) bool { return true }
