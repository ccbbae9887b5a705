package mirrors

import (
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/hithertest"
	"hither/forward/measure"
)

func TestStatistics(t *testing.T) {
	for _, row := range []struct {
		name string
		of   []time.Duration
		want *Stats
	}{
		{"of nothing there are none", nil, nil},
		{"what did not happen is nothing", []time.Duration{0, 0}, nil},
		{"of one all are the same, and it does not deviate", []time.Duration{5 * ms}, &Stats{1, 5 * ms, 5 * ms, 5 * ms, 5 * ms, 0}},
		{"the median of two was measured", []time.Duration{20 * ms, 10 * ms}, &Stats{2, 10 * ms, 10 * ms, 20 * ms, 20 * ms, 7071067}},
		{"one outlier of three moves the maximum, not the median", []time.Duration{10 * ms, 900 * ms, 20 * ms}, &Stats{3, 10 * ms, 20 * ms, 900 * ms, 900 * ms, 510979451}},
		{"a phase of zero does not count", []time.Duration{0, 4 * ms}, &Stats{1, 4 * ms, 4 * ms, 4 * ms, 4 * ms, 0}},
	} {
		got := statisticsOf(row.of)
		if (got == nil) != (row.want == nil) || got != nil && *got != *row.want {
			t.Errorf("%s\n got %+v\nwant %+v", row.name, got, row.want)
		}
	}
}

func TestThe95thOfTwentyIsNotTheMaximum(t *testing.T) {
	var all []time.Duration
	for i := range 20 {
		all = append(all, time.Duration(20-i)*ms)
	}
	s := statisticsOf(all)
	hithertest.Same(t, "p50", s.P50, 10*ms)
	hithertest.Same(t, "p95", s.P95, 19*ms)
	hithertest.Same(t, "max", s.Max, 20*ms)
	hithertest.Same(t, "the argument stays as it is", all[0], 20*ms)
}

func TestASummaryIsOfRightAnswersAlone(t *testing.T) {
	late := measure.Result{Outcome: measure.Stalled, Err: "not done in 10s; see https://u:secret@h/?key=abc", Phases: measure.Phases{Total: 10 * time.Second}}
	m := Summary("", []measure.Result{surveyed(), late})
	hithertest.Same(t, "success", m.Success, 0.5)
	hithertest.Same(t, "total", m.Total.Max, surveyed().Phases.Total)
	hithertest.Same(t, "stalled", m.Outcomes["stalled"], 1)
	if strings.Contains(m.Err, "secret") || strings.Contains(m.Err, "abc") {
		t.Errorf("error\n got %s\nwant no secrets", m.Err)
	}
	if none := Summary("h3", nil); none.Success != 0 || none.Newest != "unknown" {
		t.Errorf("of nothing\n got %+v\nwant nothing known", none)
	}
}

func TestFreshness(t *testing.T) {
	for _, row := range []struct {
		name, entry string
		named       []string
		want        string
	}{
		{"the same entry is current", "v2", []string{"v2"}, "current"},
		{"the origin went on while we measured", "v2", []string{"v2", "v3"}, "current"},
		{"another is behind", "v1", []string{"v2"}, "behind"},
		{"without the origin's word nothing is known", "v1", nil, "unknown"},
		{"without its own neither", "", []string{"v2"}, "unknown"},
	} {
		m := Measurement{Entry: row.entry}
		m.compare(row.named)
		hithertest.Same(t, row.name, m.Newest, row.want)
	}
}
