package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"hither/cmd/hither/doctor"
	"hither/cmd/hither/settings"
)

// doctorFlags are what the command line says of an examination.
type doctorFlags struct {
	json, quick bool
	tools       []string
}

func (a *app) doctor() *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say why requests do not go through Hither, or are not believed, and what to do about it",
		Long: "Look at this machine and say, tool by tool, whether requests go through Hither, by which door, and whether the tool\n" +
			"trusts it; and look for what stands in the way: Hither itself, its port, DNS, certificates, proxy variables, Clash and\n" +
			"VPNs, Docker, the clock, the disk, permissions. Nothing is changed. It ends within 15 seconds.\n\n" +
			"It sees the environment of this shell: run it where the tool runs. The levels are ok, note, warn (something goes past\n" +
			"Hither, or is about to break) and fail (something is broken).\n\n" +
			"--json prints one object: schema (1), when, took (nanoseconds), findings. A finding has check, level, cause, remedy,\n" +
			"details. Fields may be added; one that comes to mean something else raises schema.\n\n" +
			"Exit status: 0 nothing is broken, 5 something is, 2 wrong command line.",
		Example: "  hither doctor\n  hither doctor --tool npm,go\n  hither doctor --quick --json",
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			checks, err := f.checks()
			if err != nil {
				return usageError(c, err)
			}
			return a.runDoctor(c.Context(), f, checks)
		},
	}
	c.Flags().BoolVar(&f.quick, "quick", false, "measure nothing and ask no registry")
	c.Flags().StringSliceVar(&f.tools, "tool", nil, "of the tools, look at these only: "+join(doctor.Tools()))
	addJSONFlag(c, &f.json)
	addFlags(c.Flags(), func(k settings.Key) bool { // what matters without a running Hither
		return slices.Contains([]string{"listen", "rules", "upstream-proxy", "ca-files", "cache-free", "dns-upstream"}, k.Name)
	})
	return c
}

// checks leaves out the tools that are not wanted.
func (f doctorFlags) checks() ([]doctor.Check, error) {
	for _, name := range f.tools {
		if !slices.Contains(doctor.Tools(), name) {
			return nil, fmt.Errorf("--tool: there is no tool %q: name some of %s", name, join(doctor.Tools()))
		}
	}
	return slices.DeleteFunc(doctor.Checks(), func(c doctor.Check) bool {
		return len(f.tools) > 0 && slices.Contains(doctor.Tools(), c.Name()) && !slices.Contains(f.tools, c.Name())
	}), nil
}

func (a *app) runDoctor(ctx context.Context, f doctorFlags, checks []doctor.Check) error {
	p := a.patient(ctx)
	p.Quick = f.quick
	report := doctor.Examine(ctx, checks, p)
	if f.json {
		if err := a.printJSON(report); err != nil {
			return err
		}
	} else if err := (doctor.Table{Ink: a.ink()}).Print(a.out, report); err != nil {
		return err
	}
	if report.Worst() == doctor.Fail {
		return &exitError{Status: exitUnwell}
	}
	return nil
}
