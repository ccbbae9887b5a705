package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"hither/cmd/hither/control"
	"hither/cmd/hither/upkeep"
	"hither/install/service"
)

// renew has a Hither that runs begin anew with what `hither install` has changed under it: what it keeps in force, how it is
// started, its program. Where there is nothing to do, the report is empty.
func (a *app) renew(ctx context.Context, i *upkeep.Installation) installReport {
	client := control.NewClient(i.Settings.State)
	before, err := client.Ready(ctx)
	if err != nil {
		return nil // none runs, or one that hangs, of which status and doctor speak
	}
	s := service.Find(i.Machine, !i.Machine.Privileged())
	changed := i.Upkeep.Any() || i.Former.Any()
	files := []string{filepath.Join(i.Settings.State, upkeep.Name)}
	if s != nil {
		files = append(files, s.Files...)
	}
	changed = changed && slices.ContainsFunc(files, func(file string) bool { return isNewer(i.Machine.Path(file), before.Since) })
	if !changed && (s == nil || !isExchanged(before, i.Exe)) {
		return nil
	}
	done := stepReport{Step: fmt.Sprintf("have the Hither that runs (pid %d) begin anew, with what is so now", before.PID), Result: "done"}
	if s != nil {
		if _, err = i.Machine.Command(ctx, s.Renew()...); err == nil && begunSince(ctx, client, before) {
			return installReport{done}
		}
	}
	if !changed {
		return nil // it is no service that runs here, and whoever has started it chose the program
	}
	done.Result, done.Why = "left out", fmt.Sprintf("what has started it is not known: end it (pid %d), and start it again", before.PID)
	if err != nil {
		done.Why = err.Error() + "; start it again by hand"
	}
	return installReport{done}
}

// isNewer says that a file was written after that.
func isNewer(file string, since time.Time) bool {
	info, err := os.Stat(file)
	return err == nil && info.ModTime().After(since)
}

// isExchanged says that the program of a running Hither is no longer the one that services start.
func isExchanged(r control.Ready, exe string) bool {
	running, err := os.Stat(filepath.Join("/proc", strconv.Itoa(r.PID), "exe"))
	there, err2 := os.Stat(exe)
	if errors.Join(err, err2) != nil { // not Linux
		return r.Version != version()
	}
	return !os.SameFile(running, there)
}

// begunSince waits for another one.
func begunSince(ctx context.Context, client *control.Client, before control.Ready) bool {
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	for ctx.Err() == nil {
		if now, err := client.Ready(ctx); err == nil && !now.Since.Equal(before.Since) {
			return true
		} else if err == nil && now.PID == before.PID {
			return false // what was told has been done by now
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false
}
