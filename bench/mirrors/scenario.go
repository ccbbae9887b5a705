//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"hither/bench/lab"
)

// scenario is an experiment.
type scenario struct {
	name  string
	about string
	links []lab.Link // the first is the origin's
	run   func(context.Context, *world, *report) error
}

// far is a link: milliseconds of round trip and ± milliseconds of jitter one way, percent of loss each way, Mbit/s.
func far(name string, rtt, jitter, loss, rate float64) lab.Link {
	return lab.Link{Name: name, RTT: rtt, Jitter: jitter, Loss: loss, Rate: rate}
}

// limits of one scenario. One that is not done by then is wrong, or the product is.
const (
	limit      = 3*time.Minute + 30*time.Second
	shortLimit = 90 * time.Second
)

func scenarios() []scenario {
	five := []lab.Link{
		far("origin", 220, 3, 1, 20),
		far("near", 30, 1, 0.1, 12), // best for what is small
		far("mid", 60, 1, 0, 100),   // best for all else
		far("far", 90, 2, 0.5, 20),
		far("dead", 30, 0, 100, 100),
	}
	return []scenario{
		{"links", "the emulator itself: are the links as they were ordered?", []lab.Link{
			far("origin", 220, 0, 0, 20), far("fast", 20, 0, 0, 100), far("wide", 60, 0, 0, 80), far("slow", 30, 0, 0, 2),
		}, measureLinks},
		{"choice", "from a cold start, after how many requests is the best source chosen for good?", five, choice},
		{"kill", "the best link dies in mid-download, and comes back", []lab.Link{
			far("origin", 220, 3, 1, 20), far("first", 30, 1, 0, 40), far("second", 60, 1, 0, 40), far("third", 90, 1, 0, 40), far("dead", 30, 0, 100, 100),
		}, kill},
		{"parts", "one large object over links of 20, 20 and 40 Mbit/s, beside curl from each", []lab.Link{
			far("origin", 60, 1, 0, 20), far("east", 40, 1, 0, 20), far("west", 50, 1, 0, 40),
		}, parts},
		{"lossy", "one link of 100 ms, 0.5 % loss and 50 Mbit/s: Hither beside one connection of curl", []lab.Link{
			far("origin", 100, 0, 0.5, 50),
		}, lossy},
		{"extra", "what hedges and probes cost, over a mixed run", five, extra},
	}
}

// run gives a scenario its lab, and its time.
func (s *site) run(ctx context.Context, what scenario, r *report) (err error) {
	most := limit
	if s.short {
		most = shortLimit
	}
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it was not done within %s", most))
	defer cancel()
	began := time.Now()
	fmt.Fprintf(r.text, "\n%s: %s\n", what.name, what.about)
	for _, l := range what.links {
		fmt.Fprintf(r.text, "  link %s\n", l)
	}
	l, err := s.build(ctx, what.links)
	if err != nil {
		return err
	}
	defer l.Close()
	err = what.run(ctx, l, r)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	r.Took = time.Since(began).Seconds()
	l.judgeEmulator(ctx, r)
	return err
}
