//go:build linux

package lab

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
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Main is a laboratory's main. run gets the command line and is told by its context when somebody wants the end; what it
// returns is the exit status.
func Main(run func(ctx context.Context, args []string, out, diagnostics io.Writer) int) {
	runtime.LockOSThread()                                                                                   // children die with the thread that started them, so it must be one that stays
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0)                                 // `go run` may be killed; then we end, too
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP) //nolint:forbidigo // a program begins here
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status) //nolint:forbidigo // nothing is deferred any more
}

// Report is what a laboratory found; -json prints it.
type Report interface {
	Held() bool // whether all was as it must be
}

// Program is what a laboratory does with a command line, which makes an O of it.
type Program[O interface{ WantsJSON() bool }] struct {
	Name  string // begins each complaint
	Parse func(args []string, diagnostics io.Writer) (O, error)
	// Work writes to text what it sees. What it returns beside an error is printed by -json, too; nil: nothing is.
	Work func(ctx context.Context, o O, text io.Writer) (Report, error)
}

// Run is for [Main]: 0 if all held, 1 if not or if the laboratory itself failed, 2 for wrong usage.
func (p Program[O]) Run(ctx context.Context, args []string, out, diagnostics io.Writer) int {
	o, err := p.Parse(args, diagnostics)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(diagnostics, "%s: %v\n", p.Name, err)
		return 2
	}
	text := out
	if o.WantsJSON() {
		text = diagnostics
	}
	r, err := p.Work(ctx, o, text)
	if o.WantsJSON() && r != nil {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(r) // nobody reads it: that is no reason to fail
	}
	if err != nil {
		fmt.Fprintf(diagnostics, "%s: %v\n", p.Name, err)
		return 1
	}
	if !r.Held() {
		return 1
	}
	return 0
}

// Options are what all command lines have. A laboratory's own embed them.
type Options struct {
	Only []string // the names after -run; empty: all is to run

	asJSON bool
	run    string
}

// WantsJSON says whether one JSON document is wanted on standard output, and the text beside it.
func (o Options) WantsJSON() bool { return o.asJSON }

// Flags begins a command line; run explains -run.
func (o *Options) Flags(name, run string, diagnostics io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(diagnostics)
	flags.StringVar(&o.run, "run", "", run)
	flags.BoolVar(&o.asJSON, "json", false, "print one JSON document at the end; the text goes to standard error")
	return flags
}

// Read reads a command line whose flags are all known. thing is what -run names, and there says whether one is there.
func (o *Options) Read(flags *flag.FlagSet, args []string, thing string, there func(name string) bool) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not understood; name %ss with -run", flags.Arg(0), thing)
	}
	for name := range strings.SplitSeq(o.run, ",") {
		if name == "" {
			continue
		}
		if !there(name) {
			return fmt.Errorf("there is no %s %q; see -h", thing, name)
		}
		o.Only = append(o.Only, name)
	}
	return nil
}
