//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"hither/bench/lab"
)

// Bounds of issue 5's Done-when 2 and 3.
const (
	leastBesideDnsmasq        = 1.0  // cached
	leastBesideUnbound        = 0.75 // cached
	mostCached                = 8.0  // µs of processor a cached question
	leastUncached             = 2.0  // beside dnsmasq
	mostUncached              = 40.0 // µs
	mostGrowth                = 1.1  // of memory, from one flood to the next
	mostAfterFlood            = 30.0 // MiB
	cachedNames               = 1000
	seedOfCached       uint64 = 1
)

// bench is an upstream that runs, and where files are.
type bench struct {
	options
	self     string // this program
	dir      string
	upstream netip.AddrPort
	undo     lab.Undo
}

func newBench(ctx context.Context, o options) (_ *bench, err error) {
	if _, err := exec.LookPath("dnsperf"); err != nil {
		return nil, errors.New("dnsperf is missing: install it with bench/peers")
	}
	b := &bench{options: o}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", lab.Prefix+"dns-"); err != nil {
		return nil, err
	}
	b.undo.Add(func() { _ = os.RemoveAll(b.dir) })
	if b.upstream, err = freePort(ctx); err != nil {
		return nil, err
	}
	authority, err := start(ctx, "authority", []string{b.self, "authority", b.upstream.String()}, b.upstream)
	if err != nil {
		return nil, err
	}
	b.undo.Add(authority.stop)
	return b, nil
}

func (b *bench) close() { b.undo.All() }

// startAll starts a fresh one of each kind. The caller stops them, also after an error.
func (b *bench) startAll(ctx context.Context) (all []*server, err error) {
	for _, k := range b.kinds() {
		addr, err := freePort(ctx)
		if err != nil {
			return all, err
		}
		dir, err := os.MkdirTemp(b.dir, k.name+"-")
		if err != nil {
			return all, err
		}
		argv, err := k.argv(dir, addr, b.upstream)
		if err != nil {
			return all, err
		}
		s, err := start(ctx, k.name, argv, addr, "HOME="+dir)
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

func stopAll(all []*server) {
	for _, s := range all {
		s.stop()
	}
}

// round asks each server once, and keeps what was seen; long is as for ask.
func (r *report) round(ctx context.Context, all []*server, file string, long time.Duration) error {
	for _, s := range all {
		l, err := ask(ctx, s, file, long)
		if err != nil {
			return err
		}
		r.saw(s.Name, l)
	}
	return nil
}

// cached asks for the same thousand names for some seconds, after all were asked once.
func (b *bench) cached(ctx context.Context, r *report) error {
	r.begin("cached", fmt.Sprintf("%d names, again and again", cachedNames))
	all, err := b.startAll(ctx)
	defer func() { stopAll(all) }()
	if err != nil {
		return err
	}
	file := filepath.Join(b.dir, "cached")
	if err := writeNames(file, cachedNames, seedOfCached); err != nil {
		return err
	}
	long := 6 * time.Second
	if b.short {
		long = 3 * time.Second
	}
	for _, s := range all {
		if _, err := ask(ctx, s, file, 0); err != nil {
			return err
		}
	}
	for range b.rounds {
		if err := r.round(ctx, all, file, long); err != nil {
			return err
		}
	}
	r.costs()
	r.atLeast("questions a second / dnsmasq", r.ratio("hither", "dnsmasq"), leastBesideDnsmasq)
	r.atLeast("questions a second / unbound", r.ratio("hither", "unbound"), leastBesideUnbound)
	r.atMost("processor, µs a question", r.median("hither", cpu), mostCached)
	return nil
}

// uncached asks for names that nobody has heard of, each once.
func (b *bench) uncached(ctx context.Context, r *report) error {
	count := 100_000
	if b.short {
		count = 30_000
	}
	r.begin("uncached", fmt.Sprintf("%d names, each once; the upstream answers at once", count))
	all, err := b.startAll(ctx)
	defer func() { stopAll(all) }()
	if err != nil {
		return err
	}
	for round := range b.rounds {
		file := filepath.Join(b.dir, "uncached")
		if err := writeNames(file, count, seedOfCached+1+uint64(round)); err != nil {
			return err
		}
		if err := r.round(ctx, all, file, 0); err != nil {
			return err
		}
	}
	r.costs()
	r.atLeast("questions a second / dnsmasq", r.ratio("hither", "dnsmasq"), leastUncached)
	r.figure("questions a second / unbound", r.ratio("hither", "unbound"))
	r.atMost("processor, µs a question", r.median("hither", cpu), mostUncached)
	return nil
}

// flood asks for more random names than fit, twice, and looks at the memory before and after each.
func (b *bench) flood(ctx context.Context, r *report) error {
	count := 100_000
	if b.short {
		count = 50_000
	}
	r.begin("flood", fmt.Sprintf("two floods of %d random names each", count))
	all, err := b.startAll(ctx)
	defer func() { stopAll(all) }()
	if err != nil {
		return err
	}
	for _, s := range all {
		var sizes []float64
		for wave := range uint64(3) {
			if wave > 0 {
				file := filepath.Join(b.dir, "flood")
				if err := writeNames(file, count, 1000+wave); err != nil {
					return err
				}
				if _, err := ask(ctx, s, file, 0); err != nil {
					return err
				}
			}
			size, err := anonymous(s.pid())
			if err != nil {
				return err
			}
			sizes = append(sizes, size)
		}
		r.note("%-8s %6.1f MiB before, %6.1f after one, %6.1f after two", s.Name, sizes[0], sizes[1], sizes[2])
		if s.Name == "hither" {
			r.atMost("memory after the second flood / after the first", sizes[2]/sizes[1], mostGrowth)
			if b.binary == "" {
				r.atMost("memory after both, MiB", sizes[2], mostAfterFlood)
			}
		}
	}
	return nil
}

// allocations runs the resolver's own benchmark of a cached question.
func (b *bench) allocations(ctx context.Context, r *report) error {
	r.begin("allocations", "the resolver's own benchmark")
	said, err := lab.Output(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkCached$", "-benchmem", "-benchtime", "0.5s", "hither/resolver")
	if err != nil {
		return err
	}
	found := regexp.MustCompile(`(?m)^BenchmarkCached\S*\s.*\s(\d+) allocs/op`).FindSubmatch(said)
	if found == nil {
		return fmt.Errorf("there is no BenchmarkCached in hither/resolver: %s", said)
	}
	allocs, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		return err
	}
	r.atMost("allocations a cached question", allocs, 0)
	return nil
}
