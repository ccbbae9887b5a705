package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"hither/cmd/hither/control"
	"hither/cmd/hither/logbook"
	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/network"
	"hither/cmd/hither/rulebook"
	"hither/cmd/hither/scores"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/terminal"
	"hither/forward/measure"
	"hither/rules"
)

// mirrorsFlags are what the command line says of a survey and how to show it.
type mirrorsFlags struct {
	count                         int
	interval                      time.Duration
	watch, json, csv, heat, brief bool
	http1, http3                  bool
	countSet, intervalSet         bool
}

// watchInterval is between two measurements of --watch, unless the user says another.
const watchInterval = 10 * time.Second

func (a *app) mirrors() *cobra.Command {
	var f mirrorsFlags
	c := &cobra.Command{
		Use:   "mirrors [RULE…]",
		Short: "Measure the origins and mirrors of rules, and say whom Hither chooses and why",
		Long: "Measure the origins and mirrors of the rules in force, of all or of those that are named, and say whom Hither chooses\n" +
			"and why. A running Hither measures, and learns from it; without one the command measures by itself, and then knows\n" +
			"nothing of earlier traffic. Each measurement is a connection of its own, asks for the [probe] of the rule and checks\n" +
			"the bytes. At most 4 are under way at once, and never two to one host.\n\n" + mirrorsHelp(),
		Example: "  hither mirrors go npm\n  hither mirrors --watch docker\n  hither mirrors --json --count 10 > mirrors.json\n  hither mirrors --heat\n" +
			"  hither mirrors set go goproxy.cn\n  hither mirrors set go auto\n  hither mirrors off mirrors.aliyun.com \"slow in the evening\"",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			f.countSet, f.intervalSet = c.Flags().Changed("count"), c.Flags().Changed("interval")
			if err := f.check(); err != nil {
				return usageError(c, err)
			}
			return a.runMirrors(c.Context(), f, args)
		},
	}
	c.Flags().IntVar(&f.count, "count", 3, "measurements of each upstream; with --watch: end after so many, else never")
	c.Flags().DurationVar(&f.interval, "interval", time.Second, "between two measurements of an upstream; with --watch, unless you say, 10s")
	c.Flags().BoolVar(&f.watch, "watch", false, "measure again and again and show the table anew, until Ctrl-C")
	c.Flags().BoolVar(&f.csv, "csv", false, "print CSV, one row for each upstream and phase")
	c.Flags().BoolVar(&f.heat, "heat", false, "measure nothing: show the last 24 hours as a map of colours")
	c.Flags().BoolVar(&f.brief, "brief", false, "print the medians alone")
	c.Flags().BoolVar(&f.http1, "http1", false, "measure HTTP/1.1, too")
	c.Flags().BoolVar(&f.http3, "http3", false, "measure HTTP/3, too")
	addJSONFlag(c, &f.json)
	addFlags(c.PersistentFlags(), func(k settings.Key) bool { // what matters without a running Hither
		return slices.Contains([]string{"rules", "upstream-proxy", "ca-files", "dns"}, k.Name)
	})
	c.AddCommand(a.mirrorsSet(), a.mirrorsOff(), a.mirrorsOn())
	return c
}

// mirrorsHelp documents what programs rely on.
func mirrorsHelp() string {
	return "DNS, TCP and TLS are the phases of the connection, TTFB is from the request to the first byte of the answer, TOTAL is\n" +
		"all of it; – did not happen. RATE is the usual goodput of larger bodies. Percentiles are by nearest rank.\n\n" +
		"--json prints one object: schema (1), when, took, count, interval, daemon, rules. A rule has rule, measured, working,\n" +
		"choice, note, upstreams. A choice has base, origin, pinned, class, reason, p50, requests, runner_up, runner_up_p50,\n" +
		"origin_p50. An upstream has base, origin, off, pinned, chosen, verdict, measured, and each of measured has proto (as\n" +
		"asked; empty: as traffic), http (as spoken; empty: not at all), count, ok, success, dns, connect, tls, ttfb, total,\n" +
		"rate, newest, entry, origins, outcomes, addr, error. A phase has count, min, p50, p95, max, sd. Durations are\n" +
		"nanoseconds, rates bytes a second; what else is not known is left out. Fields may be added; one that comes\n" +
		"to mean something else raises schema.\n\n" +
		"Exit status: 0 each rule has a source that answered rightly, 4 one has none, 2 wrong command line."
}

// check finds flags that contradict each other.
func (f *mirrorsFlags) check() error {
	shapes := 0
	for _, on := range []bool{f.json, f.csv, f.heat} {
		if on {
			shapes++
		}
	}
	switch {
	case shapes > 1:
		return errors.New("--json, --csv and --heat are different answers: choose one")
	case f.watch && (f.csv || f.heat):
		return errors.New("--watch shows the table, or with --json one object after the other: leave out --csv and --heat")
	case f.watch && !f.intervalSet:
		f.interval = watchInterval
	}
	return mirrors.Ask{Count: f.count, Interval: f.interval}.Check()
}

func (f mirrorsFlags) ask(names []string) mirrors.Ask {
	ask := mirrors.Ask{Rules: names, Count: f.count, Interval: f.interval, Protos: []string{""}}
	if f.http1 {
		ask.Protos = append(ask.Protos, "h1")
	}
	if f.http3 {
		ask.Protos = append(ask.Protos, "h3")
	}
	return ask
}

func (a *app) runMirrors(ctx context.Context, f mirrorsFlags, names []string) error {
	if f.heat {
		return a.printHeat(ctx, names)
	}
	m := &measurer{app: a}
	defer m.close()
	if f.watch {
		return a.watchMirrors(ctx, m, f, names)
	}
	p := a.newProgress()
	s, err := m.survey(ctx, f.ask(names), p.show)
	p.clear()
	if err != nil {
		return err
	}
	if err := a.printSurvey(s, f); err != nil {
		return err
	}
	return failing(s)
}

func (a *app) printSurvey(s mirrors.Survey, f mirrorsFlags) error {
	switch {
	case f.json:
		return a.printJSON(s)
	case f.csv:
		return mirrors.PrintCSV(a.out, s)
	}
	return mirrors.Table{Ink: a.ink(), Brief: f.brief}.Print(a.out, s)
}

// failing is the exit status of a survey: nil if each rule that can be measured has a source that works.
func failing(s mirrors.Survey) error {
	var dead []string
	for _, r := range s.Rules {
		if r.Measured && !r.Working {
			dead = append(dead, r.Rule)
		}
	}
	if len(dead) == 0 {
		return nil
	}
	return &exitError{Status: exitNoSource, Err: fmt.Errorf("no source works for %s: is the network there? `hither mirrors --json` tells what each of them did", join(dead))}
}

// measurer asks the running Hither, or measures by itself if there is none.
type measurer struct {
	app   *app
	alone *mirrors.Surveyor // nil: not yet needed
	book  *rulebook.Book
	out   *network.Network
	log   io.Closer
}

func (m *measurer) survey(ctx context.Context, ask mirrors.Ask, progress func(mirrors.SurveyLine)) (mirrors.Survey, error) {
	if err := ask.Check(); err != nil {
		return mirrors.Survey{}, err
	}
	s, err := control.NewClient(m.app.settings.State).Survey(ctx, ask, progress)
	if !errors.Is(err, control.ErrNotRunning) {
		return s, err
	}
	if m.alone == nil {
		if err := m.prepare(); err != nil {
			return mirrors.Survey{}, err
		}
	}
	return m.alone.Survey(ctx, m.book.Now(), ask, progress)
}

// prepare opens the network and the rules, and nothing of the state directory but the user's choices.
func (m *measurer) prepare() error {
	log, file, err := logbook.Open(m.app.settings, m.app.err)
	if err != nil {
		return err
	}
	m.log = file
	if m.book, err = rulebook.Open(m.app.settings, log); err != nil {
		return err
	}
	alone := m.app.settings
	alone.State = "" // what is kept there of connections is the running Hither's
	if m.out, err = network.New(alone, nil, version(), m.book.OffersH3, log); err != nil {
		return err
	}
	m.alone = &mirrors.Surveyor{Probe: m.out.Prober().Probe, Board: new(measure.Board), Turns: new(mirrors.Turns), Pauses: new(mirrors.Pauses)}
	return nil
}

func (m *measurer) close() {
	if m.out != nil {
		m.out.Close()
	}
	if m.log != nil {
		m.log.Close()
	}
}

// printHeat shows what the running Hither remembers, else what the last one left.
func (a *app) printHeat(ctx context.Context, names []string) error {
	all, err := control.NewClient(a.settings.State).History(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		all, err = a.keptHistory()
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if slices.ContainsFunc(all, func(h mirrors.History) bool { return h.Rule == name }) {
			continue
		}
		set, err := a.loadRules()
		if err != nil {
			return err
		}
		if _, err := mirrors.FindRule(set, name); err != nil {
			return err
		}
	}
	if len(names) > 0 {
		all = slices.DeleteFunc(all, func(h mirrors.History) bool { return !slices.Contains(names, h.Rule) })
	}
	return mirrors.HeatMap{Ink: a.ink(), Now: time.Now()}.Print(a.out, all)
}

func (a *app) keptHistory() ([]mirrors.History, error) {
	set, err := a.loadRules()
	if err != nil {
		return nil, err
	}
	board := new(measure.Board)
	if _, err := scores.Read(a.settings.State, board); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(a.settings.State, scores.Name), err)
	}
	return mirrors.Histories(set, board, time.Now().Add(-mirrors.HeatSpan)), nil
}

// loadRules are the rule files as they are, without the user's choices.
func (a *app) loadRules() (*rules.Set, error) {
	log, file, err := logbook.Open(a.settings, a.err)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	book, err := rulebook.Open(a.settings, log)
	if err != nil {
		return nil, err
	}
	return book.Plain(), nil
}

// progress tells on a terminal how far a survey is; elsewhere it is silent.
type progress struct {
	w  io.Writer
	on bool
}

func (a *app) newProgress() *progress {
	_, _, shown := terminal.Size(a.err)
	return &progress{w: a.err, on: shown && a.env.Get("TERM") != "dumb"}
}

// show replaces the line before.
func (p *progress) show(l mirrors.SurveyLine) {
	if !p.on || l.Result == nil {
		return
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", terminal.Shorten(fmt.Sprintf("measured %d of %d: %s %s", l.Done, l.Total, l.Rule, terminal.Plain(l.Result.Base)), 78))
}

func (p *progress) clear() {
	if p.on {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
