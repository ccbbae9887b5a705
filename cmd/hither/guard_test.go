package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/cmd/hither/led"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/upkeep"
	"hither/install/guard"
)

func TestTheGuardsCommandLineIsItsOwn(t *testing.T) {
	argv := guardCommand("/usr/bin/hither", "/state/journal", "/state/lease", "hither0")
	c, rest, err := (&app{}).guard().Find(append(argv[2:], "--holder", "x"))
	same(t, "find", err, nil)
	same(t, "parse", c.ParseFlags(rest), nil)
	for flag, want := range map[string]string{"journal": "/state/journal", "lease": "/state/lease", "link": "hither0", "holder": "x"} {
		got, _ := c.Flags().GetString(flag)
		same(t, flag, got, want)
	}
	same(t, "people need not see it", c.Hidden, true)
}

func TestAGuardStartedByHandSaysWhatToDo(t *testing.T) {
	var said strings.Builder
	a := &app{in: strings.NewReader(""), out: io.Discard, err: &said}
	err := a.keepGuard(t.Context(), guardFlags{})
	same(t, "status", exitStatus(err), exitUsage)
	contains(t, err.Error(), "hither restore")
}

// Without our program nobody puts the machine back after a power cut; a program that is being replaced is missed for a moment.
func TestAProgramThatIsRemovedIsMissedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exe := filepath.Join(t.TempDir(), "hither")
		lease := &guard.Lease{Guard: guardCommand(exe, "j", "l", "")}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pace, removed := make(chan time.Time), make(chan bool, 1)
		look := func() {
			pace <- time.Time{}
			synctest.Wait()
		}
		go func() { removed <- isRemoved(ctx, lease, pace) }()
		look()
		lay(t, exe, "")
		look()
		must(t, os.Remove(exe))
		look()
		same(t, "verdicts while it was missed once", len(removed), 0)
		look()
		same(t, "removed", <-removed, true)
		go func() { removed <- isRemoved(ctx, lease, pace) }()
		cancel()
		same(t, "after the end", <-removed, false)
	})
}

// A Hither that was asked to let go, or whose program was removed, lives on, and so its guard leaves all as it is.
func TestWhatCannotBePutBackIsToldAndTriedAgain(t *testing.T) {
	for _, c := range []struct {
		what           string
		ended, removed bool
		told           string
		again          bool
	}{
		{"it was asked to let go", false, false, "; call `", false},
		{"it ends", true, false, "; the guard goes on trying for a minute, and then call `", false},
		{"its program was removed", false, true, "; trying again now and then; if that is in vain, put the program back and call `", true},
		{"and it ends", true, true, "; the guard goes on trying", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			state := t.TempDir()
			journal := filepath.Join(state, paths.JournalName)
			must(t, os.Mkdir(journal, 0o700)) // nobody can read that
			k := &keeper{settings: settings.Settings{State: state}, way: &led.Way{}, removed: c.removed, log: slog.New(slog.DiscardHandler)}
			whole, end := context.WithCancel(t.Context())
			defer end()
			if c.ended {
				end()
			}
			released := make(chan error, 1)
			go func() {
				released <- k.release(whole, upkeep.NewHeld(upkeep.Upkeep{UID: -1, GID: -1}, k.settings, nil, nil, nil, k.log))
			}()
			synctest.Wait()
			contains(t, k.way.Trouble(), "could not be put back as it was (", c.told, "hither restore")
			same(t, c.what+": it tries again", len(released) == 0, c.again)
			must(t, os.Remove(journal))
			same(t, c.what+": an error", <-released != nil, !c.again)
		})
	}
}
