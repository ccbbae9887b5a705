package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/rulebook"
	"hither/cmd/hither/terminal"
	"hither/cmd/hither/upkeep"
	"hither/forward/authority"
	"hither/install"
	"hither/install/sysproxy"
	"hither/install/tools"

	"github.com/spf13/cobra"
)

// installFlags are those of `hither install`.
type installFlags struct {
	wanted               upkeep.Wanted
	tools, proxy         string
	dry, yes, status, js bool
}

func (a *app) installCommand() *cobra.Command {
	var f installFlags
	c := &cobra.Command{
		Use:   "install",
		Short: "Change this machine so that its tools go through Hither, in ways that can all be undone",
		Long: "Change this machine so that its tools go through Hither. Without a choice: trust the root certificate, lead the names of\n" +
			"the registries to Hither (--dns scoped), tell it to npm and Yarn, which do not read the system's roots, if they are here, and\n" +
			"start Hither as a service. The steps are shown first.\n\n" +
			"Each step is written down with what was before, and undone by `hither uninstall`, byte by byte. What only makes\n" +
			"sense while Hither runs (DNS, proxy settings) is done by Hither when it begins and undone when it ends, also by\n" +
			"`kill -9`; `hither restore` does it by hand.",
		Example: "  sudo hither install\n  sudo hither install --trust --tools go,npm --dry-run\n" +
			"  sudo hither install --trust --proxy=shell --service\n  hither install --status",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 && c.Flags().Changed("proxy") {
				return usageError(c, fmt.Errorf("%q is one argument too many: places of the proxy are written as --proxy=%s", args[0], args[0]))
			}
			return arguments(0, 0)(c, args)
		},
		RunE: func(c *cobra.Command, _ []string) error {
			i, err := a.newInstallation(c, f)
			if err != nil {
				return err
			}
			if f.status {
				return a.showInstalled(c.Context(), i, f.js)
			}
			return a.install(c.Context(), i, f)
		},
	}
	flags := c.Flags()
	flags.BoolVar(&f.wanted.Trust, "trust", false, "make the machine trust Hither's root certificate, which may vouch for the registries alone")
	flags.StringVar(&f.wanted.DNS, "dns", "off", "scoped: the registries' names are asked of Hither; full: all names; off")
	flags.StringVar(&f.proxy, "proxy", "none", "where programs are told to go through the proxy, with commas: desktop, which --proxy alone means; shell: new shells; environment: new sessions")
	flags.Lookup("proxy").NoOptDefVal = string(sysproxy.Desktop)
	flags.BoolVar(&f.wanted.Service, "service", false, "have Hither started at boot, and now; without root: at your login")
	flags.StringVar(&f.tools, "tools", "none", "tools to be told of Hither, with commas: "+strings.Join(tools.Names(), ", ")+"; found: all that are here")
	flags.StringVar(&f.wanted.User, "user", "", "whose tools and desktop; empty: yours, also through sudo")
	flags.BoolVar(&f.dry, "dry-run", false, "only show the steps")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&f.status, "status", false, "only show which steps are in force")
	addJSONFlag(c, &f.js)
	_ = c.RegisterFlagCompletionFunc("dns", cobra.FixedCompletions([]string{"scoped", "full", "off"}, cobra.ShellCompDirectiveNoFileComp)) // fails only for an unknown flag
	return c
}

// newInstallation finds out what the machine is and what is wanted.
func (a *app) newInstallation(c *cobra.Command, f installFlags) (*upkeep.Installation, error) {
	i := &upkeep.Installation{Wanted: f.wanted, Settings: a.settings, Env: a.before, Log: slog.New(slog.DiscardHandler)}
	if !slices.Contains([]string{"scoped", "full", "off"}, f.wanted.DNS) {
		return nil, usageError(c, fmt.Errorf("--dns %q is none of scoped, full, off", f.wanted.DNS))
	}
	if err := i.Upkeep.FindUser(a.before, f.wanted.User); err != nil {
		return nil, err
	}
	i.Machine = i.Upkeep.Machine("", a.before)
	i.Settings.State = upkeep.ServiceState(i.Machine, a.settings)
	former, unread := upkeep.Read(i.Settings.State)
	noFormer := unread != nil || upkeep.Foreign(i.Settings.State) != "" // what cannot be read is written anew
	if !noFormer {
		i.Former = former
		i.Upkeep.KeepUser(former, c.Flags().Changed)
	}
	i.Machine = i.Upkeep.Machine(upkeep.JournalDir(i.Machine, i.Settings.State), a.before)
	chosen := slices.ContainsFunc([]string{"trust", "dns", "proxy", "service", "tools"}, c.Flags().Changed)
	if !chosen {
		i.Wanted = upkeep.Usual()
	}
	var err error
	if i.Wanted.Tools, err = upkeep.ParseTools(i.Machine, f.tools); err != nil {
		return nil, err
	}
	if !chosen {
		i.Wanted.Tools = upkeep.OwnRoots(i.Machine)
	}
	if i.Wanted.Proxy, err = upkeep.ParsePlaces(i.Machine, f.proxy); err != nil {
		return nil, err
	}
	if !noFormer {
		i.KeepFormer(former, c.Flags().Changed)
	}
	book, err := rulebook.Open(i.Settings, i.Log)
	if err != nil {
		return nil, err
	}
	i.Rules = book.Now()
	i.Exe, err = ownProgram()
	return i, err
}

// install shows the steps, asks, and does them.
func (a *app) install(ctx context.Context, i *upkeep.Installation, f installFlags) error {
	plan, err := i.Plan(ctx, authority.Preview)
	switch {
	case err != nil:
		return err
	case f.dry:
		if f.js {
			return a.printJSON(stateOf(ctx, plan))
		}
		showSteps(a.out, stateOf(ctx, plan))
		return nil
	case f.yes:
		showSteps(a.err, stateOf(ctx, plan))
	default:
		if err := a.confirm(ctx, plan); err != nil {
			return err
		}
	}
	if plan, err = i.Plan(ctx, upkeep.OpenRoot); err != nil {
		return err
	}
	report := a.do(ctx, plan.Now)
	if !slices.ContainsFunc(report, func(s stepReport) bool { return s.Result == "failed" }) {
		more := a.renew(ctx, i)
		showSteps(a.err, more)
		report = append(report, more...)
	}
	if f.js {
		if err := a.printJSON(report); err != nil {
			return err
		}
	}
	return report.err()
}

// stepReport is what became of one step.
type stepReport struct {
	Step   string `json:"step"`
	Result string `json:"result"` // "done", "was done", "failed", "left out", "taken back", "to do", "while Hither runs"
	Why    string `json:"why,omitempty"`
}

type installReport []stepReport

// err is nil if all was done.
func (r installReport) err() error {
	failed := 0
	for _, s := range r {
		if s.Result == "failed" || s.Result == "left out" {
			failed++
		}
	}
	switch {
	case failed == 0:
		return nil
	case slices.ContainsFunc(r, func(s stepReport) bool { return s.Result == "failed" }):
		return errors.New("the machine is as it was before: see the step that failed, then call this again")
	}
	return fmt.Errorf("%s left out; the others are done: see why, and call this again, or leave that as it is", amount.Count(int64(failed), "step"))
}

// do does the steps. One that is not optional and fails takes those of this call back.
func (a *app) do(ctx context.Context, steps []install.Step) installReport {
	var report installReport
	var done []install.Step
	say := func(step install.Step, result string, err error) {
		s := stepReport{Step: step.String(), Result: result}
		if err != nil {
			s.Why = redact.Text(err.Error())
		}
		report = append(report, s)
		showSteps(a.err, installReport{s})
	}
	for _, step := range steps {
		before, err := step.Done(ctx)
		if err == nil && before {
			say(step, "was done", nil)
			continue
		}
		err = install.Apply(ctx, step)
		_, optional := step.(install.Optional)
		var refused *install.Refused
		if failed := (*install.Failed)(nil); errors.As(err, &failed) {
			err = failed.Why // the report names the step
		}
		switch {
		case err == nil:
			done = append(done, step)
			say(step, "done", nil)
			continue
		case errors.As(err, &refused), optional:
			say(step, "left out", err)
			continue
		}
		say(step, "failed", err)
		for _, step := range slices.Backward(done) {
			say(step, "taken back", step.Undo(context.WithoutCancel(ctx)))
		}
		return report
	}
	return report
}

// confirm asks on a terminal; elsewhere --yes must have been given. Standard output is for the answer alone: a program may read it.
func (a *app) confirm(ctx context.Context, plan upkeep.Steps) error {
	in, ok := a.in.(*os.File)
	if !ok || !terminal.Is(in) {
		return &exitError{Status: exitUsage, Err: errors.New("nobody can be asked here: see the steps with --dry-run, then give --yes")}
	}
	showSteps(a.err, stateOf(ctx, plan))
	fmt.Fprint(a.err, "\nGo ahead? [y/N] ")
	answer, _ := bufio.NewReader(in).ReadString('\n') // no answer is no
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

// stateOf tells how the steps stand.
func stateOf(ctx context.Context, plan upkeep.Steps) installReport {
	var report installReport
	for _, step := range plan.Now {
		s := stepReport{Step: step.String(), Result: "to do"}
		done, err := step.Done(ctx)
		var refused *install.Refused
		switch {
		case errors.As(err, &refused):
			s.Result, s.Why = "left out", refused.Why
		case err != nil:
			s.Why = redact.Text(err.Error())
		case done:
			s.Result = "was done"
		}
		s.Why = cmp.Or(s.Why, noteOf(step))
		report = append(report, s)
	}
	for _, held := range plan.Held {
		report = append(report, stepReport{Step: held, Result: "while Hither runs"})
	}
	return report
}

// noteOf is what the user should know of a step; empty: nothing.
func noteOf(step install.Step) string {
	if optional, ok := step.(install.Optional); ok {
		step = optional.Step
	}
	noted, _ := step.(install.Noted)
	return noted.Note
}

func showSteps(w io.Writer, report installReport) {
	for _, s := range report {
		fmt.Fprintln(w, strings.TrimSuffix("  "+s.Result+": "+s.Step+"; "+s.Why, "; "))
	}
}

// showInstalled lists what the journal holds.
func (a *app) showInstalled(_ context.Context, i *upkeep.Installation, asJSON bool) error {
	records, err := i.Machine.Journal.Records()
	if asJSON {
		shown := []stepReport{}
		for _, r := range records {
			shown = append(shown, stepReport{Step: r.Step, Result: string(r.State)})
		}
		return errors.Join(a.printJSON(shown), err)
	}
	if len(records) == 0 && err == nil {
		fmt.Fprintln(a.out, "Nothing of this machine is changed. The journal would be "+filepath.Clean(i.Machine.Journal.Path())+".")
	}
	for _, r := range records {
		held := ""
		if r.Volatile {
			held = ", while Hither runs"
		}
		fmt.Fprintf(a.out, "  %s: %s%s (since %s)\n", r.State, r.Step, held, r.At.Local().Format("2006-01-02 15:04"))
	}
	return err
}
