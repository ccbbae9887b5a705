package mirrors

import (
	"math"
	"slices"
	"time"

	"hither/cmd/hither/redact"
	"hither/cmd/hither/terminal"
	"hither/forward/measure"
)

// statisticsOf sums up what was measured; what did not happen is not in it. Nil if nothing did.
func statisticsOf(all []time.Duration) *Stats {
	sorted := slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(all), func(d time.Duration) bool { return d <= 0 })))
	if len(sorted) == 0 {
		return nil
	}
	return &Stats{
		Count: len(sorted), Min: sorted[0], P50: nearestRank(sorted, 50), P95: nearestRank(sorted, 95), Max: sorted[len(sorted)-1],
		SD: deviation(sorted),
	}
}

// nearestRank is the smallest value that p percent of all do not exceed. It was measured itself, unlike what an
// interpolation between two would say of a mirror that answers at once or after a second.
func nearestRank(sorted []time.Duration, p int) time.Duration {
	rank := (p*len(sorted) + 99) / 100
	return sorted[max(rank, 1)-1]
}

// deviation is the standard deviation of a sample. One measurement has none.
func deviation(all []time.Duration) time.Duration {
	n := float64(len(all))
	if n < 2 {
		return 0
	}
	mean, sum := 0.0, 0.0
	for _, d := range all {
		mean += float64(d) / n
	}
	for _, d := range all {
		sum += (float64(d) - mean) * (float64(d) - mean)
	}
	return time.Duration(math.Sqrt(sum / (n - 1)))
}

// Summary sums up measurements of one upstream over one protocol.
func Summary(proto string, results []measure.Result) Measurement {
	m := Measurement{Proto: proto, Count: len(results), Newest: "unknown", Outcomes: map[string]int{}}
	var right []measure.Result
	for _, r := range results {
		m.Outcomes[outcomeOf(r)]++
		m.Addr = keep(m.Addr, r.Addr)
		m.Entry = keep(m.Entry, terminal.Plain(r.Newest))
		if r.Outcome == measure.OK {
			right = append(right, r)
			m.HTTP = r.Proto
		} else {
			m.Err = keep(m.Err, terminal.Plain(redact.Text(r.Err)))
		}
	}
	m.OK = len(right)
	if m.Count > 0 {
		m.Success = float64(m.OK) / float64(m.Count)
	}
	m.phases(right)
	return m
}

// outcomeOf is how a measurement ended, in a word or two.
func outcomeOf(r measure.Result) string {
	if r.Unspoken {
		return "not spoken"
	}
	return r.Outcome.String()
}

// keep is the new text, unless there is none.
func keep(old, text string) string {
	if text == "" {
		return old
	}
	return text
}

func (m *Measurement) phases(right []measure.Result) {
	of := func(phase func(measure.Result) time.Duration) *Stats {
		all := make([]time.Duration, len(right))
		for i, r := range right {
			all[i] = phase(r)
		}
		return statisticsOf(all)
	}
	m.DNS = of(func(r measure.Result) time.Duration { return r.Phases.DNS })
	m.Connect = of(func(r measure.Result) time.Duration { return r.Phases.Connect })
	m.TLS = of(func(r measure.Result) time.Duration { return r.Phases.TLS })
	m.Wait = of(func(r measure.Result) time.Duration { return r.Phases.Wait })
	m.Total = of(func(r measure.Result) time.Duration { return r.Phases.Total })
	m.Rate = goodput(right)
}

// goodput is the median rate of large bodies; 0 if there are none.
func goodput(right []measure.Result) float64 {
	var rates []float64
	for _, r := range right {
		if rate := r.Rate(); rate > 0 {
			rates = append(rates, rate)
		}
	}
	if len(rates) == 0 {
		return 0
	}
	slices.Sort(rates)
	return rates[(len(rates)-1)/2]
}

// compare holds the newest entry against those that origins named while we measured: any of them is current, for it may
// have changed meanwhile.
func (m *Measurement) compare(named []string) {
	switch {
	case len(named) == 0 || m.Entry == "":
		m.Newest = "unknown"
	case slices.Contains(named, m.Entry):
		m.Newest = "current"
	default:
		m.Newest, m.Origins = "behind", named[len(named)-1]
	}
}
