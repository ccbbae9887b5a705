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
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hither/bench/lab"
)

// options are the command line.
type options struct {
	short  bool
	asJSON bool
	seed   uint64
	stall  time.Duration // what the product promises to notice a stall in
	binary string        // a hither to test; empty: that of this tree
	names  []string      // scenarios
}

func main() {
	runtime.LockOSThread()                                                                                   // children die with the thread that started them, so it must be one that stays
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP) //nolint:forbidigo // a program begins here
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status) //nolint:forbidigo // nothing is deferred any more
}

func run(ctx context.Context, args []string, out, diagnostics io.Writer) int {
	o, err := parse(args, diagnostics)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(diagnostics, "mirrors:", err)
		return 2
	}
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0) // `go run` may be killed; then we end, too
	text := out
	if o.asJSON {
		text = diagnostics
	}
	results, err := runAll(ctx, o, text)
	if o.asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(results) // nobody reads it: that is no reason to fail
	}
	if err != nil {
		fmt.Fprintln(diagnostics, "mirrors:", err)
		return 1
	}
	if slices.ContainsFunc(results, func(r *report) bool { return !r.held() }) {
		return 1
	}
	return 0
}

func parse(args []string, diagnostics io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("mirrors", flag.ContinueOnError)
	flags.SetOutput(diagnostics)
	names := flags.String("run", "", "the `scenarios` to run, with commas; empty: all")
	flags.BoolVar(&o.short, "short", false, "smaller objects and fewer of them; no scenario takes more than 90 s")
	flags.BoolVar(&o.asJSON, "json", false, "print one JSON document at the end; the text goes to standard error")
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
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is not understood; name scenarios with -run", flags.Arg(0))
	}
	for _, s := range scenarios() {
		if *names == "" {
			o.names = append(o.names, s.name)
		}
	}
	for name := range strings.SplitSeq(*names, ",") {
		if name == "" {
			continue
		}
		if !slices.ContainsFunc(scenarios(), func(s scenario) bool { return s.name == name }) {
			return o, fmt.Errorf("there is no scenario %q; see -h", name)
		}
		o.names = append(o.names, name)
	}
	return o, nil
}

// runAll runs the scenarios one after another, each in a laboratory of its own. It stops early only if the lab fails.
func runAll(ctx context.Context, o options, text io.Writer) (results []*report, err error) {
	site, err := newSite(ctx, o)
	if err != nil {
		return nil, err
	}
	defer site.close()
	fmt.Fprintf(text, "hither %s; senders use %s; seed %d\n", site.version, lab.Congestion, o.seed)
	for _, s := range scenarios() {
		if !slices.Contains(o.names, s.name) {
			continue
		}
		r := &report{Scenario: s.name, Version: site.version, Congestion: lab.Congestion, text: text}
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
