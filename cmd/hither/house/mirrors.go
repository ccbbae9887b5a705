package house

import (
	"cmp"
	"context"
	"slices"
	"time"

	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/why"
	"hither/forward/measure"
	"hither/rules"
)

// Survey implements control.Daemon. Surveys take turns, round by round, so that they do not measure each other.
func (h *House) Survey(ctx context.Context, ask mirrors.Ask, progress func(mirrors.SurveyLine)) (mirrors.Survey, error) {
	s := mirrors.Surveyor{Probe: h.Probe, Board: h.Board, Heard: h.surveyed, Turns: &h.turns, Pauses: &h.pauses, Daemon: true}
	return s.Survey(ctx, h.Book.Now(), ask, progress)
}

// surveyed counts what a measurement cost, and takes it from the upstream's budget for today.
func (h *House) surveyed(r measure.Result) {
	s := r.Sample()
	s.Bytes = r.Cost
	h.Ledger.Tally(s)
	if !r.Unspoken {
		h.Rounds.Charge(r.Base, r.Cost)
	}
}

// History implements control.Daemon.
func (h *House) History(context.Context) ([]mirrors.History, error) {
	return mirrors.Histories(h.Book.Now(), h.Board, time.Now().Add(-mirrors.HeatSpan)), nil
}

// Choose implements control.Daemon.
func (h *House) Choose(_ context.Context, change mirrors.Change) (string, error) {
	return h.Book.Choose(change)
}

// sources tells who would be asked now, and why in that order. Where no authority names the bytes, the origin goes first.
func (h *House) sources(m rules.Match, e *why.Explanation) {
	if !e.Keeps() {
		origin := m.Origins()[0]
		e.Sources = []why.Source{{URL: origin.URL, Origin: true, Why: "the request goes there as it comes"}}
		return
	}
	byBase := make(map[string]rules.Source)
	var bases []string
	for _, s := range m.Sources() {
		byBase[s.Base] = s
		bases = append(bases, s.Base)
	}
	places := mirrors.Rank(h.Board, m.Rule, bases, objectOf(m, e))
	first := m.Path.Notary == "" && m.Path.From == rules.FromAny
	if first {
		slices.SortStableFunc(places, func(a, b measure.Place) int {
			return cmp.Compare(rankOrigin(byBase[a.Base]), rankOrigin(byBase[b.Base]))
		})
	}
	for _, p := range places {
		e.Sources = append(e.Sources, newExplanationSource(p, byBase[p.Base], m.Rule.Pin, first))
	}
	if len(places) > 1 {
		e.Choice = mirrors.NewChoice(places, m.Rule.Pin, func(base string) bool { return byBase[base].Origin })
		e.Choice.Reason = e.Sources[0].Why
	}
}

// objectOf is what the board is told of an object when it is fetched.
func objectOf(m rules.Match, e *why.Explanation) measure.Object {
	o := measure.Object{Name: m.Name, Changes: m.Path.Keep != rules.Forever}
	if e.Cached != nil {
		o.Size = e.Cached.Size
	}
	return o
}

func newExplanationSource(p measure.Place, s rules.Source, pin string, first bool) why.Source {
	out := why.Source{
		URL: s.URL, Origin: s.Origin, Why: cmp.Or(p.Reason, "not asked yet"), State: p.State, Pinned: pin != "" && p.Base == pin, Hole: p.Hole, Behind: p.Behind,
	}
	if first && s.Origin {
		out.Why += "; before the mirrors, because no authority names these bytes"
	}
	return out
}

func rankOrigin(s rules.Source) int {
	if s.Origin {
		return 0
	}
	return 1
}
