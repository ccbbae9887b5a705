package measure

import (
	"context"
	"slices"
	"sync"
	"time"
)

// question is what one upstream is asked in one look: all of it, or its newest entry alone.
type question struct {
	Target
	whole bool
}

// look asks a rule's upstreams what the board wants to know of them.
func (r *Rounds) look(ctx context.Context, rule []Target, p *plan) {
	questions := r.questions(rule, p)
	results := make([]Result, len(questions))
	var all sync.WaitGroup
	for i, q := range questions {
		all.Go(func() { results[i] = r.put(ctx, q) })
	}
	all.Wait()
	r.tellSilent(results)
	r.compare(results)
}

// questions decides who is asked what. The newest entries of all are compared once in a while; where somebody is asked
// anyway, the origin's is needed beside his.
func (r *Rounds) questions(rule []Target, p *plan) []question {
	due := r.Board.Due(basesOf(rule))
	all := r.freshness(rule, p)
	some := slices.ContainsFunc(rule, func(t Target) bool { return t.Newest != "" && slices.Contains(due, t.Base) })
	avoided := r.avoided()
	var list []question
	for _, t := range rule {
		switch {
		case slices.Contains(due, t.Base):
			list = append(list, question{t, true})
		case t.Newest != "" && !avoided[t.Base] && (all || some && t.Origin):
			list = append(list, question{t, false})
		}
	}
	return list
}

// freshness says whether the newest entries of all are to be compared now.
func (r *Rounds) freshness(rule []Target, p *plan) bool {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	age := now.Sub(p.fresh)
	if !slices.ContainsFunc(rule, func(t Target) bool { return t.Newest != "" }) || age >= 0 && age < freshEvery {
		return false
	}
	p.fresh = now
	return true
}

// avoided are the upstreams that nobody should ask anything, if the board can tell: those it does not name as due may be
// well known to it, or left alone.
func (r *Rounds) avoided() map[string]bool {
	board, ok := r.Board.(interface{ Report() []Standing })
	if !ok {
		return nil
	}
	bases := map[string]bool{}
	for _, s := range board.Report() {
		bases[s.Base] = s.State == Ejected || s.State == Quarantined
	}
	return bases
}

// put asks one question, when it is its turn and if its budget allows. Otherwise the Result is zero.
func (r *Rounds) put(ctx context.Context, q question) Result {
	start := time.NewTimer(r.jitter(startSpread))
	defer start.Stop()
	select {
	case <-ctx.Done():
		return Result{}
	case <-start.C:
	}
	select {
	case <-ctx.Done():
		return Result{}
	case r.slots <- struct{}{}:
	}
	defer func() { <-r.slots }()
	if !r.afford(q.Base) {
		return Result{}
	}
	return r.ask(ctx, q)
}

func (r *Rounds) ask(ctx context.Context, q question) Result {
	if !q.whole {
		entry, cost := r.Prober.Newest(ctx, q.Target)
		r.charge(q.Base, cost)
		return Result{Base: q.Base, Origin: q.Origin, Newest: entry}
	}
	result := r.Prober.Probe(ctx, q.Target, "")
	r.charge(q.Base, result.Cost)
	if r.Log != nil {
		r.Log(result)
	}
	if result.Status != 0 { // at once: somebody may be waiting for a better order
		r.Board.Add(result.Sample())
	}
	return result
}

// tellSilent tells the board who did not answer at all. If several were asked and nobody did, it is our own network that is
// away, and nothing is said against them.
func (r *Rounds) tellSilent(results []Result) {
	var silent []Result
	answered := 0
	for _, result := range results {
		switch {
		case result.Status != 0 || result.Newest != "":
			answered++
		case !result.When.IsZero() && result.Outcome != Canceled:
			silent = append(silent, result)
		}
	}
	if answered == 0 && len(silent) > 1 {
		return
	}
	for _, result := range silent {
		r.Board.Add(result.Sample())
	}
}

// compare tells the board which mirrors lack the origin's newest entry. If the origin did not name it, nothing is said.
func (r *Rounds) compare(results []Result) {
	i := slices.IndexFunc(results, func(o Result) bool { return o.Origin && o.Newest != "" })
	if i < 0 {
		return
	}
	for _, mirror := range results {
		if !mirror.Origin && mirror.Newest != "" {
			r.Board.Behind(mirror.Base, mirror.Newest != results[i].Newest)
		}
	}
}
