package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
