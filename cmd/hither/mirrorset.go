package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hither/cmd/hither/control"
	"hither/cmd/hither/mirrors"

	"github.com/spf13/cobra"
)

func (a *app) mirrorsSet() *cobra.Command {
	return &cobra.Command{
		Use:   "set RULE URL|auto",
		Short: "Ask one source of a rule first, whatever is measured",
		Long: "Ask one source of a rule first, whatever is measured; auto takes that back. The source is a base URL, its host, or a part\n" +
			"that only one of the rule has. If it fails, the others are asked as ever, and what it sends is checked as ever.",
		Args: arguments(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.choose(c.Context(), mirrors.Change{Verb: "set", Rule: args[0], URL: args[1]})
		},
	}
}

func (a *app) mirrorsOff() *cobra.Command {
	return &cobra.Command{
		Use:   "off URL [REASON]",
		Short: "Do not use a mirror",
		Args:  arguments(1, anyNumber),
		RunE: func(c *cobra.Command, args []string) error {
			return a.choose(c.Context(), mirrors.Change{Verb: "off", URL: args[0], Reason: strings.Join(args[1:], " ")})
		},
	}
}

func (a *app) mirrorsOn() *cobra.Command {
	return &cobra.Command{
		Use:   "on URL",
		Short: "Use a mirror again, also one that its rule file has off",
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.choose(c.Context(), mirrors.Change{Verb: "on", URL: args[0]})
		},
	}
}

// choose lets the running Hither do the change, so that it holds at once; without one the next one reads it.
func (a *app) choose(ctx context.Context, change mirrors.Change) error {
	said, err := control.NewClient(a.settings.State).Choose(ctx, change)
	if errors.Is(err, control.ErrNotRunning) {
		set, err2 := a.loadRules()
		if err2 != nil {
			return err2
		}
		_, said, err = mirrors.Decide(a.settings.State, set, change)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, a.advice(said))
	return nil
}
