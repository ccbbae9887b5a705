package measure_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"hither/forward/measure"
)

func TestHedgesAreAShareOfTheRequests(t *testing.T) {
	for _, c := range []struct {
		name     string
		hedger   *measure.Hedger
		requests int
		want     int // hedges, if each request wants one
	}{
		{"the very first may be hedged", &measure.Hedger{}, 1, 1},
		{"of twenty, two: the first and one that was earned", &measure.Hedger{}, 20, 2},
		{"of a thousand, one in twenty", &measure.Hedger{}, 1000, 51},
		{"half of them, if that is wanted", &measure.Hedger{Share: 0.5}, 1000, 501},
		{"no more than all of them", &measure.Hedger{Share: 7}, 1000, 1000},
		{"none, if that is wanted", &measure.Hedger{Share: -1}, 1000, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := 0
			for range c.requests {
				c.hedger.Earn()
				if c.hedger.Take() {
					got++
				}
			}
			if report := c.hedger.Report(); got != c.want || report.Hedges != int64(got) || report.Requests != int64(c.requests) {
				t.Errorf("hedges\ngot  %d, reported %+v\nwant %d", got, report, c.want)
			}
		})
	}
}

func TestHedgesAreSavedForABadMinuteAndNotForever(t *testing.T) {
	var h measure.Hedger
	for range 10_000 {
		h.Earn()
	}
	got := 0
	for h.Take() {
		got++
	}
	if got != 8 {
		t.Errorf("hedges at once\ngot  %d\nwant 8", got)
	}
}

func TestTheHedgerCountsForPrograms(t *testing.T) {
	var h measure.Hedger
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				h.Earn()
				if h.Take() {
					h.Won()
					h.Extra(1000)
					h.Extra(-1)
				}
			}
		})
	}
	all.Wait()
	text, err := json.Marshal(h.Report())
	if got, want := fmt.Sprintf("%s %v", text, err), `{"requests":400,"hedges":21,"won":21,"bytes":21000} <nil>`; got != want {
		t.Errorf("report\ngot  %s\nwant %s", got, want)
	}
}
