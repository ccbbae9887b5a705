//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hither/bench/lab"
)

const (
	// tcpBehind is how much sooner HTTP/3 answers where it is to win.
	tcpBehind = 150 * time.Millisecond
	// leastQUIC is the share of requests over HTTP/3 that shows that it was chosen, not tried.
	leastQUIC = 0.2
	// visible is how much slower a client may be when UDP leads nowhere: what two equal runs differ by.
	visible = noise
)

// quicRow is Done-when 7.
func quicRow(ctx context.Context, w *world, r *report) error {
	ci, err := w.npmCI(ctx, "package")
	if err != nil {
		return err
	}
	if err := w.teach(ctx, cell{client: ci, bounds: []bound{{level1, 0}}}); err != nil {
		return err
	}
	if err := w.shape(ctx, line{rtt: 100, rate: 100}); err != nil {
		return err
	}
	if w.wants(r.row.name, "used") {
		if err := w.quicUsed(ctx, r, ci); err != nil {
			return err
		}
	}
	if w.wants(r.row.name, "blackhole") {
		return w.quicGone(ctx, r, ci)
	}
	return nil
}

// quicUsed counts requests by protocol where HTTP/3 is the faster way: of a Hither that knows nothing, and of the same one
// after a restart, when nothing but what was learnt of the network is left.
func (w *world) quicUsed(ctx context.Context, r *report, c client) error {
	if err := w.servers[0].offerQUIC(ctx, lab.ServerAddr(0), true, tcpBehind); err != nil {
		return err
	}
	defer w.servers[0].withdrawQUIC()
	p, err := w.start(ctx)
	if err != nil {
		return err
	}
	defer func() { p.forget() }()
	for _, what := range []string{"npm ci, requests over HTTP/3 where it is 150 ms faster", "the same after a restart"} {
		o, err := w.do(ctx, c, level1, p)
		if err != nil {
			return err
		}
		r.atLeast(result{
			Cell: "used", What: what, Got: float64(o.proto["HTTP/3.0"]) / float64(max(1, o.Requests)),
			How: fmt.Sprintf("%.2f s, by the server's log %v", o.Seconds, o.proto), Late: o.Late,
		}, leastQUIC)
		if p, err = p.restartEmpty(ctx); err != nil {
			return err
		}
	}
	return nil
}

// restartEmpty begins anew with an empty cache and the connections' memory.
func (p *product) restartEmpty(ctx context.Context) (*product, error) {
	p.stop()
	entries, err := os.ReadDir(p.state)
	if err != nil {
		return p, err
	}
	for _, e := range entries {
		if e.Name() != "sessions.json" {
			if err := os.RemoveAll(filepath.Join(p.state, e.Name())); err != nil {
				return p, err
			}
		}
	}
	next, err := p.world.startAt(ctx, p.state)
	if err != nil {
		return p, err
	}
	return next, nil
}

// quicGone compares, in turn, a source that does not offer HTTP/3 with one that does where UDP leads nowhere.
func (w *world) quicGone(ctx context.Context, r *report, c client) error {
	runs := map[way][]outcome{}
	for range w.most() {
		o, err := w.once(ctx, c, level1)
		if err != nil {
			return err
		}
		runs[direct] = append(runs[direct], o)
		if err := w.servers[0].offerQUIC(ctx, lab.ServerAddr(0), false, 0); err != nil {
			return err
		}
		o, err = w.once(ctx, c, level1)
		w.servers[0].withdrawQUIC()
		if err != nil {
			return err
		}
		runs[level1] = append(runs[level1], o)
	}
	r.compared(cell{"blackhole", "npm ci, HTTP/3 offered and UDP gone / not offered", line{rtt: 100, rate: 100}, c, []bound{{level1, visible}}}, runs)
	return nil
}
