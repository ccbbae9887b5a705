package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"hither/rules"
)

// speed measures one small document of each registry, directly and through Hither.
type speed struct{}

// Name implements Check.
func (speed) Name() string { return "speed" }

// Patience is for six small documents over a slow link.
func (speed) Patience() time.Duration { return 10 * time.Second }

const (
	// rounds is how often each way is measured; the median of three forgives one slow one.
	rounds = 3
	// measuredRules is how many registries are measured: the first that can be.
	measuredRules = 1
	// oneWait bounds one document.
	oneWait = 4 * time.Second
)

// Run implements Check. It is silent where there is nothing to measure: without a running Hither, a rule with a probe, or
// a network.
func (c speed) Run(ctx context.Context, p *Patient) (out []Finding) {
	if p.Quick || !p.Daemon.Running || len(p.root()) == 0 {
		return nil
	}
	set, err := p.rules()
	if err != nil {
		return nil
	}
	for _, rule := range set.Rules() {
		if target := document(rule); target != "" && len(out) < measuredRules {
			if f, ok := c.compare(ctx, p, target); ok {
				out = append(out, f)
			}
		}
	}
	return out
}

// document is a small file of a registry that never changes; empty: it has none.
func document(rule *rules.Rule) string {
	if len(rule.Hosts) == 0 || rule.Probe.Path == "" || rule.Auth != "" {
		return ""
	}
	return "https://" + rule.Hosts[0].Name + rule.Probe.Path
}

// compare measures both ways by turns, each time with a connection of its own as a new command would have. False: one of
// them does not work, which other checks name.
func (speed) compare(ctx context.Context, p *Patient, target string) (Finding, bool) {
	var before, after []time.Duration
	for range rounds {
		took, ok := measure(ctx, p.direct(), target)
		if !ok {
			return Finding{}, false
		}
		before = append(before, took)
		through, err := p.through()
		if err != nil {
			return Finding{}, false
		}
		if took, ok = measure(ctx, through, target); !ok {
			return Finding{}, false
		}
		after = append(after, took)
	}
	direct, ours := median(before), median(after)
	ratio := float64(direct) / float64(max(ours, time.Microsecond))
	words := fmt.Sprintf("%.1f times as fast", ratio)
	if ratio < 1 {
		words = fmt.Sprintf("%.1f times as slow", 1/ratio)
	}
	f := well(fmt.Sprintf("%s takes %v directly and %v through Hither: %s", target, round(direct), round(ours), words))
	if ratio < 0.5 && ours-direct > 50*time.Millisecond {
		f = note(f.Cause, "See whom Hither asks, and why: `"+p.call("why")+" "+p.Shell.Quote(target)+"`.")
	}
	return f.with("direct", direct.String()).with("through", ours.String()).with("ratio", fmt.Sprintf("%.2f", ratio)), true
}

// measure is one document over a new connection.
func measure(ctx context.Context, by *http.Transport, target string) (time.Duration, bool) {
	ctx, cancel := context.WithTimeout(ctx, oneWait)
	defer cancel()
	defer by.CloseIdleConnections()
	answer, err := get(ctx, by, http.MethodGet, target)
	return answer.Took, err == nil && answer.Status == http.StatusOK
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// noting remembers that a connection came about.
func noting(dial func(context.Context, string, string) (net.Conn, error), connected *atomic.Bool) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			connected.Store(true)
		}
		return conn, err
	}
}
