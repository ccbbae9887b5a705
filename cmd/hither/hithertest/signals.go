package hithertest

import (
	"os"
	"os/signal"
	"syscall"
)

// HearSignals takes back what who started us ignores (nohup, a shell's background): children would inherit it, and wait for
// a signal for ever. It is for TestMain.
func HearSignals() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}
