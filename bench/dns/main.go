//go:build linux

// Dns holds Hither's name server against dnsmasq and unbound: the same questions, the same upstream, in turn, on loopback.
// Each line is a ratio, a cost or a size, and its bound.
//
//	go run ./bench/dns                  all rows, about 4 minutes; needs dnsperf, dnsmasq and unbound (bench/peers has them)
//	go run ./bench/dns -short           less of each, about 1 minute
//	go run ./bench/dns -run cached      some rows: cached, uncached, allocations, flood
//	go run ./bench/dns -hither PATH     the program `PATH up --dns`, instead of this tree's package resolver alone
//	go run ./bench/dns -json            one JSON document instead of text
//
// The exit status is 0 if all bounds were kept, 1 if not or if the bench itself failed, 2 for wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"hither/bench/lab"
)

// options are the command line.
type options struct {
	lab.Options
	short  bool
	rounds int
	binary string // a hither to test; empty: this tree's resolver, in a program of its own
}

// rowNames are what -run takes, in their order.
func rowNames() []string { return []string{"cached", "uncached", "allocations", "flood"} }

func (o options) wants(row string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, row) }

func main() { lab.Main(run) }

// run also plays the other parts: the bench starts itself as authority and as resolver, so that each is a process whose
// costs can be told apart.
func run(ctx context.Context, args []string, out, diagnostics io.Writer) int {
	if len(args) > 0 {
		if part, ok := parts()[args[0]]; ok {
			if err := part(ctx, args[1:]); err != nil {
				fmt.Fprintf(diagnostics, "dns %s: %v\n", args[0], err)
				return 1
			}
			return 0
		}
	}
	return lab.Program[options]{Name: "dns", Parse: parse, Work: runAll}.Run(ctx, args, out, diagnostics)
}

// parts are what the bench starts itself as.
func parts() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"authority": serveAuthority, "resolver": serveResolver}
}

func parse(args []string, diagnostics io.Writer) (o options, err error) {
	flags := o.Flags("dns", "the `rows` to run, with commas; empty: all of "+strings.Join(rowNames(), ","), diagnostics)
	flags.BoolVar(&o.short, "short", false, "shorter runs and one round")
	flags.IntVar(&o.rounds, "rounds", 0, "`times` that each server is asked, in turn; 0: three, or one with -short")
	flags.StringVar(&o.binary, "hither", "", "`path` of a program to test as it is (up --dns); empty: this tree's resolver alone")
	err = o.Read(flags, args, "row", func(name string) bool { return slices.Contains(rowNames(), name) })
	if err != nil {
		return o, err
	}
	if o.rounds <= 0 {
		o.rounds = 3
		if o.short {
			o.rounds = 1
		}
	}
	return o, nil
}

// runAll runs the rows one after another. One that fails does not end the others.
func runAll(ctx context.Context, o options, text io.Writer) (lab.Report, error) {
	b, err := newBench(ctx, o)
	if err != nil {
		return nil, err
	}
	defer b.close()
	r := newReport(b, text)
	rows := map[string]func(context.Context, *report) error{
		"cached": b.cached, "uncached": b.uncached, "allocations": b.allocations, "flood": b.flood,
	}
	for _, name := range rowNames() {
		if !o.wants(name) {
			continue
		}
		if err := rows[name](ctx, r); err != nil {
			r.fail(name, err)
		}
		if ctx.Err() != nil {
			return r, errors.New("it was interrupted; everything is removed")
		}
	}
	r.end()
	return r, nil
}
