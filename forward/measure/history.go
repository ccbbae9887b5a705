package measure

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	bucketSpan  = 5 * time.Minute
	historySpan = 24 * time.Hour
)

// Line is what one upstream did over time, for a map of it.
type Line struct {
	Base    string   `json:"base"`
	Buckets []Bucket `json:"buckets"` // sorted by time; five minutes in which it was not asked are left out
}

// Bucket is five minutes of it, probes among them.
type Bucket struct {
	Time     time.Time     `json:"time"` // when they began
	Requests int           `json:"requests"`
	Failures int           `json:"failures"`       // of Requests
	Wait     time.Duration `json:"wait,omitempty"` // to the first byte, the mean; 0: none was measured
	Rate     float64       `json:"rate,omitempty"` // bytes a second behind the first byte, of the larger transfers; 0: there were none
}

// History tells what each upstream did since then, sorted by base; what is older than a day is forgotten. Upstreams that
// were not asked since are left out.
func (b *Board) History(since time.Time) []Line {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, lines := b.now(), []Line{}
	for base, r := range b.bases {
		r.History.trim(now)
		if l := (Line{base, r.History.since(since)}); len(l.Buckets) > 0 {
			lines = append(lines, l)
		}
	}
	slices.SortFunc(lines, func(x, y Line) int { return strings.Compare(x.Base, y.Base) })
	return lines
}

// tally is a bucket while it is being filled.
type tally struct {
	Slot     int64   `json:"slot"` // which five minutes since 1970
	Requests int     `json:"requests"`
	Failures int     `json:"failures,omitempty"`
	Waits    int     `json:"waits,omitempty"`
	Waited   float64 `json:"waited,omitempty"` // seconds, the sum: a Duration could overflow
	Bytes    float64 `json:"bytes,omitempty"`  // of the larger transfers
	Sending  float64 `json:"sending,omitempty"`
}

// history is the last day, sorted by slot.
type history []tally

func slot(t time.Time) int64 { return t.Unix() / int64(bucketSpan/time.Second) }

// add counts a transfer that ended then.
func (h *history) add(s Sample, ended, now time.Time) {
	h.trim(now)
	i, found := slices.BinarySearchFunc(*h, slot(ended), func(t tally, slot int64) int { return cmp.Compare(t.Slot, slot) })
	if !found {
		*h = slices.Insert(*h, i, tally{Slot: slot(ended)})
	}
	t := &(*h)[i]
	t.Requests++
	if s.Outcome.Failed() {
		t.Failures++
	}
	if s.Wait > 0 {
		t.Waits, t.Waited = t.Waits+1, t.Waited+s.Wait.Seconds()
	}
	if s.substantial() {
		t.Bytes += float64(s.Bytes)
		t.Sending += max(s.Took-s.Wait, time.Millisecond).Seconds()
	}
}

// trim forgets what is older than a day, and what a clock that was put back left in the future.
func (h *history) trim(now time.Time) {
	first, last := slot(now.Add(-historySpan))+1, slot(now)
	if len(*h) > 0 && ((*h)[0].Slot < first || (*h)[len(*h)-1].Slot > last) {
		*h = slices.DeleteFunc(*h, func(t tally) bool { return t.Slot < first || t.Slot > last })
	}
}

func (h *history) since(then time.Time) (out []Bucket) {
	for _, t := range *h {
		began := time.Unix(t.Slot*int64(bucketSpan/time.Second), 0).UTC()
		if !began.Add(bucketSpan).After(then) {
			continue
		}
		b := Bucket{Time: began, Requests: t.Requests, Failures: t.Failures}
		if t.Waits > 0 {
			b.Wait = time.Duration(t.Waited / float64(t.Waits) * float64(time.Second))
		}
		if t.Sending > 0 {
			b.Rate = t.Bytes / t.Sending
		}
		out = append(out, b)
	}
	return out
}
