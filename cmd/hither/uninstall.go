package main

import (
	"errors"
	"fmt"

	"hither/cmd/hither/amount"
	"hither/install"

	"github.com/spf13/cobra"
)

func (a *app) uninstall() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "uninstall",
		Short: "Undo all that Hither did to this machine, and prove that nothing is left",
		Long: "Undo all that `hither install` did, and what a running Hither keeps in force, the newest first; then look at each place\n" +
			"again. Only what is still Hither's is touched: what somebody has changed since stays, and is named.\n" +
			"The exit status is 1 if anything is left. The state directory with the cache stays; delete it if you like.",
		Args:              arguments(0, 0),
		PersistentPreRunE: noSettings,
		RunE: func(c *cobra.Command, _ []string) error {
			machines := a.installed(c)
			var before [][]install.Record
			var damage []error
			for _, m := range machines {
				records, err := m.Journal.Records()
				before, damage = append(before, records), append(damage, err)
			}
			report, err := a.undo(c, nil)
			left, err2 := leftovers(c.Context(), machines, before)
			if err := errors.Join(a.printUndone(report, left, asJSON), err, err2); err != nil {
				return err // it tells of damage too
			}
			if err := errors.Join(damage...); err != nil {
				return err
			}
			if len(left) > 0 {
				return fmt.Errorf("%s left: take them out by hand, or call this again with sudo", amount.Count(int64(len(left)), "thing"))
			}
			return nil
		},
	}
	addJSONFlag(c, &asJSON)
	return c
}
