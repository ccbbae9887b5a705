package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"hither/cmd/hither/logbook"
	"hither/cmd/hither/terminal"
	"hither/install"
	"hither/install/guard"
	"hither/install/sysdns"
)

// guardMemory is the guard's soft limit in bytes. It lives as long as the daemon and does nothing.
const guardMemory = 24 << 20

// guardFlags say what a guard watches, and what it undoes.
type guardFlags struct {
	lease, holder, journal, link string
}

// guardCommand is the command line of a guard for Lease.Guard. link is the link of HoldScoped; empty: there is none.
func guardCommand(program, journal, lease, link string) []string {
	argv := []string{program, "guard", "--journal", journal, "--lease", lease}
	if link != "" {
		argv = append(argv, "--link", link)
	}
	return argv
}

// guard is the process that a daemon starts beside itself; people have no use for it. It reads no settings, which may be
// damaged by then.
func (a *app) guard() *cobra.Command {
	var f guardFlags
	c := &cobra.Command{
		Use:               "guard --lease FILE --holder ID --journal FILE [--link NAME]",
		Short:             "Undo what Hither did to this machine if the Hither that started this dies",
		Hidden:            true,
		Args:              arguments(0, 0),
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil }, // instead of loading the settings
		RunE:              func(c *cobra.Command, _ []string) error { return a.keepGuard(c.Context(), f) },
	}
	c.Flags().StringVar(&f.lease, "lease", "", "file that says who holds the lease")
	c.Flags().StringVar(&f.holder, "holder", "", "who is watched")
	c.Flags().StringVar(&f.journal, "journal", "", "journal of the changes")
	c.Flags().StringVar(&f.link, "link", "", "link that leads names to Hither")
	return c
}

func (a *app) keepGuard(ctx context.Context, f guardFlags) error {
	if f.lease == "" || f.holder == "" || f.journal == "" {
		return &exitError{Status: exitUsage, Err: errors.New("guard is started by Hither itself: use `hither restore` to undo what it did")}
	}
	debug.SetMemoryLimit(guardMemory)
	debug.SetGCPercent(10)
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP) // the terminal's are for the daemon
	said := logbook.NewLate(a.err)
	defer said.Close()
	log := logbook.New(said, slog.LevelInfo, logbook.IsJournal(a.err)).With("process", "guard")
	g := guard.Guard{
		Lease: f.lease, Holder: f.holder, In: a.in, Out: terminal.Beneath(a.out), Log: log, Hurry: hurry(),
		Restore: func(ctx context.Context) error { return giveBack(ctx, f, log) },
	}
	return g.Run(ctx)
}

// giveBack undoes what must not outlive a daemon, the link first: that takes a millisecond.
func giveBack(ctx context.Context, f guardFlags, log *slog.Logger) error {
	var faults []error
	if f.link != "" {
		faults = append(faults, sysdns.ReleaseScoped(f.link))
	}
	m := &install.Machine{UID: -1, GID: -1, Journal: install.OpenJournal(f.journal)}
	report, err := install.Restore(ctx, m, install.Volatile)
	for _, o := range report {
		log.InfoContext(ctx, o.What, "change", o.Record.Step, "reason", o.Err)
	}
	return errors.Join(append(faults, err)...)
}

// hurry is closed at SIGTERM: systemd sends it to all processes of a unit whose daemon is gone, and starts no new one
// before they are gone too.
func hurry() <-chan struct{} {
	ordered := make(chan os.Signal, 1)
	signal.Notify(ordered, syscall.SIGTERM)
	now := make(chan struct{})
	go func() {
		<-ordered
		close(now)
	}()
	return now
}

// ownProgram is the path of this program, as services need it.
func ownProgram() (string, error) {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return "", fmt.Errorf("find the path of this program on %s: %w; call it by its whole path", runtime.GOOS, err)
	}
	return exe, nil
}
