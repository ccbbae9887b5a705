package main

import (
	"fmt"

	"hither/cache"
	"hither/cmd/hither/amount"
	"hither/cmd/hither/control"

	"github.com/spf13/cobra"
)

func (a *app) cache() *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "Look after what the running Hither keeps",
		Args:  arguments(0, 0),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.cacheUsage(), a.cacheVerify(), a.cacheRemove())
	return c
}

func (a *app) cacheUsage() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "du",
		Short: "Say how much is kept",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			usage, err := a.client().Usage(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(usage)
			}
			fmt.Fprintln(a.out, describeUsage(usage))
			return nil
		},
	}
	addJSONFlag(c, &asJSON)
	return c
}

// describeUsage says it in one line. Only a store in memory leaves nothing of a disk free.
func describeUsage(u cache.Usage) string {
	text := fmt.Sprintf("%s in %s under %s", amount.Bytes(u.Bytes), amount.Count(u.Blobs, "blob"), amount.Count(u.Names, "name"))
	if u.Limit > 0 && u.Limit < noLimit {
		text += fmt.Sprintf(", of %s", amount.Bytes(u.Limit))
	}
	switch {
	case u.Floor == 0:
		return text + "; in memory, until Hither ends"
	case u.OnDisk == 0: // nobody knows
		return text
	}
	text += fmt.Sprintf("; %s on the disk", amount.Bytes(u.OnDisk))
	if u.Free > 0 {
		text += fmt.Sprintf(", which has %s free (nothing new is kept below %s)", amount.Bytes(u.Free), amount.Bytes(u.Floor))
	}
	return text
}

func (a *app) cacheVerify() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Read everything that is kept, and remove what is damaged",
		Long:  "Read everything that is kept, check each digest, and remove what does not hold. The exit status is 1 if anything did not.",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := a.client().Verify(c.Context(), func(control.Verification) {})
			if err != nil {
				return err
			}
			if asJSON {
				err = a.printJSON(v)
			} else {
				a.printVerification(v)
			}
			if v.Lost > 0 {
				return &exitError{Status: exitFailed}
			}
			return err
		},
	}
	addJSONFlag(c, &asJSON)
	return c
}

func (a *app) printVerification(v control.Verification) {
	end := "."
	if v.Lost > 0 {
		end = " and removed:"
	}
	fmt.Fprintf(a.out, "%s with %s read; %d damaged%s\n", amount.Count(v.Blobs, "blob"), amount.Bytes(v.Bytes), v.Lost, end)
	for _, digest := range v.Damaged {
		fmt.Fprintln(a.out, "  "+digest)
	}
}

func (a *app) cacheRemove() *cobra.Command {
	var all, asJSON bool
	c := &cobra.Command{
		Use:   "rm URL|--all",
		Short: "Forget what a URL means, or everything",
		Args: func(c *cobra.Command, args []string) error {
			if all {
				return arguments(0, 0)(c, args)
			}
			return arguments(1, 1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			target := ""
			if !all {
				var err error
				if target, err = completeURL(args[0]); err != nil {
					return usageError(c, err)
				}
			}
			removed, err := a.client().Remove(c.Context(), target)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(removed)
			}
			a.printRemoval(removed)
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "forget everything")
	addJSONFlag(c, &asJSON)
	return c
}

func (a *app) printRemoval(r control.Removal) {
	if r == (control.Removal{}) {
		fmt.Fprintln(a.out, "Nothing of it was kept.")
		return
	}
	fmt.Fprintf(a.out, "%s forgotten, with %s; the disk has the room back in a moment.\n", amount.Count(r.Names, "name"), amount.Bytes(r.Bytes))
}
