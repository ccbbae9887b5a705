package main

import (
	"io"
	"log/slog"
	"os"
	"os/signal"
)

// hearHangups listens for the signal by which users of daemons, and logrotate, have files read again; see hangupSignals.
// The channel is nil, and so never ready, where that signal means something else.
func hearHangups() (hangups <-chan os.Signal, stop func()) {
	signals := hangupSignals()
	if len(signals) == 0 {
		return nil, func() {} // Notify without signals would be for all
	}
	heard := make(chan os.Signal, 1) // one more while we look is no news
	signal.Notify(heard, signals...)
	return heard, func() { signal.Stop(heard) }
}

// hangup does what is left to do: rule files are read whenever they change, see rulebook.
func (a *app) hangup(log *slog.Logger, file io.Closer) {
	if f, ok := file.(*logFile); ok {
		if err := f.reopen(); err != nil {
			log.Error("the log file could not be opened anew; what follows is in the old one", "error", err)
		}
	}
	log.Warn("SIGHUP: rule files that changed are in force within seconds, with or without it; settings that changed need a restart",
		"settings", a.settings.Config)
}

// reopen opens the file by its name, under which there may be none any more. If it cannot, the one that is open stays.
func (f *logFile) reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.file
	if err := f.open(); err != nil {
		return err
	}
	if old != nil {
		old.Close()
	}
	return nil
}
