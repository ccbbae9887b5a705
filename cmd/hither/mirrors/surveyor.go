package mirrors

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hither/cmd/hither/terminal"
	"hither/forward/measure"
	"hither/rules"
)

const (
	// atOnce is how many hosts are measured at the same time: more would measure each other.
	atOnce = 4
	// most bounds what one survey asks of a mirror.
	most = 100
	// LeastPause is the least time between two measurements of an upstream.
	LeastPause = 100 * time.Millisecond
)

// Ask is what a survey is to find out.
type Ask struct {
	Rules    []string      // names; empty: all
	Count    int           // measurements of each upstream and protocol, 1 to 100
	Interval time.Duration // between the beginnings of two; 100 ms at least
	Protos   []string      // "" is what traffic would use; empty: that alone
}

// Check says what is wrong with the question.
func (a Ask) Check() error {
	switch {
	case a.Count < 1 || a.Count > most:
		return Unknownf("%d measurements: ask for 1 to %d", a.Count, most)
	case a.Interval < LeastPause || a.Interval > time.Hour:
		return Unknownf("an interval of %s: take one between %s and 1h, for others use these mirrors too", a.Interval, LeastPause)
	}
	for _, proto := range a.Protos {
		if !slices.Contains([]string{"", "h1", "h2", "h3"}, proto) {
			return Unknownf("protocol %q: there are h1, h2 and h3", proto)
		}
	}
	return nil
}

// Surveyor measures the upstreams of rules. Surveys may be under way at the same time.
type Surveyor struct {
	Probe  func(ctx context.Context, t measure.Target, proto string) measure.Result
	Board  *measure.Board       // hears of measurements over what traffic uses
	Heard  func(measure.Result) // hears of all, from many goroutines at once; nil: nobody does
	Turns  *Turns               // whom it shares with the other surveys of this process
	Pauses *Pauses              // likewise
	Daemon bool                 // the board knows traffic, too
}

// errand is one thing to measure, again and again.
type errand struct {
	rule    string
	target  measure.Target
	proto   string
	results []measure.Result
}

// Survey measures, calls progress after each measurement, one call at a time, and sums up. It ends early with ctx.
func (s *Surveyor) Survey(ctx context.Context, set *rules.Set, ask Ask, progress func(SurveyLine)) (Survey, error) {
	if err := ask.Check(); err != nil {
		return Survey{}, err
	}
	chosen, err := chooseRules(set, ask.Rules)
	if err != nil {
		return Survey{}, err
	}
	began := time.Now()
	errands := errandsOf(chosen, ask.Protos)
	if err := s.measure(ctx, errands, ask, progress); err != nil {
		return Survey{}, err
	}
	out := Survey{Schema: schema, When: began.Round(0), Took: time.Since(began), Count: ask.Count, Interval: ask.Interval, Daemon: s.Daemon}
	for _, rule := range chosen {
		out.Rules = append(out.Rules, s.report(rule, errands))
	}
	return out, nil
}

// chooseRules are the rules of these names, each once; without names all of them.
func chooseRules(set *rules.Set, names []string) (chosen []*rules.Rule, err error) {
	if len(names) == 0 {
		return set.Rules(), nil
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		rule, err := FindRule(set, name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, rule)
	}
	return chosen, nil
}

func errandsOf(chosen []*rules.Rule, protos []string) (all []*errand) {
	if len(protos) == 0 {
		protos = []string{""}
	}
	for _, rule := range chosen {
		for _, t := range targetsOf(rule) {
			for _, proto := range protos {
				all = append(all, &errand{rule: rule.Name, target: t, proto: proto})
			}
		}
	}
	return all
}

// measure does all rounds. What one host has to answer is asked one after the other, so that no measurement waits for
// another one.
func (s *Surveyor) measure(ctx context.Context, errands []*errand, ask Ask, progress func(SurveyLine)) error {
	var mu sync.Mutex
	done := 0
	tell := func(e *errand, r measure.Result) {
		mu.Lock()
		defer mu.Unlock()
		done++
		e.results = append(e.results, r)
		progress(SurveyLine{Done: done, Total: ask.Count * len(errands), Rule: e.rule, Proto: e.proto, Result: &r})
	}
	hosts := byHost(errands)
	for round := range ask.Count {
		began := time.Now()
		over, err := s.Turns.take(ctx, func() { progress(SurveyLine{}) })
		if err != nil {
			return err
		}
		s.round(ctx, hosts, tell)
		over()
		if round == ask.Count-1 {
			break
		}
		select {
		case <-time.After(ask.Interval - time.Since(began)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// round measures everything once.
func (s *Surveyor) round(ctx context.Context, hosts [][]*errand, tell func(*errand, measure.Result)) {
	var work errgroup.Group
	work.SetLimit(atOnce)
	for _, host := range hosts {
		work.Go(func() error {
			for _, e := range host {
				if s.Pauses.has(e.target.Base) {
					continue
				}
				r := s.Probe(ctx, e.target, e.proto)
				if s.Heard != nil {
					s.Heard(r)
				}
				if ctx.Err() != nil {
					return nil // it was cut short by us
				}
				s.Pauses.note(r)
				if e.proto == "" { // the board ranks what traffic uses
					s.Board.Add(r.Sample())
				}
				tell(e, r)
			}
			return nil
		})
	}
	_ = work.Wait() // it has no errors
}

// byHost has one list for each host, in the order of their first errands.
func byHost(errands []*errand) (lists [][]*errand) {
	at := map[string]int{}
	for _, e := range errands {
		u, err := url.Parse(e.target.URL)
		if err != nil {
			u = &url.URL{}
		}
		host := strings.ToLower(u.Host)
		i, ok := at[host]
		if !ok {
			i = len(lists)
			at[host] = i
			lists = append(lists, nil)
		}
		lists[i] = append(lists[i], e)
	}
	return lists
}

// report sums up one rule.
func (s *Surveyor) report(rule *rules.Rule, errands []*errand) SurveyRule {
	out := SurveyRule{Rule: rule.Name, Upstreams: []SurveyUpstream{}}
	ups := rule.Upstreams()
	measured, named := gather(rule.Name, errands)
	for _, m := range measured {
		out.Measured = true
		out.Working = out.Working || slices.ContainsFunc(m, func(m Measurement) bool { return m.OK > 0 })
	}
	if !out.Measured {
		out.Note = fmt.Sprintf("%s has no [probe], so there is nothing to measure with; traffic alone tells", rule.File)
		ups = mainUpstreams(rule)
	} else {
		ups = slices.DeleteFunc(ups, func(u rules.Source) bool { return measured[u.Base] == nil }) // origins of other hosts
	}
	var bases []string
	origins := map[string]bool{}
	for _, u := range ups {
		bases, origins[u.Base] = append(bases, u.Base), u.Origin
	}
	s.freshen(measured, named, origins)
	places := Rank(s.Board, rule, bases, measure.Object{})
	if out.Working || !out.Measured {
		out.Choice = NewChoice(places, rule.Pin, func(base string) bool { return origins[base] })
	}
	for _, p := range places {
		out.Upstreams = append(out.Upstreams, newSurveyUpstream(rule, p, origins[p.Base], out.Choice, measured[p.Base]))
	}
	for _, m := range rule.Mirrors {
		if m.Off != "" {
			out.Upstreams = append(out.Upstreams, SurveyUpstream{Base: m.URL, Off: m.Off, Verdict: "off: " + m.Off})
		}
	}
	return out
}

// mainUpstreams are the upstreams of the rule's first host.
func mainUpstreams(rule *rules.Rule) []rules.Source {
	return slices.DeleteFunc(rule.Upstreams(), func(u rules.Source) bool {
		return u.Origin && !slices.Contains(rule.Hosts[0].Origin, u.Base)
	})
}

// gather has the summaries by base, and what origins named as their newest entries, the last one last.
func gather(rule string, errands []*errand) (measured map[string][]Measurement, named []string) {
	measured = map[string][]Measurement{}
	for _, e := range errands {
		if e.rule != rule {
			continue
		}
		measured[e.target.Base] = append(measured[e.target.Base], Summary(e.proto, e.results))
		for _, r := range e.results {
			if entry := terminal.Plain(r.Newest); e.target.Origin && entry != "" {
				named = append(named, entry)
			}
		}
	}
	return measured, named
}

// freshen compares newest entries, and lets the board know which mirrors are behind.
func (s *Surveyor) freshen(measured map[string][]Measurement, named []string, origins map[string]bool) {
	for base, list := range measured {
		for i := range list {
			list[i].compare(named)
			if !origins[base] && list[i].Newest != "unknown" {
				s.Board.Behind(base, list[i].Newest == "behind")
			}
		}
	}
}

func newSurveyUpstream(rule *rules.Rule, p measure.Place, origin bool, choice *Choice, measured []Measurement) SurveyUpstream {
	u := SurveyUpstream{
		Base: p.Base, Origin: origin, Pinned: rule.Pin == p.Base, Chosen: choice != nil && choice.Base == p.Base, Measured: measured,
	}
	for i := range u.Measured {
		if m := &u.Measured[i]; m.Rate == 0 && m.OK > 0 {
			m.Rate = p.Rate
		}
	}
	u.Verdict = u.verdict(p, choice)
	return u
}

// verdict says in words why an upstream stands at its place.
func (u SurveyUpstream) verdict(p measure.Place, choice *Choice) string {
	text := terminal.Plain(cmp.Or(p.Reason, "not asked yet"))
	switch {
	case u.Chosen:
		text = "chosen, " + terminal.Plain(choice.because())
	case u.Pinned:
		text = "pinned by you; " + text
	}
	if u.Origin {
		text += "; it is the origin"
	}
	for _, m := range u.Measured {
		if failed := m.Count - m.OK; failed > 0 && m.OK > 0 {
			text += fmt.Sprintf("; %d of %d measurements failed (%s)", failed, m.Count, m.failure())
		}
		if m.Newest == "behind" {
			text += fmt.Sprintf("; behind: its newest entry is %s, the origin's %s", m.Entry, m.Origins)
			break
		}
	}
	return text
}

// failure is how most of the measurements that failed ended.
func (m Measurement) failure() string {
	worst, most := "", 0
	for word, n := range m.Outcomes {
		if word != measure.OK.String() && (n > most || n == most && word < worst) {
			worst, most = word, n
		}
	}
	return worst
}
