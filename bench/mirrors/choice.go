//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"hither/bench/lab"
)

// class is objects of one size, and how many are asked for.
type class struct {
	name  string
	size  int64
	count int
}

func (s *site) classes() []class {
	if s.short {
		return []class{{"small", 8 << 10, 30}, {"medium", 512 << 10, 26}, {"large", 4 << 20, 12}}
	}
	return []class{{"small", 8 << 10, 60}, {"medium", 512 << 10, 40}, {"large", 8 << 20, 26}}
}

// wantSettled is the promise of issue 3.
const wantSettled = 20

// asked is what a series of requests saw.
type asked struct {
	sources []string // who served each
	took    []time.Duration
	parted  bool   // Hither named no single source of some, so who sent the most stands there
	first   string // whom it would ask first at the end, and why
}

// choice finds the true best of each class by asking all directly, and then whom Hither chooses, knowing nothing.
func choice(ctx context.Context, l *world, r *report) error {
	for _, c := range l.classes() {
		took, err := l.truth(ctx, c)
		if err != nil {
			return err
		}
		r.note("%s (%d KiB), direct: %s", c.name, c.size>>10, describeTruth(took))
		seen, err := l.askCold(ctx, c)
		r.note("%s, through Hither: %s", c.name, sequence(seen.sources))
		if err != nil {
			return err
		}
		c.judge(seen, took, r)
	}
	return nil
}

func (c class) judge(seen asked, direct map[string]time.Duration, r *report) {
	if seen.parted {
		r.note("%s came in parts: the names are of those who sent the most", c.name)
	}
	r.note("%s, its choice at the end: %s", c.name, seen.first)
	after, ok := settled(seen.sources, asGood(direct))
	if !ok {
		after = len(seen.sources)
	}
	least := slices.Min(slices.Collect(maps.Values(direct)))
	r.figure(c.name+": the first request", float64(seen.took[0].Milliseconds()), "ms")
	r.figure(c.name+": median request / the best direct one", float64(median(seen.took))/float64(least), "")
	r.figure(c.name+": answers of others after the choice", float64(strays(seen.sources)), "requests")
	r.verdict(c.name+": requests until the best was chosen for good", float64(after), fmt.Sprintf("≤ %d, of %d", wantSettled, c.count), ok && after <= wantSettled)
}

// truth is the median time of each server that works. One that is far slower than the best so far is not waited for.
func (l *world) truth(ctx context.Context, c class) (map[string]time.Duration, error) {
	const tries = 3
	took := map[string]time.Duration{}
	patience := 8 * time.Second
	links := slices.Clone(l.Links)
	slices.SortStableFunc(links, func(a, b lab.Link) int { return int(a.Loss*1000 - b.Loss*1000) })
	for _, link := range links {
		all, err := l.timeDirect(ctx, link.Name, c, tries, patience)
		if err != nil {
			return nil, err
		}
		if len(all) == tries {
			took[link.Name] = median(all)
			patience = min(patience, max(2*time.Second, 2*took[link.Name]))
		}
	}
	if len(took) == 0 {
		return nil, errors.New("no server answers directly: the lab is broken")
	}
	return took, nil
}

// timeDirect has a warm connection, as Hither would have. It ends at the first that is late.
func (l *world) timeDirect(ctx context.Context, name string, c class, tries int, patience time.Duration) (all []time.Duration, err error) {
	direct := l.direct(name)
	defer direct.close()
	for i := range tries + 1 {
		o, err := l.registry.add(fmt.Sprintf("truth %s %s %d", c.name, name, i), c.size)
		if err != nil {
			return nil, err
		}
		timed, cancel := context.WithTimeout(ctx, patience)
		t := direct.get(timed, o, nil)
		cancel()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if t.err != nil {
			return all, nil
		}
		if i > 0 { // the first warmed it up
			all = append(all, t.took)
		}
	}
	return all, nil
}

func describeTruth(took map[string]time.Duration) string {
	names := make([]string, 0, len(took))
	for name := range took {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(took[a] - took[b]) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %s", name, took[name].Round(time.Millisecond))
	}
	return strings.Join(names, ", ") + "; others are far slower or dead"
}

// askCold asks a new Hither for one object after another. An error of a client is an error of the scenario.
func (l *world) askCold(ctx context.Context, c class) (seen asked, err error) {
	p, err := l.start(ctx)
	if err != nil {
		return seen, err
	}
	defer p.stop()
	through := p.through()
	defer through.close()
	var last object
	for i := range c.count {
		if last, err = l.registry.add(fmt.Sprintf("%s %d", c.name, i), c.size); err != nil {
			return seen, err
		}
		t := through.get(ctx, last, nil)
		if t.err != nil {
			return seen, fmt.Errorf("the client of %s object %d saw an error: %w", c.name, i, t.err)
		}
		if t.source == "" {
			seen.parted, t.source = true, l.busiest(last)
		}
		seen.sources, seen.took = append(seen.sources, t.source), append(seen.took, t.took)
	}
	name, why, err := p.first(ctx, last.path())
	seen.first = name + " (" + why + ")"
	return seen, err
}
