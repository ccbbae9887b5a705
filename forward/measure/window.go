package measure

import (
	"slices"
	"time"
)

const (
	// windowSize is how many waits of a class are kept for percentiles. More would not move them, and cost memory.
	windowSize = 256
	// windowSpan is for how long. Percentiles of last week are of another network.
	windowSpan = 24 * time.Hour
	// enough is from how many waits on percentiles mean something. A p90 of three is the slowest of three.
	enough = 8
)

// moment is one wait for a first byte.
type moment struct {
	At    int64         `json:"at"`              // when it ended, in seconds since 1970: a wall clock, for it outlives the process
	Wait  time.Duration `json:"wait"`            //
	Probe bool          `json:"probe,omitempty"` // our own question
}

// window is the last waits. The zero window is empty.
type window struct {
	Moments []moment `json:"moments,omitempty"` // in no order once it is full
	Next    int      `json:"next,omitempty"`    // which one is overwritten next
}

func (w *window) add(m moment) {
	if len(w.Moments) < windowSize {
		w.Moments = append(w.Moments, m)
		return
	}
	w.Moments[w.Next] = m
	w.Next = (w.Next + 1) % windowSize
}

// spread is a window in three figures. The zero spread says that nothing was measured.
type spread struct {
	P50, P90 time.Duration
	Count    int
	Probes   bool // only probes are in it
}

// spread looks at the waits of the last day. Probes count only if there is not enough traffic to go by.
func (w *window) spread(now time.Time) spread {
	var traffic, all []time.Duration
	for _, m := range w.Moments {
		if age := now.Unix() - m.At; age > int64(windowSpan/time.Second) || -age > int64(windowSpan/time.Second) {
			continue
		}
		all = append(all, m.Wait)
		if !m.Probe {
			traffic = append(traffic, m.Wait)
		}
	}
	probes := len(traffic) == 0
	if len(traffic) >= enough || len(traffic) == len(all) {
		all = traffic
	}
	if len(all) == 0 {
		return spread{}
	}
	slices.Sort(all)
	return spread{P50: quantile(all, 50), P90: quantile(all, 90), Count: len(all), Probes: probes}
}

// quantile is the smallest of the sorted durations that so many of a hundred do not exceed.
func quantile(sorted []time.Duration, percent int) time.Duration {
	return sorted[max((len(sorted)*percent+99)/100, 1)-1]
}
