//go:build linux

package main

import (
	"context"
	"fmt"
)

// never is how much slower than direct any cell may be.
const never = 1.10

// matrixRow is Done-when 4. A cell that misses is run again, up to the usual rounds, and judged by its medians: with one run
// each, some of a hundred cells would miss by bad luck with losses alone.
func matrixRow(ctx context.Context, w *world, r *report) error {
	clients, err := w.smallClients(ctx)
	if err != nil {
		return err
	}
	worst := result{Cell: "worst", What: "the worst of all cells"}
	for _, l := range w.matrix() {
		for _, c := range clients {
			if !w.wantsAny(r.row.name, c.name, cellName(l, c.name)) {
				continue
			}
			before := len(r.Lines)
			if err := w.compareAgain(ctx, r, cell{cellName(l, c.name), c.what, l, c.client, []bound{{level1, never}}}); err != nil {
				return err
			}
			for _, line := range r.Lines[before:] {
				worst.Got, worst.How = max(worst.Got, line.Got), "see above"
			}
		}
	}
	if worst.Got > 0 {
		r.atMost(worst, never)
	}
	return nil
}

func cellName(l line, client string) string {
	return fmt.Sprintf("%s-%g-%g-%g", client, l.rtt, l.loss, l.rate)
}

// smallClient is one whose whole work is a few megabytes: at 400 ms and 3 % a connection brings 25 KB a second.
type smallClient struct {
	name, what string
	client     client
}

func (w *world) smallClients(ctx context.Context) ([]smallClient, error) {
	const layers, size = 3, 3600 << 10
	if _, err := w.shelf.addImage("small", layers, size); err != nil {
		return nil, err
	}
	ci, err := w.npmCI(ctx, "small")
	return []smallClient{
		{"go", "go mod download, 17 modules", goClient("small", "mod", "download")},
		{"npm", "npm ci, 66 packages", ci},
		{"oci", "skopeo, 3 layers, 3.5 MiB", pull("small")},
	}, err
}

// matrix is all lines, or the few that say most.
func (w *world) matrix() (lines []line) {
	if w.brief() {
		return []line{{1, 0, 100}, {200, 0, 20}}
	}
	for _, rtt := range []float64{1, 50, 200, 400} {
		for _, loss := range []float64{0, 0.1, 1, 3} {
			for _, rate := range []float64{20, 100} {
				lines = append(lines, line{rtt, loss, rate})
			}
		}
	}
	return lines
}

// compareAgain is compare with one round, and more only where that one missed.
func (w *world) compareAgain(ctx context.Context, r *report, c cell) error {
	if err := w.teach(ctx, c); err != nil {
		return err
	}
	if err := w.shape(ctx, c.line); err != nil {
		return err
	}
	other, most := c.bounds[0].way, c.bounds[0].most
	runs := map[way][]outcome{}
	for range usualRounds {
		for _, how := range []way{direct, other} {
			o, err := w.undisturbed(ctx, r, c.client, how)
			if err != nil {
				return err
			}
			runs[how] = append(runs[how], o)
		}
		if median(runs[other]) <= most*median(runs[direct]) {
			break
		}
	}
	r.compared(c, runs)
	return nil
}
