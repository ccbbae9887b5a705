//go:build linux

// Mirrors is the laboratory for choosing among mirrors. It builds far links between network namespaces (bench/wan), puts
// an origin and its mirrors behind them, runs the real `hither up` at the near end, and asks it for objects. Each scenario
// prints what it saw, and PASS or FAIL for what the product promises.
//
//	go run ./bench/mirrors                     all scenarios, about 11 minutes; root
//	go run ./bench/mirrors -short              smaller ones, about 4 minutes
//	go run ./bench/mirrors -run choice,parts   some
//	go run ./bench/mirrors -json               one JSON document instead of text
//
// Everything it makes is called hither-… and is removed at the end, also after Ctrl-C; what a run that was killed left is
// removed by the next. Nothing leaves the machine. The exit status is 0 if all promises held, 1 if not or if the lab
// itself failed, 2 for wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"hither/bench/lab"
)

// options are the command line.
type options struct {
	lab.Options
	short  bool
	seed   uint64
	stall  time.Duration // what the product promises to notice a stall in
	binary string        // a hither to test; empty: that of this tree
}

func main() { lab.Main(program().Run) }

func program() lab.Program[options] {
	return lab.Program[options]{Name: "mirrors", Parse: parse, Work: runAll}
}

func parse(args []string, diagnostics io.Writer) (o options, err error) {
	flags := o.Flags("mirrors", "the `scenarios` to run, with commas; empty: all", diagnostics)
	flags.BoolVar(&o.short, "short", false, "smaller objects and fewer of them; no scenario takes more than 90 s")
	flags.Uint64Var(&o.seed, "seed", 1, "of packet losses, jitter and the order of requests")
	flags.DurationVar(&o.stall, "stall", 3*time.Second, "the product's bound for noticing a stalled body")
	flags.StringVar(&o.binary, "hither", "", "`path` of the program to test; empty: build it from this tree")
	flags.Usage = func() {
		fmt.Fprint(diagnostics, "go run ./bench/mirrors: measures how Hither chooses among mirrors. Needs root.\n\n")
		flags.PrintDefaults()
		fmt.Fprint(diagnostics, "\nScenarios:\n")
		for _, s := range scenarios() {
			fmt.Fprintf(diagnostics, "  %-8s %s\n", s.name, s.about)
		}
	}
	return o, o.Read(flags, args, "scenario", func(name string) bool {
		return slices.ContainsFunc(scenarios(), func(s scenario) bool { return s.name == name })
	})
}

// runAll runs the scenarios one after another, each in a laboratory of its own. It stops early only if the lab fails.
func runAll(ctx context.Context, o options, text io.Writer) (lab.Report, error) {
	made, err := lab.NewSite(ctx, o.binary)
	if err != nil {
		return nil, err
	}
	defer made.Close()
	site := &site{o, made}
	var results reports
	machine := lab.Machine()
	fmt.Fprintf(text, "hither %s; %s; senders use %s; seed %d\n", site.Version, machine, lab.Congestion, o.seed)
	for _, s := range scenarios() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, s.name) {
			continue
		}
		r := &report{Scenario: s.name, Version: site.Version, Machine: machine, Congestion: lab.Congestion, text: text}
		results = append(results, r)
		if err := site.run(ctx, s, r); err != nil {
			r.Error = err.Error()
			fmt.Fprintf(text, "FAIL %s: %v\n", s.name, err)
		}
		if ctx.Err() != nil {
			return results, errors.New("it was interrupted; everything is removed")
		}
	}
	return results, nil
}
