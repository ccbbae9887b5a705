//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// cell is a client on a line, and what is promised of it.
type cell struct {
	name   string
	what   string // the client in words
	line   line
	client client
	bounds []bound // the ways beside direct, in the order in which they take turns
}

type bound struct {
	way  way
	most float64 // of the ratio to direct; 0: no promise
}

const (
	usualRounds = 3
	// enough is how long one cell may go on for the sake of more rounds.
	enough = 100 * time.Second
)

// compare runs a client directly and the other ways, in turn, and adds a line for each way.
func (w *world) compare(ctx context.Context, r *report, c cell) error {
	if !w.wants(r.row.name, c.name) {
		return nil
	}
	if err := w.teach(ctx, c); err != nil {
		return err
	}
	if err := w.shape(ctx, c.line); err != nil {
		return err
	}
	runs, err := w.rounds(ctx, r, c)
	if err != nil {
		return err
	}
	r.compared(c, runs)
	return nil
}

// compared adds the lines of a cell.
func (r *report) compared(c cell, runs map[way][]outcome) {
	straight := median(runs[direct])
	for _, b := range c.bounds {
		got := median(runs[b.way])
		l := result{
			Cell: c.name, What: fmt.Sprintf("%s, %s, %s", c.what, c.line, b.way), Got: got / straight, Late: latest(runs),
			How:  fmt.Sprintf("%.2f s of %.2f s, %s", got, straight, costs(runs[direct], runs[b.way])),
			Runs: map[string][]outcome{string(direct): runs[direct], string(b.way): runs[b.way]}, Wrong: cmp.Or(unlike(runs[direct], runs[b.way]), disturbed(runs[direct], runs[b.way])),
		}
		if b.most > 0 {
			r.atMost(l, b.most)
		} else {
			r.add(l)
		}
	}
}

// unlike says that what clients made differs, so that their times cannot be compared: who is told of fewer versions, or of other
// bytes, may be sooner done. Empty: it does not.
func unlike(straight, other []outcome) string {
	for i, o := range slices.Concat(straight, other) {
		if o.left != straight[0].left {
			return fmt.Sprintf("it made something else than the first run did, in run %d of both ways: what is compared is not the same work", i+1)
		}
	}
	return ""
}

// disturbed says that a registry asked the real one in runs that count: the client waited for that. Empty: in none.
func disturbed(straight, other []outcome) string {
	var n int64
	for _, o := range slices.Concat(straight, other) {
		n += o.recorded
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d requests were not recorded, and had to wait for the real registries: run it once more, with these in reach", n)
}

// rounds runs all ways in turn.
func (w *world) rounds(ctx context.Context, r *report, c cell) (map[way][]outcome, error) {
	most := w.most()
	runs, began := map[way][]outcome{}, time.Now()
	for i := range most {
		if i > 0 && w.options.rounds == 0 && time.Since(began)*time.Duration(i+1)/time.Duration(i) > enough {
			break // another round would be too long
		}
		for _, way := range c.ways() {
			o, err := w.undisturbed(ctx, r, c.client, way)
			if err != nil {
				return runs, err
			}
			runs[way] = append(runs[way], o)
		}
	}
	return runs, nil
}

// most is how often each way is gone.
func (o options) most() int {
	switch {
	case o.rounds > 0:
		return o.rounds
	case o.short:
		return 1
	}
	return usualRounds
}

func (c cell) ways() []way {
	ways := []way{direct}
	for _, b := range c.bounds {
		ways = append(ways, b.way)
	}
	return ways
}

// undisturbed runs a client, and once more if the registry had to ask the real one meanwhile.
func (w *world) undisturbed(ctx context.Context, r *report, c client, how way) (outcome, error) {
	o, err := w.once(ctx, c, how)
	if err == nil && o.recorded > 0 {
		r.note("%s, %s: %d requests were recorded only now; it runs again", c.name, how, o.recorded)
		o, err = w.once(ctx, c, how)
	}
	return o, err
}

// teach lets every way run once over a perfect line, so that all that is asked for is recorded. What was taught is kept
// from run to run.
func (w *world) teach(ctx context.Context, c cell) error {
	lesson := cmp.Or(c.client.lesson, c.client.name)
	for _, way := range c.ways() {
		mark := filepath.Join(w.cache, "taught-"+fileName(lesson)+"-"+string(way))
		if _, err := os.Stat(mark); err == nil {
			continue
		}
		if err := w.shape(ctx, line{}); err != nil {
			return err
		}
		if _, err := w.once(ctx, c.client, way); err != nil {
			return err
		}
		if err := os.WriteFile(mark, nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// median is of seconds; the mean of the middle two if there is no middle.
func median(runs []outcome) float64 {
	var all []float64
	for _, o := range runs {
		all = append(all, o.Seconds)
	}
	return middle(all)
}

func middle(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// latest is the largest share of late packets in any run.
func latest(runs map[way][]outcome) (most float64) {
	for _, all := range runs {
		for _, o := range all {
			most = max(most, o.Late)
		}
	}
	return most
}

// costs compares what servers saw, in the last runs.
func costs(straight, other []outcome) string {
	a, b := straight[len(straight)-1], other[len(other)-1]
	text := fmt.Sprintf("%d of %d requests, %.1f of %.1f MB, %d of %d connections",
		b.Requests, a.Requests, float64(b.Bytes)/1e6, float64(a.Bytes)/1e6, b.Conns, a.Conns)
	if b.Served > 0 {
		text += fmt.Sprintf(", %.1f s of a processor", b.Served)
	}
	return text
}
