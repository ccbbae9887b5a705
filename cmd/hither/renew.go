package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"hither/cmd/hither/control"
	"hither/cmd/hither/upkeep"
)

// renew has a Hither that runs begin anew with what `hither install` has changed under it: what it keeps in force, how it is
// started, its program. Where there is nothing to do, the report is empty.
func (a *app) renew(ctx context.Context, i *upkeep.Installation) installReport {
	client := control.NewClient(i.Settings.State)
	before, err := client.Ready(ctx)
	if err != nil || before.Run {
		return nil // none runs, or one that hangs, of which status and doctor speak, or one that keeps nothing in force
	}
	newer := func(file string) bool { return isNewer(i.Machine.Path(file), before.Since) }
	changed := (i.Upkeep.Any() || i.Former.Any()) && newer(filepath.Join(i.Settings.State, upkeep.Name))
	s := i.Serving()
	if !changed && (s == nil || !slices.ContainsFunc(s.Files, newer) && !isReplaced(before)) {
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

// isReplaced says that where a running Hither was started from another program is now.
func isReplaced(r control.Ready) bool {
	exe := filepath.Join("/proc", strconv.Itoa(r.PID), "exe")
	path, err := os.Readlink(exe)
	running, err2 := os.Stat(exe)
	there, err3 := os.Stat(strings.TrimSuffix(path, " (deleted)"))
	if errors.Join(err, err2, err3) != nil { // not Linux
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
