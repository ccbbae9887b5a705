package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hither/cmd/hither/amount"
	"hither/resolver"
)

func (a *app) dns() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "dns",
		Short: "Show how the questions of DNS were answered",
		Long: "Show how the questions of DNS were answered since the start. --json prints one object of counts: questions; of those ours,\n" +
			"hits, stale, special, failed, refused, dropped and busy; of what was asked upstream upstream, resent, merged, refreshed\n" +
			"and withheld; panics; and the entries in memory with their bytes.",
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			stats, err := a.client().DNS(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(stats)
			}
			return a.printDNS(stats)
		},
	}
	addJSONFlag(c, &asJSON)
	c.AddCommand(a.traceDNS())
	return c
}

func (a *app) printDNS(s resolver.Stats) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "questions\t%d\n", s.Questions)
	for _, line := range []struct {
		what string
		n    uint64
	}{
		{"with Hither's address", s.Ours}, {"from memory", s.Hits}, {"from memory, out of date", s.Stale},
		{"by rule or hosts file", s.Special}, {"asked upstream", s.Upstream}, {"failed", s.Failed},
		{"refused", s.Refused}, {"dropped", s.Dropped}, {"too many at once", s.Busy}, {"withheld", s.Withheld},
	} {
		fmt.Fprintf(w, "  %s\t%d\n", line.what, line.n)
	}
	fmt.Fprintf(w, "in memory\t%s, %s\n", amount.Count(int64(s.Entries), "answer"), amount.Bytes(s.Bytes))
	return w.Flush()
}

func (a *app) traceDNS() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "trace [NAME]",
		Short: "Show questions and how they are answered, as they come, until Ctrl-C",
		Long: "Show questions and how they are answered, as they come, until Ctrl-C; with NAME, those about it alone. --json prints one\n" +
			"object a question: when, client, net, name, type, how, rcode and took, which is in nanoseconds.",
		Args: arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return a.client().Trace(c.Context(), name, func(t resolver.Traced) error {
				if asJSON {
					return a.printJSON(t)
				}
				_, err := fmt.Fprintf(a.out, "%s  %-4s %-6s %-40q %-9s %-8s %6s  %s\n",
					t.When.Local().Format("15:04:05.000"), t.Net, t.Type, t.Name, t.How, t.Rcode, t.Took.Round(10*time.Microsecond), t.Client)
				return err
			})
		},
	}
	addJSONFlag(c, &asJSON)
	return c
}
