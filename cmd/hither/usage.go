package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is what the user typed wrong.
func usageError(c *cobra.Command, err error) error {
	return &exitError{Status: exitUsage, Err: fmt.Errorf("%w: see `%s --help`", err, c.CommandPath())}
}

// flagError says what a flag wants in words, not by the name of the function that reads it.
func flagError(c *cobra.Command, err error) error {
	var wrong *pflag.InvalidValueError
	if errors.As(err, &wrong) {
		flag := wrong.GetFlag()
		kinds := map[string]string{"bool": "true or false", "int": "a whole number", "duration": "a time such as 10s or 2m"}
		if want := kinds[flag.Value.Type()]; want != "" {
			err = fmt.Errorf("--%s: %q is not %s", flag.Name, wrong.GetValue(), want)
		}
	}
	return usageError(c, err)
}

// anyNumber is for arguments without a bound.
const anyNumber = 1 << 20

// arguments bounds their number.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usageError(c, fmt.Errorf("an argument is missing: write it as `%s`", c.UseLine()))
		case len(args) > most && c.HasAvailableSubCommands():
			return unknownCommand(c, args[most])
		case len(args) > most:
			return usageError(c, fmt.Errorf("%q is one argument too many: write it as `%s`", args[most], c.UseLine()))
		}
		return nil
	}
}

// unknownCommand names those that may have been meant.
func unknownCommand(c *cobra.Command, name string) error {
	c.SuggestionsMinimumDistance = 2 // letters
	text := fmt.Sprintf("there is no command `%s %s`", c.CommandPath(), name)
	if near := c.SuggestionsFor(name); len(near) > 0 {
		text += ", but " + join(near)
	}
	return usageError(c, errors.New(text))
}

// addHelpers adds what cobra brings: help and completion. A shell calls the latter at each start, so a broken configuration must
// not be in their way. The output of root must be set.
func addHelpers(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.PersistentPreRunE = func(*cobra.Command, []string) error { return nil }
			c.Args = helpTopic
		case "completion":
			c.PersistentPreRunE = func(*cobra.Command, []string) error { return nil }
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
			for _, each := range slices.Concat([]*cobra.Command{c}, c.Commands()) {
				each.Args = arguments(0, 0)
			}
		}
	}
}

// helpTopic wants the name of a command.
func helpTopic(c *cobra.Command, args []string) error {
	found, rest, err := c.Root().Find(args)
	if err != nil || len(rest) == 0 {
		return err
	}
	return unknownCommand(found, rest[0])
}
