package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"hither/cmd/hither/control"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/upkeep"
	"hither/install"
	"hither/install/service"
	"hither/install/sysdns"

	"github.com/spf13/cobra"
)

// noSettings stands for the loading of the settings before commands that must work when those are damaged.
func noSettings(*cobra.Command, []string) error { return nil }

func (a *app) restoreCommand() *cobra.Command {
	var all, asJSON bool
	c := &cobra.Command{
		Use:   "restore",
		Short: "Put the machine's DNS and proxy settings back, when Hither cannot do it itself",
		Long: "Put back what Hither had changed for as long as it runs: DNS, proxy settings, and tools that have no second way. Only\n" +
			"what is still Hither's is touched. It needs no running Hither and no settings, and may be called at any time and again.\n" +
			"A Hither that runs goes on without them. The next one makes them anew: `hither uninstall` undoes all for good.",
		Args:              arguments(0, 0),
		PersistentPreRunE: noSettings,
		RunE: func(c *cobra.Command, _ []string) error {
			only := install.Volatile
			if all {
				only = nil
			}
			report, err := a.undo(c, only)
			return errors.Join(a.printUndone(report, nil, asJSON), err)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "also what stays while Hither does not run, as uninstall does")
	addJSONFlag(c, &asJSON)
	return c
}

// undo restores from every journal that this user may have written.
func (a *app) undo(c *cobra.Command, only func(install.Record) bool) (report []install.Outcome, err error) {
	machines := a.installed(c)
	for _, m := range machines {
		a.askToLetGo(c.Context(), filepath.Dir(m.Journal.Path()))
	}
	// A Hither that was stopped holds its link still; without one there is nothing to release.
	errs := []error{notThere(sysdns.ReleaseScoped(""))}
	for _, m := range machines {
		undone, err := install.Restore(c.Context(), m, only)
		report, errs = append(report, undone...), append(errs, err)
	}
	if len(machines) == 0 { // nobody knows any more: the state directory was deleted, or its disk was lost
		swept, err := sysdns.Sweep(&install.Machine{UID: -1, GID: -1})
		report, errs = append(report, swept...), append(errs, err)
	}
	return report, errors.Join(errs...)
}

// notThere is nil for what needs no release, or is not ours to release: without rights nobody has made it either.
func notThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// installed returns the machine once for each journal that is there.
func (a *app) installed(c *cobra.Command) []*install.Machine {
	var machines []*install.Machine
	states := a.journalDirs(c)
	for i, state := range states {
		journal := filepath.Join(state, paths.JournalName)
		if _, err := os.Stat(journal); err != nil || slices.Contains(states[:i], state) {
			continue
		}
		machines = append(machines, &install.Machine{UID: -1, GID: -1, Journal: install.OpenJournal(journal)})
	}
	return machines
}

// journalDirs are where `hither install` may have left a journal. Settings are asked for the state directory if they can be
// read at all.
func (a *app) journalDirs(c *cobra.Command) (states []string) {
	m := &install.Machine{UID: -1, GID: -1}
	given, _ := c.Flags().GetString("state")
	if given == "" {
		given = a.env.Get("HITHER_STATE")
	}
	if a.load(c.Flags()) == nil && a.settings.State != "" {
		states = append(states, a.settings.State)
	}
	if home, err := paths.Find(a.env); err == nil && given == "" {
		states = append(states, home.State)
	}
	if given != "" {
		given = filepath.Clean(given)
		states = append(states, given, upkeep.JournalDir(m, given))
	} else if dir := service.State(m); dir != "" && m.Privileged() {
		states = append(states, dir)
	}
	return states
}

// printUndone says what became of each change, and what is left.
func (a *app) printUndone(report []install.Outcome, left []install.Leftover, asJSON bool) error {
	shown := installReport{}
	for _, o := range report {
		s := stepReport{Step: o.Record.Step, Result: o.What}
		if o.Err != nil {
			s.Result, s.Why = "failed", redact.Text(o.Err.Error())
		}
		shown = append(shown, s)
	}
	for _, l := range left {
		shown = append(shown, stepReport{Step: l.Step, Result: "left over", Why: l.What})
	}
	if asJSON {
		return a.printJSON(shown)
	}
	for _, s := range shown {
		fmt.Fprintf(a.out, "  %s: %s", s.Result, s.Step)
		if s.Why != "" {
			fmt.Fprintf(a.out, "; %s", s.Why)
		}
		fmt.Fprintln(a.out)
	}
	if len(shown) == 0 {
		fmt.Fprintln(a.out, "There is nothing to put back.")
	}
	return nil
}

// leftovers looks again at what the journals held.
func leftovers(ctx context.Context, machines []*install.Machine, records [][]install.Record) (left []install.Leftover, err error) {
	var errs []error
	for i, m := range machines {
		found, err := install.Leftovers(ctx, m, records[i])
		left, errs = append(left, found...), append(errs, err)
	}
	return left, errors.Join(errs...)
}

// askToLetGo asks the Hither that runs with a state directory. One that does not answer was stopped, or hangs: then its guard
// puts the machine back, and so does whoever calls this.
func (a *app) askToLetGo(ctx context.Context, state string) {
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	err := control.NewClient(state).LetGo(ctx)
	if err == nil || errors.Is(err, control.ErrNotRunning) || errors.Is(err, fs.ErrPermission) {
		return
	}
	fmt.Fprintln(a.err, "hither:", redact.Text(fmt.Sprintf("the Hither that runs with %s does not let go of this machine (%v): end it, or it may make its changes again", state, err)))
}
