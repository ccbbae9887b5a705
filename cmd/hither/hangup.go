package main

import (
	"log/slog"
	"os"
	"os/signal"

	"hither/cmd/hither/logbook"
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
func (a *app) hangup(log *slog.Logger, file *logbook.File) {
	if err := file.Reopen(); err != nil {
		log.Error("the log file could not be opened anew; what follows is in the old one", "error", err)
	}
	log.Warn("SIGHUP: rule files that changed are in force within seconds, with or without it; settings that changed need a restart",
		"settings", a.settings.Config)
}
