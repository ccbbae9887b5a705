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
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/bench/lab"
)

// options are the command line.
type options struct {
	lab.Options
	short  bool
	rounds int    // 0: as each row says
	seed   uint64 // of losses
	binary string // a hither to test; empty: that of this tree
	cache  string // where recordings and peers are kept
	logs   string // a directory for the registries' logs; empty: none
	// cells are those that rows had to ask about, as 1.list; nil: nobody keeps account
	cells map[string]bool
}

// wants says whether a cell is to run. A row is named by its number, a cell by "1.list".
func (o options) wants(row, cell string) bool {
	if o.cells != nil && cell != "" {
		o.cells[row+"."+cell] = true
	}
	return len(o.Only) == 0 || slices.Contains(o.Only, row) || slices.ContainsFunc(o.Only, func(name string) bool {
		return name == row+"."+cell || cell == "" && strings.HasPrefix(name, row+".")
	})
}

// unknown says that a name is of a cell that its row does not have; nil: it has it, or the name is a row's. The rows have run.
func (o options) unknown(name string) error {
	row, _, isCell := strings.Cut(name, ".")
	if !isCell || o.cells[name] {
		return nil
	}
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(o.cells)), func(cell string) bool { return !strings.HasPrefix(cell, row+".") })
	if len(others) == 0 {
		return fmt.Errorf("there is no cell %q: name the whole row, -run %s", name, row)
	}
	return fmt.Errorf("there is no cell %q; there are %s", name, strings.Join(others, ", "))
}

// brief says whether what takes long is left out. Who names a row or a cell gets all of it.
func (o options) brief() bool { return o.short && len(o.Only) == 0 }

// wantsAny says whether any of some cells is to run.
func (o options) wantsAny(row string, cells ...string) bool {
	wanted := false
	for _, cell := range cells {
		wanted = o.wants(row, cell) || wanted // each is asked about
	}
	return wanted
}

func main() {
	if filepath.Base(os.Args[0]) == npmName {
		lab.Main(func(ctx context.Context, _ []string, _, diagnostics io.Writer) int { return beNpm(ctx, diagnostics) })
		return
	}
	lab.Main(program().Run)
}

func program() lab.Program[options] {
	return lab.Program[options]{Name: "speed", Parse: parse, Work: runAll}
}

func parse(args []string, diagnostics io.Writer) (o options, err error) {
	flags := o.Flags("speed", "the `rows` to run, with commas, as 1,3 or 1.list; empty: all", diagnostics)
	flags.BoolVar(&o.short, "short", false, "fewer cells, smaller things, one round")
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
	err = o.Read(flags, args, "row", func(name string) bool {
		number, _, _ := strings.Cut(name, ".") // cells have dots, too
		return slices.ContainsFunc(rows(), func(r row) bool { return r.name == number })
	})
	if err != nil {
		return o, err
	}
	if o.rounds < 0 {
		return o, fmt.Errorf("-rounds %d: nothing is measured less than once; 0 leaves it to the rows", o.rounds)
	}
	o.cells = map[string]bool{}
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
func runAll(ctx context.Context, o options, text io.Writer) (lab.Report, error) {
	s, err := newSite(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
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
	for _, name := range o.Only {
		if err := o.unknown(name); err != nil && len(r.Errors) == 0 { // a row that ended early did not come to all of its cells
			r.wrong(err)
		}
	}
	r.end()
	return r, nil
}
