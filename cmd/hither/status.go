package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/control"
	"hither/forward/fetch"
	"hither/forward/prefetch"
	"hither/install"
	"hither/install/sysdns"

	"github.com/spf13/cobra"
)

// statusWait bounds questions whether the running Hither is well: that it hangs is an answer, too.
const statusWait = 3 * time.Second

func (a *app) status() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how the running Hither stands",
		Long:  "Say how the running Hither stands. The exit status is 3 if none runs.",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.awake(c.Context())
			if err != nil {
				return err
			}
			status, err := client.Status(c.Context())
			if errors.Is(err, control.ErrNotRunning) {
				if ready, err := a.ready(c.Context()); err == nil {
					if asJSON {
						return a.printJSON(control.Status{Ready: ready, Now: time.Now()})
					}
					a.printPublic(ready)
					return nil
				}
				return a.stillChanged(c, err)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(status)
			}
			a.printStatus(status)
			return nil
		},
	}
	addJSONFlag(c, &asJSON)
	return c
}

// stillChanged adds to the error that no Hither runs what one has changed for as long as it runs, and nobody has put back: its guard was
// killed with it, or could not.
func (a *app) stillChanged(c *cobra.Command, err error) error {
	var steps []string
	for _, m := range a.installed(c) {
		if _, err := control.NewClient(filepath.Dir(m.Journal.Path())).Ready(c.Context()); !errors.Is(err, control.ErrNotRunning) {
			continue
		}
		records, _ := m.Journal.Records() // what it cannot read `hither restore` tells
		for _, r := range records {
			if install.Volatile(r) && !slices.Contains(steps, r.Step) {
				steps = append(steps, r.Step)
			}
		}
	}
	if len(steps) == 0 {
		return err
	}
	return fmt.Errorf("%w; what it has changed on this machine is not put back (%s): do that with `hither restore`", err, strings.Join(steps, "; "))
}

// awake is the client of daemon, but an error for a Hither that says nothing at all: what is asked of it would be waited for, for long.
func (a *app) awake(whole context.Context) (*control.Client, error) {
	ctx, cancel := context.WithTimeout(whole, statusWait)
	defer cancel()
	client := a.daemon(ctx)
	if _, err := client.Ready(ctx); whole.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		who := "the Hither that runs"
		if pid := client.PID(); pid != 0 {
			who = fmt.Sprintf("the Hither that runs (pid %d)", pid)
		}
		return nil, fmt.Errorf("%s has said nothing for %v: it was stopped, hangs, or has just begun; ask again, and if that is in vain, end it and start it again", who, statusWait)
	}
	return client, nil
}

func (a *app) printStatus(s control.Status) {
	fmt.Fprintf(a.out, "Hither %s is up on %s, pid %d, for %s.\n", s.Ready.Version, join(s.Ready.Proxy), s.Ready.PID, amount.Rough(s.Now.Sub(s.Ready.Since)))
	if len(s.Ready.DNS) > 0 {
		fmt.Fprintf(a.out, "It answers DNS on %s%s.\n", join(s.Ready.DNS), ledInWords(s.Ready.DNSMode))
	}
	if len(s.Ready.Transparent) > 0 {
		fmt.Fprintf(a.out, "Programs that know nothing of it come in by %s.\n", join(s.Ready.Transparent))
	}
	if s.Ready.Upstream != "" {
		fmt.Fprintf(a.out, "It goes out through %s.\n", s.Ready.Upstream)
	}
	if s.Trouble != "" {
		fmt.Fprintf(a.out, "Not all is as it should be: %s\n", s.Trouble)
	}
	if s.Rules != "" {
		fmt.Fprintf(a.out, "The rule files have a mistake, and the last good ones are in force: %s\n", s.Rules)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nRequests\t%s\n", countStates(s))
	if s.Waiting > 0 {
		fmt.Fprintf(w, "Waiting\t%s for the network: nobody can be connected to who has what they want\n", amount.Count(int64(s.Waiting), "request"))
	}
	fmt.Fprintf(w, "Bytes\t%s sent, %s of them saved\n", amount.Bytes(s.Served), amount.Bytes(s.Saved))
	fmt.Fprintf(w, "Time saved\t%s\n", amount.Rough(s.TimeSaved))
	fmt.Fprintf(w, "Fetched\t%s, %s of them for nothing but speed (measuring, and second sources)\n", amount.Bytes(s.Fetched), amount.Bytes(s.Extra))
	if h := s.Hedges; h.Hedges > 0 {
		fmt.Fprintf(w, "Asked twice\t%s, because the first source was late; the second one was faster for %d\n", amount.Count(h.Hedges, "request"), h.Won)
	}
	if text := describeAhead(s.Prefetch); text != "" {
		fmt.Fprintf(w, "Asked ahead\t%s\n", text)
	}
	fmt.Fprintf(w, "Cache\t%s\n", describeUsage(s.Cache))
	w.Flush()
	a.printUpstreams(s.Upstreams)
	for i, failure := range s.Errors {
		if i == 0 {
			fmt.Fprintln(a.out, "\nLast errors")
		}
		fmt.Fprintf(a.out, "  %s ago  %s  %s\n", amount.Rough(s.Now.Sub(failure.When)), failure.URL, failure.Err)
	}
}

// ledInWords says which names of the machine come to us.
func ledInWords(mode sysdns.Mode) string {
	switch mode {
	case sysdns.Scoped:
		return ", and the machine asks it for the registries' names"
	case sysdns.Full:
		return ", and the machine asks it for every name"
	}
	return ""
}

// describeAhead sums up what was fetched before a client asked for it; empty: nothing was.
func describeAhead(lines []prefetch.Line) string {
	var ahead, used, wasted, waiting int
	var usedBytes, wastedBytes int64
	for _, l := range lines {
		ahead, used, wasted, waiting = ahead+l.Ahead, used+l.Used, wasted+l.Wasted, waiting+l.Waiting
		usedBytes, wastedBytes = usedBytes+l.UsedBytes, wastedBytes+l.WastedBytes
	}
	if ahead == 0 {
		return ""
	}
	text := fmt.Sprintf("%s; clients then asked for %d (%s), and not for %d (%s)",
		amount.Count(int64(ahead), "object"), used, amount.Bytes(usedBytes), wasted, amount.Bytes(wastedBytes))
	if waiting > 0 {
		text += fmt.Sprintf("; %d wait", waiting)
	}
	return text
}

// countStates lists only what happened.
func countStates(s control.Status) string {
	var parts []string
	for state, n := range s.Requests {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	sort.Slice(parts, func(i, j int) bool { return stateOrder(parts[i]) < stateOrder(parts[j]) })
	for _, more := range []struct {
		n    int64
		name string
	}{{s.Passed, "passed on"}, {s.Tunnels, "tunnels"}, {s.Failures, "failed"}} {
		if more.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", more.n, more.name))
		}
	}
	if len(parts) == 0 {
		return "none yet"
	}
	return strings.Join(parts, ", ")
}

// stateOrder has the best first; states of a newer Hither come last.
func stateOrder(part string) int {
	order := []fetch.State{fetch.Hit, fetch.Refreshing, fetch.Revalidated, fetch.Merged, fetch.Miss, fetch.Stale, fetch.Negative, fetch.Local}
	for i, state := range order {
		if strings.HasSuffix(part, " "+string(state)) {
			return i
		}
	}
	return len(order)
}

// printUpstreams leaves out those that were never asked and of which nothing is known; --json has them.
func (a *app) printUpstreams(all []control.Upstream) {
	idle := 0
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "Rule\tUpstream\tAsked\tFailed\tFirst byte\tSpeed\t")
	for _, u := range all {
		if u.Requests == 0 && u.Failures == 0 && u.Note == "" { // a note may be of an earlier Hither: a quarantine holds
			idle++
			continue
		}
		fmt.Fprintln(w, upstreamRow(u))
	}
	if idle < len(all) {
		fmt.Fprintln(a.out)
		w.Flush()
	}
	if idle > 0 {
		fmt.Fprintf(a.out, "\nUpstreams not asked yet: %d.\n", idle)
	}
}

func upstreamRow(u control.Upstream) string {
	base, wait, speed := u.Base, "–", "–"
	if u.Origin {
		base += " (origin)"
	}
	if u.Wait > 0 {
		wait = amount.Rough(u.Wait)
	}
	if u.Speed > 0 {
		speed = amount.Bytes(u.Speed).String() + "/s"
	}
	return fmt.Sprintf("%s\t%s\t%d\t%d\t%s\t%s\t%s", u.Rule, base, u.Requests, u.Failures, wait, speed, u.Note)
}

// printPublic is all of a status that everybody may know.
func (a *app) printPublic(r control.Ready) {
	fmt.Fprintf(a.out, "Hither %s, a service of this machine, is up on %s, pid %d, for %s.\n", r.Version, join(r.Proxy), r.PID, amount.Rough(time.Since(r.Since)))
	if len(r.DNS) > 0 {
		fmt.Fprintf(a.out, "It answers DNS on %s%s.\n", join(r.DNS), ledInWords(r.DNSMode))
	}
	fmt.Fprintln(a.out, "What it has done, for all users, is for root to see: `sudo hither status`.")
}
