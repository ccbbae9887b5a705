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

	"golang.org/x/sys/unix"
)

// options are the command line.
type options struct {
	short  bool
	asJSON bool
	rounds int
	binary string // a hither to test; empty: this tree's resolver, in a program of its own
	only   []string
}

// rowNames are what -run takes, in their order.
func rowNames() []string { return []string{"cached", "uncached", "allocations", "flood"} }

func (o options) wants(row string) bool { return len(o.only) == 0 || slices.Contains(o.only, row) }

func main() {
	runtime.LockOSThread()                                                                                   // children die with the thread that started them, so it must be one that stays
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP) //nolint:forbidigo // a program begins here
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status) //nolint:forbidigo // nothing is deferred any more
}

// run also plays the other parts: the bench starts itself as authority and as resolver, so that each is a process whose
// costs can be told apart.
func run(ctx context.Context, args []string, out, diagnostics io.Writer) int {
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0) // `go run` may be killed; then we end, too
	if len(args) > 0 {
		if part, ok := parts()[args[0]]; ok {
			if err := part(ctx, args[1:]); err != nil {
				fmt.Fprintf(diagnostics, "dns %s: %v\n", args[0], err)
				return 1
			}
			return 0
		}
	}
	o, err := parse(args, diagnostics)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(diagnostics, "dns:", err)
		return 2
	}
	text := out
	if o.asJSON {
		text = diagnostics
	}
	r, err := runAll(ctx, o, text)
	if o.asJSON && r != nil {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(r) // nobody reads it: that is no reason to fail
	}
	if err != nil {
		fmt.Fprintln(diagnostics, "dns:", err)
		return 1
	}
	if !r.held() {
		return 1
	}
	return 0
}

// parts are what the bench starts itself as.
func parts() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"authority": serveAuthority, "resolver": serveResolver}
}

func parse(args []string, diagnostics io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("dns", flag.ContinueOnError)
	flags.SetOutput(diagnostics)
	names := flags.String("run", "", "the `rows` to run, with commas; empty: all of "+strings.Join(rowNames(), ","))
	flags.BoolVar(&o.short, "short", false, "shorter runs and one round")
	flags.BoolVar(&o.asJSON, "json", false, "print one JSON document at the end; the text goes to standard error")
	flags.IntVar(&o.rounds, "rounds", 0, "`times` that each server is asked, in turn; 0: three, or one with -short")
	flags.StringVar(&o.binary, "hither", "", "`path` of a program to test as it is (up --dns); empty: this tree's resolver alone")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is not understood; name rows with -run", flags.Arg(0))
	}
	for name := range strings.SplitSeq(*names, ",") {
		if name == "" {
			continue
		}
		if !slices.Contains(rowNames(), name) {
			return o, fmt.Errorf("there is no row %q; there are %s", name, strings.Join(rowNames(), ", "))
		}
		o.only = append(o.only, name)
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
func runAll(ctx context.Context, o options, text io.Writer) (*report, error) {
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
