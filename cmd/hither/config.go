package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"hither/cmd/hither/settings"
)

// setting is one line of `hither config --json`. Passwords are left out.
type setting struct {
	Name     string `json:"name"`
	Value    string `json:"value"` // lists with commas
	From     string `json:"from"`
	Default  string `json:"default"`
	Variable string `json:"variable"`
	Doc      string `json:"doc"`
}

func (a *app) config() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "config",
		Short: "Show every setting, its value, and where that came from",
		Long: "Show every setting. The key NAME is NAME in config.toml, HITHER_NAME in the environment (with _ for -), and\n" +
			"--NAME on the command line; each of these overrides the ones before it.",
		Args: arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return a.printJSON(listSettings(a.settings))
			}
			a.printSettings()
			return nil
		},
	}
	addJSONFlag(c, &asJSON)
	addFlags(c.Flags(), func(k settings.Key) bool { return !k.Wide })
	return c
}

func listSettings(s settings.Settings) []setting {
	var out []setting
	for _, k := range settings.Keys() {
		out = append(out, setting{k.Name, k.Value(s), s.From[k.Name], k.Def, k.Variable(), k.Doc})
	}
	return out
}

// printSettings prints what can be pasted into the file. What nobody has said is a comment there: an empty dns, said in the file,
// would be stronger than what `hither install` wants.
func (a *app) printSettings() {
	fmt.Fprintf(a.out, "# %s\n", a.settings.Config)
	for _, s := range listSettings(a.settings) {
		fmt.Fprintf(a.out, "\n# %s.\n", s.Doc)
		if s.Default != "" {
			fmt.Fprintf(a.out, "# Default: %s. ", s.Default)
		} else {
			fmt.Fprint(a.out, "# ")
		}
		mark := ""
		if s.From == "default" {
			mark = "# "
		}
		fmt.Fprintf(a.out, "From: %s.\n%s%s = %q\n", s.From, mark, s.Name, s.Value)
	}
}
