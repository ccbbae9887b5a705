package main

import (
	"fmt"

	"hither/cache"

	"github.com/spf13/cobra"
)

func (a *app) cache() *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "Look after what the running Hither keeps",
		Args:  usage(cobra.NoArgs),
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
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			usage, err := newClient(a.settings.State).Usage(c.Context())
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

func describeUsage(u cache.Usage) string {
	text := fmt.Sprintf("%s in %d blobs under %d names", Bytes(u.Bytes), u.Blobs, u.Names)
	if u.Limit > 0 {
		text += fmt.Sprintf(", of %s", Bytes(u.Limit))
	}
	if u.OnDisk > 0 {
		text += fmt.Sprintf("; %s on the disk", Bytes(u.OnDisk))
	}
	if u.Free > 0 {
		text += fmt.Sprintf(", which has %s free (%s stay so)", Bytes(u.Free), Bytes(u.Floor))
	}
	return text
}

func (a *app) cacheVerify() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Read everything that is kept, and remove what is damaged",
		Long:  "Read everything that is kept, check each digest, and remove what does not hold. The exit status is 1 if anything did not.",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := newClient(a.settings.State).Verify(c.Context(), func(Verification) {})
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

func (a *app) printVerification(v Verification) {
	fmt.Fprintf(a.out, "%d blobs with %s were read; %d were damaged and are removed.\n", v.Blobs, Bytes(v.Bytes), v.Lost)
	for _, digest := range v.Damaged {
		fmt.Fprintln(a.out, "  "+digest)
	}
}

func (a *app) cacheRemove() *cobra.Command {
	var all, asJSON bool
	c := &cobra.Command{
		Use:   "rm URL | rm --all",
		Short: "Forget what a URL means, or everything",
		Args: func(c *cobra.Command, args []string) error {
			if all {
				return usage(cobra.NoArgs)(c, args)
			}
			return usage(cobra.ExactArgs(1))(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			target := ""
			if !all {
				var err error
				if target, err = completeURL(args[0]); err != nil {
					return usageError(c, err)
				}
			}
			removed, err := newClient(a.settings.State).Remove(c.Context(), target)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(removed)
			}
			fmt.Fprintf(a.out, "%d names forgotten, with %s; the disk has the room back in a moment.\n", removed.Names, Bytes(removed.Bytes))
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "forget everything")
	addJSONFlag(c, &asJSON)
	return c
}
