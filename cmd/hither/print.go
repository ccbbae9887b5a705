package main

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"hither/cmd/hither/terminal"
)

func addJSONFlag(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, "print JSON, for programs")
}

// printJSON prints one indented document.
func (a *app) printJSON(value any) error {
	out := json.NewEncoder(a.out)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(value)
}

// ink has colours on a terminal whose user did not refuse them (no-color.org).
func (a *app) ink() terminal.Ink {
	_, _, shown := terminal.Size(a.out)
	refused, said := a.env.Lookup("NO_COLOR")
	return terminal.Ink{On: shown && (!said || refused == "") && a.env.Get("TERM") != "dumb"}
}

func join(list []string) string { return strings.Join(list, ", ") }
