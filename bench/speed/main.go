//go:build linux

// Speed holds Hither against going direct, and against the servers that one could have instead. It builds a far link
// (bench/wan) to registries that answer what the real ones answered once, and has real clients (go, npm, docker, skopeo,
// curl) ask them: directly and through the real `hither up`, in turn, with empty caches. Each line is a ratio and its bound.
//
//	go run ./bench/speed                  all rows; root; about 40 minutes, and a few more the first time
//	go run ./bench/speed -short           less of each, about 6 minutes
//	go run ./bench/speed -run 1,2         some rows; 1.list is one cell of a row
//	go run ./bench/speed -json            one JSON document instead of text
//	go run ./bench/speed -hither PATH     another program than that of this tree
//	go run ./bench/speed -log DIR         every request that the registries saw, a file for each run
//
// What was recorded lies in ~/.cache/hither-bench and is used again. Everything else is removed at the end, also after
// Ctrl-C. The exit status is 0 if all bounds were kept, 1 if not or if the bench itself failed, 2 for wrong usage.
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
	"path/filepath"
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
	rounds int    // 0: as each row says
	seed   uint64 // of losses
	binary string // a hither to test; empty: that of this tree
	cache  string // where recordings and peers are kept
	logs   string // a directory for the registries' logs; empty: none
	only   []string
}

// wants says whether a cell is to run. A row is named by its number, a cell by "1.list".
func (o options) wants(row, cell string) bool {
	return len(o.only) == 0 || slices.Contains(o.only, row) || slices.ContainsFunc(o.only, func(name string) bool {
		return name == row+"."+cell || cell == "" && strings.HasPrefix(name, row+".")
	})
}

// brief says whether what takes long is left out. Who names a row or a cell gets all of it.
func (o options) brief() bool { return o.short && len(o.only) == 0 }

// wantsAny says whether any of some cells is to run.
func (o options) wantsAny(row string, cells ...string) bool {
	return slices.ContainsFunc(cells, func(cell string) bool { return o.wants(row, cell) })
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
		fmt.Fprintln(diagnostics, "speed:", err)
		return 2
	}
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0) // `go run` may be killed; then we end, too
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
		fmt.Fprintln(diagnostics, "speed:", err)
		return 1
	}
	if !r.held() {
		return 1
	}
	return 0
}

func parse(args []string, diagnostics io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("speed", flag.ContinueOnError)
	flags.SetOutput(diagnostics)
	names := flags.String("run", "", "the `rows` to run, with commas, as 1,3 or 1.list; empty: all")
	flags.BoolVar(&o.short, "short", false, "fewer cells, smaller things, one round")
	flags.BoolVar(&o.asJSON, "json", false, "print one JSON document at the end; the text goes to standard error")
	flags.IntVar(&o.rounds, "rounds", 0, "`times` that each client runs each way; 0: up to three, fewer where it takes long")
	flags.Uint64Var(&o.seed, "seed", 1, "of packet losses")
	flags.StringVar(&o.binary, "hither", "", "`path` of the program to test; empty: build it from this tree")
	flags.StringVar(&o.cache, "cache", "", "`directory` of recordings and peers; empty: hither-bench in the user's cache directory")
	flags.StringVar(&o.logs, "log", "", "`directory` for a log of each run's requests; empty: none")
	flags.Usage = func() {
		fmt.Fprint(diagnostics, "go run ./bench/speed: Hither beside going direct. Needs root.\n\n")
		flags.PrintDefaults()
		fmt.Fprint(diagnostics, "\nRows:\n")
		for _, row := range rows() {
			fmt.Fprintf(diagnostics, "  %s  %s\n", row.name, row.about)
		}
	}
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
		number, _, _ := strings.Cut(name, ".") // cells have dots, too
		if !slices.ContainsFunc(rows(), func(r row) bool { return r.name == number }) {
			return o, fmt.Errorf("there is no row %q; see -h", name)
		}
		o.only = append(o.only, name)
	}
	if o.cache == "" {
		home, err := os.UserCacheDir()
		if err != nil {
			return o, fmt.Errorf("%w: say with -cache where recordings may be kept", err)
		}
		o.cache = filepath.Join(home, "hither-bench")
	}
	return o, nil
}

// runAll runs the rows one after another. One that fails does not end the others.
func runAll(ctx context.Context, o options, text io.Writer) (*report, error) {
	s, err := newSite(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	r := newReport(s, text)
	for _, row := range rows() {
		if !o.wants(row.name, "") || len(row.cells) > 0 && !o.wantsAny(row.name, row.cells...) {
			continue
		}
		r.begin(row)
		if err := s.run(ctx, row, r); err != nil {
			r.fail(err)
		}
		if ctx.Err() != nil {
			return r, errors.New("it was interrupted; everything is removed")
		}
	}
	r.end()
	return r, nil
}
